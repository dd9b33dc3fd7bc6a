"""detect_shift: has the domain shifted? Features in, comparisons out."""

from __future__ import annotations

from functools import partial

import numpy as np

from graft.data import TEST, TRAIN
from graft.model.reference import load_reference
from graft.records import Check, Outcome, Policy, ShiftComparison, ShiftRecord
from graft.shift import compare
from tasks.rows import read_features, read_rows
from tasks.steps import Context

SEED = 20_000


def run(context: Context) -> ShiftRecord:
    """Compare test with train, train with what the champion was trained on, and the data with the base's own domain."""
    rows = read_rows(context, TRAIN, TEST)
    on_train = (rows["side"] == TRAIN).to_numpy()
    settings = context.recipe.detect_shift
    base = context.pinned.bases[0]
    features = read_features(context, base.id, TRAIN, TEST)
    test = partial(
        compare,
        alpha=settings.alpha,
        max_auc=settings.max_auc,
        n_permutations=settings.n_permutations,
        max_rows=settings.max_rows,
    )
    comparisons = [
        ShiftComparison(
            name="Data against the base's own domain",
            reference=base.id,
            current="train",
            auc=None,
            shifted=None,
            because="this base has no domain card",
        ),
        test(
            "Test rows against training rows",
            features[on_train],
            features[~on_train],
            reference_name="train",
            current_name="test",
            current_rows=rows["row"][~on_train].tolist(),
            rng=np.random.default_rng(SEED),
        ),
    ]
    champion = context.pinned.champion
    if champion:
        name = "Training rows against the champion's"
        if champion.base_sha256 == base.sha256:
            comparisons.append(
                test(
                    name,
                    load_reference(context.workspace.root / champion.folder),
                    features[on_train],
                    reference_name=f"rows of champion {champion.number}",
                    current_name="train",
                    current_rows=rows["row"][on_train].tolist(),
                    rng=np.random.default_rng(SEED + 1),
                )
            )
        else:
            comparisons.append(
                ShiftComparison(
                    name=name,
                    reference=f"rows of champion {champion.number}",
                    current="train",
                    auc=None,
                    shifted=None,
                    because="the champion grew from another base",
                )
            )
    shifted = [c for c in comparisons if c.shifted]
    checks = tuple(_check(c, settings.max_auc, context.recipe.decide.shift) for c in comparisons[1:2] if c.auc)
    return ShiftRecord(
        step="detect_shift",
        recipe=context.recipe.name,
        passed=not any(check.outcome == "failed" for check in checks),
        summary="; ".join(f"{c.name}: shifted, AUC {c.auc.value:.2f}" for c in shifted if c.auc)
        or "none beyond bounds",
        inputs=context.digests,
        checks=checks,
        comparisons=tuple(comparisons),
    )


def _check(comparison: ShiftComparison, max_auc: float, policy: Policy) -> Check:
    """Return the check of the one comparison that decides: a test side unlike train measures something else.

    It fails when the difference is significant and large, passes when the whole interval lies below the bound, and between the
    two it cannot tell.
    """
    assert comparison.auc is not None  # noqa: S101 - the caller left the others out
    outcome: Outcome = "cannot_tell" if comparison.auc.ci_high > max_auc else "passed"
    return Check(
        name=comparison.name,
        step="detect_shift",
        observed=comparison.auc,
        bound=max_auc,
        relation="at_most",
        outcome="failed" if comparison.shifted else outcome,
        policy=policy,
        note=comparison.because,
    )
