"""detect_shift: has the domain shifted? Features in, comparisons out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from graft.data import TEST, TRAIN
from graft.model.reference import load_reference, load_trained_on
from graft.records import Base, Check, Outcome, Policy, ShiftComparison, ShiftRecord
from graft.records.shift import Profile
from graft.shift.card import find_card, flag_language, read_card
from graft.shift.compare import compare, tell
from graft.shift.domain import load_domain
from graft.shift.sample import Sample
from graft.shift.signs import tell_apart
from tasks.bases import locate
from tasks.profiles import describe
from tasks.rows import embedded_with, read_features, read_rows
from tasks.steps import Context

SEED = 20_000
TEST_NAME = "Test rows against training rows"
DOMAIN = "Training rows against the base's own domain"


def run(context: Context) -> ShiftRecord:
    """Compare test with train, train with what the champion was trained on, and with the base's own domain."""
    rows = read_rows(context, TRAIN, TEST, content=True)
    base = next(base for base in context.pinned.bases if base.id in embedded_with(context))
    features = read_features(context, base.id, TRAIN, TEST)
    train, test = (_sample(rows, features, side) for side in (TRAIN, TEST))
    context.progress(1, 4, "rows read")
    steps = (_test, _champion, _domain)
    comparisons = []
    for k, step in enumerate(steps):
        found = step(context, base, rows, train, test)
        comparisons.extend([found] if found else [])
        context.progress(k + 2, 4, "comparisons")
    bounds, policy = context.recipe.detect_shift, context.recipe.decide.shift
    checks = tuple(_check(one, bounds.max_auc, policy) for one in comparisons if one.name == TEST_NAME and one.auc)
    return ShiftRecord(
        step="detect_shift",
        recipe=context.recipe.name,
        passed=not any(check.outcome == "failed" for check in checks),
        summary=_summary(comparisons),
        inputs=context.digests,
        checks=checks,
        comparisons=tuple(comparisons),
    )


def _sample(rows: pd.DataFrame, features: npt.NDArray[np.float32], side: str) -> Sample:
    on_side = (rows["side"] == side).to_numpy()
    return Sample(
        name=f"{side} rows",
        features=features[on_side],
        labels=rows["label"][on_side].to_numpy(dtype=str),
        rows=rows["row"][on_side].tolist(),
    )


def _domain(context: Context, base: Base, rows: pd.DataFrame, train: Sample, _test: Sample) -> ShiftComparison:
    """Compare with the base's domain card, where there is one."""
    path = find_card(base.folder_sha256, context.workspace.cards) if base.id in context.pinned.cards else None
    if path is None:
        because = f"{base.id} has no domain card; graft card {base.id} --from FILE makes one"
        return _untold(DOMAIN, base.id, because, of_domain=True)
    card = read_card(path)
    reference = Sample(name=card.title, features=load_domain(path))
    found = compare(DOMAIN, reference, train, context.recipe.detect_shift, rng=np.random.default_rng(SEED + 2))
    profile = _profile(context, base, rows[rows["side"] == TRAIN], columns=False)
    flag = flag_language(card, profile)
    return found.model_copy(update={"of_domain": True, "signs": tell_apart(card.profile, profile), "advice": flag})


def _test(context: Context, base: Base, rows: pd.DataFrame, train: Sample, test: Sample) -> ShiftComparison:
    """Compare the two sides: a test side unlike train measures something else."""
    found = compare(TEST_NAME, train, test, context.recipe.detect_shift, rng=np.random.default_rng(SEED))
    if not found.is_alarming:
        return found
    profiles = [_profile(context, base, rows[rows["side"] == side]) for side in (TRAIN, TEST)]
    return found.model_copy(update={"signs": tell_apart(*profiles)})


def _champion(context: Context, base: Base, rows: pd.DataFrame, train: Sample, _test: Sample) -> ShiftComparison | None:
    """Compare with what the champion was trained on, where there is a champion."""
    champion = context.pinned.champion
    if champion is None:
        return None
    name, reference = "Training rows against the champion's", f"rows of champion {champion.number}"
    if champion.base_sha256 != base.sha256:
        return _untold(name, reference, "the champion grew from another base")
    folder = context.workspace.root / champion.folder
    features, labels = load_reference(folder)
    before = Sample(name=reference, features=features, labels=labels)
    found = compare(name, before, train, context.recipe.detect_shift, rng=np.random.default_rng(SEED + 1))
    if not found.is_alarming:
        return found
    known = rows[rows["key"].isin(load_trained_on(folder))]
    profiles = [_profile(context, base, part) for part in (known, rows[rows["side"] == TRAIN])]
    return found.model_copy(update={"signs": tell_apart(*profiles)})


def _untold(name: str, reference: str, because: str, *, of_domain: bool = False) -> ShiftComparison:
    return ShiftComparison(
        name=name,
        reference=reference,
        current="train rows",
        auc=None,
        shifted=None,
        of_domain=of_domain,
        because=because,
    )


def _profile(context: Context, base: Base, rows: pd.DataFrame, *, columns: bool = True) -> Profile:
    folder, max_rows = locate(context.workspace, base), context.recipe.detect_shift.max_rows
    return describe(rows, context.recipe.data.modality, folder, max_rows=max_rows, columns=columns)


def _summary(comparisons: list[ShiftComparison]) -> str:
    """Return what shifted, with how far; the base's own domain, from which most data differ, is named apart."""
    shifted = [one for one in comparisons if one.is_alarming]
    parts = [f"{one.name}: {tell(one)}" for one in shifted] or ["none beyond bounds"]
    domain = next((one.auc for one in comparisons if one.of_domain and one.auc), None)
    return "; ".join([*parts, f"AUC {domain.value:.2f} to the base's domain"] if domain else parts)


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
