"""Did the transfer help, and is the candidate better than the champion?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from graft.evaluation.baselines import CANDIDATE, FROM_SCRATCH, GAIN, NAMES, PREDECESSORS, PROBE
from graft.recipe.schema import Decide, Evaluate
from graft.records import (
    ChampionVerdict,
    Check,
    Confusion,
    Estimate,
    Measurement,
    Policy,
    Retention,
    TransferVerdict,
    check,
    exact,
)
from graft.stats import mcnemar, paired_difference, proportion
from graft.stats.accuracy import rows_to_tell

Strings = npt.NDArray[np.str_]
Hits = npt.NDArray[np.bool_]
N_CONFUSIONS = 12
MOST_LABELS = 20
"""So many labels at most make a confusion matrix that a person can read."""


def compare_arms(
    y_true: Strings, y_pred: dict[str, Strings], *, rng: np.random.Generator, n_bootstrap: int, level: float = 0.95
) -> tuple[dict[str, Estimate], dict[str, Estimate], dict[str, float]]:
    """Return each arm's accuracy, the candidate's paired difference to each other arm, and McNemar's p-values.

    Args:
        y_true: shape (n,).
        y_pred: predictions by arm, each shape (n,), ``candidate`` among them.
        level: of the differences' intervals, as the looks before this one ask for.

    Cost: O(arms x (n + n_bootstrap)).
    """
    hits = {arm: np.asarray(predicted == y_true) for arm, predicted in y_pred.items()}
    accuracy = {arm: proportion(hit) for arm, hit in hits.items()}
    others = [arm for arm in hits if arm != CANDIDATE]
    differences = {
        arm: paired_difference(hits[CANDIDATE], hits[arm], rng=rng, n_bootstrap=n_bootstrap, level=level)
        for arm in others
    }
    p_values = {arm: mcnemar(hits[CANDIDATE], hits[arm]) for arm in others}
    return accuracy, differences, p_values


def transfer_verdict(differences: Mapping[str, Estimate], *, margin_probe: float, rope: float) -> TransferVerdict:
    """Return whether the transfer helped: the candidate against what is possible without it, and against the frozen base.

    ``negative``: worse than some model without pretraining, or tuning lost more than the margin to the frozen probe.
    ``positive``: better than all of them and not worse than the probe by the margin. ``none``: the strongest of them does as
    well, within the region of practical equivalence. Else ``undecided``. The cheap model is always among them; the base's own
    architecture from random weights is where the recipe asks for it.

    Args:
        differences: candidate minus arm; of the arms ``FROM_SCRATCH`` at least one.
        rope: a difference that makes no difference.
    """
    from_scratch, probe = [differences[arm] for arm in FROM_SCRATCH if arm in differences], differences[PROBE]
    strongest = min(from_scratch, key=lambda estimate: estimate.value)
    keeps_probe = probe.ci_low >= -margin_probe
    if probe.ci_high < -margin_probe:
        return "negative"
    if -rope <= strongest.ci_low and strongest.ci_high <= rope:
        return "none"
    if any(estimate.ci_high < 0 for estimate in from_scratch):
        return "negative"
    return "positive" if keeps_probe and all(estimate.ci_low > 0 for estimate in from_scratch) else "undecided"


def champion_verdict(difference: Estimate | None, *, margin: float) -> ChampionVerdict:
    """Return the candidate's standing: first, superior, non_inferior, inferior or undecided within the margin."""
    if difference is None:
        return "first"
    if difference.ci_low > 0:
        return "superior"
    if difference.ci_low >= -margin:
        return "non_inferior"
    return "inferior" if difference.ci_high < -margin else "undecided"


