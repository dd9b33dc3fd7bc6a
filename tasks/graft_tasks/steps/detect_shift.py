"""detect_shift: has the domain shifted? Features in, comparisons out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from graft.errors import TamperError
from graft.model.reference import load_reference, load_trained_on
from graft.records import (
    Base,
    Champion,
    Check,
    Estimate,
    Measurement,
    Outcome,
    Policy,
    ShiftComparison,
    ShiftRecord,
    sha256_file,
)
from graft.records.shift import Profile
from graft.rows import TEST, TRAIN
from graft.shift.card_rows import load_domain
from graft.shift.compare import N_MIN, compare
from graft.shift.domain_card import find_card, flag_language, read_card
from graft.shift.explain import find_differences
from graft.shift.sample import Sample
from graft.shift.wording import shift_sentence
from graft_tasks.registry.bases import locate
from graft_tasks.steps.context import Context
from graft_tasks.steps.profiles import describe
from graft_tasks.steps.rows import embedded_with, read_features, read_rows

SEED = 20_000
Look = Callable[..., Profile]
"""What describes rows from outside, for people: ``describe`` for this run's base."""


def run(context: Context) -> ShiftRecord:
    """Compare test with train, train with what the champion was trained on, and with the base's own domain."""
    rows, embedded = read_rows(context, TRAIN, TEST, content=True), embedded_with(context)
    base = next(base for base in context.pinned.bases if base.id in embedded)
    features = read_features(context, base.id, TRAIN, TEST)
    train, test = (_sample(rows, features, side) for side in (TRAIN, TEST))
    bounds, policy = context.recipe.detect_shift, context.recipe.decide.shift
    look = partial(
        describe,
        modality=context.recipe.data.modality,
        base=locate(context.workspace, base),
        max_rows=bounds.max_rows,
    )
    context.progress(1, 4, "rows read")
    comparisons = [_test(context, look, rows, train, test)]
    context.progress(2, 4, "comparisons")
    if context.pinned.champion:
        comparisons.append(_champion(context, context.pinned.champion, base, look, rows, train))
    context.progress(3, 4, "comparisons")
    comparisons.append(_domain(context, base, look, rows, train))
    context.progress(4, 4, "comparisons")
    checks = tuple(
        _check(comparison, bounds.max_auc, policy)
        for comparison in comparisons[:1]
        if comparison.auc and not comparison.is_expected
    )
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


def _test(context: Context, look: Look, rows: pd.DataFrame, train: Sample, test: Sample) -> ShiftComparison:
    """Compare the two sides: a test side unlike train measures something else, unless it is the future of what train is."""
    name = "Test rows against training rows"
    found = compare(name, train, test, context.recipe.detect_shift, rng=np.random.default_rng(SEED))
    if is_later(rows):
        because = f"the test rows are later than all training rows, so a shift is expected and noted; {found.because}"
        found = found.model_copy(update={"is_expected": True, "because": because})
    if not found.is_alarming:
        return found
    return found.model_copy(
        update={"signs": find_differences(*(look(rows[rows["side"] == side]) for side in (TRAIN, TEST)))}
    )


def is_later(rows: pd.DataFrame) -> bool:
    """Return whether the rows are split by time: each test row has a time, and lies behind the last training row with one."""
    times = pd.to_datetime(rows["time"].replace("", None), utc=True, errors="coerce", format="ISO8601")
    before, after = times[rows["side"] == TRAIN].dropna(), times[rows["side"] == TEST]
    return bool(len(before) and after.notna().all() and before.max() < after.min())


