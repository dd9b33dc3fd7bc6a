"""Did the transfer help, and is the candidate better than the champion?"""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from graft.records import ChampionVerdict, Check, Estimate, Policy, TransferVerdict, check
from graft.stats import mcnemar, paired_difference, proportion

Strings = npt.NDArray[np.str_]
CANDIDATE, PROBE, SCRATCH, CHAMPION = "candidate", "frozen_probe", "scratch", "champion"
N_CONFUSIONS = 12


def compare_arms(
    y_true: Strings, y_pred: dict[str, Strings], *, rng: np.random.Generator, n_bootstrap: int
) -> tuple[dict[str, Estimate], dict[str, Estimate], dict[str, float]]:
    """Return each arm's accuracy, the candidate's paired difference to each other arm, and McNemar's p-values.

    Args:
        y_true: shape (n,).
        y_pred: predictions by arm, each shape (n,), ``candidate`` among them.

    Cost: O(arms x (n + n_bootstrap)).
    """
    hits = {arm: np.asarray(predicted == y_true) for arm, predicted in y_pred.items()}
    accuracy = {arm: proportion(hit) for arm, hit in hits.items()}
    others = [arm for arm in hits if arm != CANDIDATE]
    differences = {
        arm: paired_difference(hits[CANDIDATE], hits[arm], rng=rng, n_bootstrap=n_bootstrap) for arm in others
    }
    p_values = {arm: mcnemar(hits[CANDIDATE], hits[arm]) for arm in others}
    return accuracy, differences, p_values


def transfer_verdict(scratch: Estimate, probe: Estimate, *, margin_probe: float) -> TransferVerdict:
    """Return whether the transfer helped: the candidate against training from scratch, and against the frozen base.

    ``negative``: worse than from scratch, or tuning lost more than the margin to the frozen probe. ``positive``: better than
    from scratch and not worse than the probe by the margin. ``none``: within one margin of from scratch. Else ``undecided``.
    """
    if scratch.ci_high < 0 or probe.ci_high < -margin_probe:
        return "negative"
    if scratch.ci_low > 0 and probe.ci_low >= -margin_probe:
        return "positive"
    if -margin_probe <= scratch.ci_low and scratch.ci_high <= margin_probe:
        return "none"
    return "undecided"


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
    accuracy: dict[str, Estimate],
    differences: dict[str, Estimate],
    *,
    min_accuracy: float,
    margin_probe: float,
    margin_champion: float,
    transfer_policy: Policy,
    champion_policy: Policy,
    scratch: str,
) -> tuple[Check, ...]:
    """Return the checks of an evaluation, each difference beside the margin that the recipe allows.

    ``scratch`` names the model without pretraining.
    """
    step = "evaluate"
    checks = [
        check("Accuracy", step, accuracy[CANDIDATE], min_accuracy, "at_least", policy=transfer_policy),
        check(
            "Gain over training from scratch",
            step,
            differences[SCRATCH],
            0.0,
            "at_least",
            policy=transfer_policy,
            note=f"{scratch} on the same rows",
        ),
        check(
            "Gain over the frozen probe",
            step,
            differences[PROBE],
            -margin_probe,
            "at_least",
            policy=transfer_policy,
            note="below 0, tuning has damaged what the base knew",
        ),
    ]
    if CHAMPION in differences:
        checks.append(
            check(
                "Gain over the champion",
                step,
                differences[CHAMPION],
                -margin_champion,
                "at_least",
                policy=champion_policy,
                note="on rows that neither model was trained on",
            )
        )
    return tuple(checks)


def confusions(y_true: Strings, y_pred: Strings) -> tuple[tuple[str, str, int], ...]:
    """Return the most frequent errors as (true, predicted, rows), most first, ties by name."""
    wrong = Counter(
        (str(true), str(predicted)) for true, predicted in zip(y_true, y_pred, strict=True) if true != predicted
    )
    ranked = sorted(wrong.items(), key=lambda item: (-item[1], item[0]))
    return tuple((true, predicted, n) for (true, predicted), n in ranked[:N_CONFUSIONS])