def evaluation_checks(
    accuracy: Mapping[str, Estimate],
    differences: Mapping[str, Estimate],
    retained: Sequence[Retention] = (),
    *,
    settings: Evaluate,
    policy: Decide,
    notes: Mapping[str, str],
    n_looks: int,
) -> tuple[Check, ...]:
    """Return the checks of an evaluation, each difference beside the margin that the recipe allows.

    Args:
        kept: what the candidate keeps of each ancestor; those whose task cannot be had make a check that cannot tell.
        notes: what else is to be said of a comparison, by arm.
        n_looks: how often the test rows were looked at before.
    """
    compared = [
        check(
            f"{GAIN}{arm}",
            _on_test("accuracy_difference", CANDIDATE, arm, differences[arm]),
            _bound(arm, settings),
            policy=policy.champion if arm in PREDECESSORS else policy.transfer,
            note=notes.get(arm, ""),
        )
        for arm in NAMES
        if arm in differences
    ]
    right = _on_test("accuracy", CANDIDATE, "", accuracy[CANDIDATE])
    uses = _on_test("test_set_uses", "test", "", exact(n_looks + 1, n_looks + 1, unit="uses"))
    return (
        check("evaluate.accuracy", right, settings.min_accuracy, policy=policy.transfer),
        *compared,
        *(
            _kept(retention, settings.max_forgotten, policy.forgetting)
            for retention in retained
            if retention.is_promoted
        ),
        check("evaluate.test_set_uses", uses, settings.max_looks, note="more: the test set is worn"),
    )


def _on_test(metric: str, subject: str, against: str, estimate: Estimate) -> Measurement:
    return Measurement(metric=metric, subject=subject, against=against, window="test", estimate=estimate)


def _kept(retention: Retention, max_forgotten: float, policy: Policy) -> Check:
    """Return the check of what is kept of one ancestor's task, which cannot tell where there is nothing to measure with."""
    unknown = Estimate(value=0.0, ci_low=-1.0, ci_high=1.0, n=0, method="none", unit="points")
    note = (
        f"cannot be measured: {retention.because}"
        if retention.because
        else "with a head fitted anew, against the ancestor"
    )
    measured = _on_test("retention", CANDIDATE, retention.ancestor, retention.probe or unknown)
    return check(f"evaluate.retention[{retention.ancestor}]", measured, -max_forgotten, policy=policy, note=note)


def open_comparisons(
    differences: Mapping[str, Estimate], hits: Mapping[str, tuple[Hits, Hits]], *, settings: Evaluate
) -> dict[str, int | None]:
    """Return how many test rows a comparison needs, by arm, where its interval crosses its bound; None: over a million.

    Args:
        hits: by arm, which rows it and the candidate get right, on the same rows.
    """
    bounds = {arm: _bound(arm, settings) for arm in differences}
    crossing = [arm for arm, difference in differences.items() if difference.ci_low < bounds[arm] <= difference.ci_high]
    return {arm: rows_to_tell(differences[arm], hits[arm][1], hits[arm][0], bound=bounds[arm]) for arm in crossing}


def _bound(arm: str, settings: Evaluate) -> float:
    margins = {**dict.fromkeys(PREDECESSORS, settings.margin_champion), PROBE: settings.margin_probe}
    return -margins[arm] if arm in margins else 0.0


def confusions(y_true: Strings, y_pred: Strings) -> tuple[tuple[str, str, int], ...]:
    """Return the most frequent errors as (true, predicted, rows), most first, ties by name."""
    wrong = Counter(
        (str(true), str(predicted)) for true, predicted in zip(y_true, y_pred, strict=True) if true != predicted
    )
    ranked = sorted(wrong.items(), key=lambda item: (-item[1], item[0]))
    return tuple((true, predicted, n) for (true, predicted), n in ranked[:N_CONFUSIONS])


def confusion(y_true: Strings, y_pred: Strings) -> Confusion | None:
    """Return how often each label was taken for each, or None where there are too many labels for a person to read that."""
    labels = sorted({*y_true.tolist(), *y_pred.tolist()})
    if len(labels) > MOST_LABELS:
        return None
    counts = Counter(zip(y_true.tolist(), y_pred.tolist(), strict=True))
    return Confusion(
        labels=tuple(labels), rows=tuple(tuple(counts[row, column] for column in labels) for row in labels)
    )