def _champion(
    context: Context, champion: Champion, base: Base, look: Look, rows: pd.DataFrame, train: Sample
) -> ShiftComparison:
    """Compare the training rows that are new since the champion with those that it was trained on.

    Rows that stand in both samples are left out: after an addition they are nearly all, and would hide what came.
    """
    name, reference = "New training rows against the champion's", f"rows of champion {champion.number}"
    if champion.base_sha256 != base.sha256:
        return _untold(name, reference, "the champion grew from another base")
    folder = context.workspace.root / champion.folder
    learned = load_trained_on(folder)
    is_new = ~rows["key"][rows["side"] == TRAIN].isin(learned).to_numpy()
    n_overlapping, n_new = int((~is_new).sum()), int(is_new.sum())
    if n_new < N_MIN:
        few = "no training row is" if n_new == 0 else f"only {n_new} of {len(is_new):,} training rows are"
        because = f"nothing new to compare: {few} new since the champion; {N_MIN} are needed"
        return _untold(name, reference, because).model_copy(update={"n_overlapping": n_overlapping})
    train = replace(train.take(np.flatnonzero(is_new)), name="new train rows")
    features, labels = load_reference(folder)
    before = Sample(name=reference, features=features, labels=labels)
    found = compare(name, before, train, context.recipe.detect_shift, rng=np.random.default_rng(SEED + 1))
    found = found.model_copy(update={"n_overlapping": n_overlapping})
    if not found.is_alarming:
        return found
    known, now = rows[rows["key"].isin(learned)], rows[rows["side"] == TRAIN][is_new]
    return found.model_copy(update={"signs": find_differences(look(known), look(now))})


def _domain(context: Context, base: Base, look: Look, rows: pd.DataFrame, train: Sample) -> ShiftComparison:
    """Compare with the base's domain card, where there is one.

    Raises:
        TamperError: the card is not the one that was pinned.
    """
    name, pinned = "Training rows against the base's own domain", context.pinned.cards.get(base.id)
    if pinned is None:
        because = f"{base.id} has no domain card; graft card {base.id} --from FILE makes one"
        return _untold(name, base.id, because).model_copy(update={"of_domain": True})
    path = find_card(base.folder_sha256, context.workspace.cards)
    if path is None or sha256_file(path) != pinned:
        raise TamperError(
            f"The domain card of {base.id} is not the one that was pinned.",
            where=str(path or context.workspace.cards),
            do="restore it, or delete data/RECIPE/inputs.json to pin what there is now",
        )
    context.digests[f"card/{base.id}"] = pinned
    card = read_card(path)
    reference = Sample(name=card.title, features=load_domain(path))
    found = compare(name, reference, train, context.recipe.detect_shift, rng=np.random.default_rng(SEED + 2))
    profile = look(rows[rows["side"] == TRAIN], columns=False)
    return found.model_copy(
        update={
            "of_domain": True,
            "signs": find_differences(card.profile, profile),
            "advice": flag_language(card, profile),
        }
    )


def _untold(name: str, reference: str, because: str) -> ShiftComparison:
    return ShiftComparison(
        name=name, reference=reference, current="train rows", auc=None, shifted=None, because=because
    )


def _summary(comparisons: list[ShiftComparison]) -> str:
    """Return what shifted, with how far; the base's own domain, from which most data differ, is named apart.

    What a split by time lets expect is noted with its size, however small.
    """
    shifted = [comparison for comparison in comparisons if comparison.is_alarming and not comparison.is_expected]
    later = [
        f"{_size(comparison.auc)} to the later test rows, as expected"
        for comparison in comparisons
        if comparison.is_expected and comparison.auc
    ]
    parts = (
        [f"{shift_comparison.name}: {shift_sentence(shift_comparison)}" for shift_comparison in shifted]
        or later
        or ["none beyond bounds"]
    )
    domain = next((comparison.auc for comparison in comparisons if comparison.of_domain and comparison.auc), None)
    return "; ".join([*parts, f"AUC {domain.value:.2f} to the base's domain"] if domain else parts)


def _size(auc: Estimate) -> str:
    return f"AUC {auc.value:.2f} [{auc.ci_low:.2f}, {auc.ci_high:.2f}]"


def _check(comparison: ShiftComparison, max_auc: float, policy: Policy) -> Check:
    """Return the check of the one comparison that decides: a test side unlike train measures something else.

    It fails when the difference is significant and large, passes when the whole interval lies below the bound, and between the
    two it cannot tell.
    """
    assert comparison.auc is not None  # noqa: S101 - the caller left the others out
    outcome: Outcome = "cannot_tell" if comparison.auc.ci_high > max_auc else "passed"
    return Check(
        id="detect_shift.test_against_train",
        measurement=Measurement(
            metric="two_sample_auc",
            subject=comparison.current,
            against=comparison.reference,
            estimate=comparison.auc,
        ),
        bound=max_auc,
        relation="at_most",
        outcome="failed" if comparison.shifted else outcome,
        policy=policy,
        note=comparison.because,
    )
