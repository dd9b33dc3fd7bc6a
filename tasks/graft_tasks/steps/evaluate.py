"""evaluate: did the transfer help, is the candidate better than the champion, and what was forgotten on the way to it?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from graft.evaluation.baselines import BEST, CANDIDATE, CHAMPION, NAMES, PROBE, SCRATCH, SCRATCH_NETWORK
from graft.evaluation.choice import regret
from graft.evaluation.compare import (
    champion_verdict,
    compare_arms,
    confusion,
    confusions,
    evaluation_checks,
    open_comparisons,
    transfer_verdict,
)
from graft.evaluation.reuse import count_looks, level_after, level_against_best, rows_of
from graft.modality import MODALITIES, Modality
from graft.model.classifier import features_of, score
from graft.model.folder import load_model
from graft.model.reference import load_reference
from graft.model.retention import mean_of
from graft.records import (
    BaseChoiceRecord,
    BaseRegret,
    Bin,
    Calibration,
    Champion,
    Estimate,
    EvaluationRecord,
    ModelRecord,
    sha256_file,
    write_json,
)
from graft.records.report import Mistake, Mistakes
from graft.rows import TEST, TRAIN, UNLABELLED
from graft.shift.held_out import nearness, write_held_out
from graft.stats import fit_probe, mcnemar, paired_difference, proportion
from graft.stats.calibration import calibration_error, error_by_chance, reliability
from graft.stats.f1 import macro_f1
from graft_tasks.recipe_handle import HELD_OUT
from graft_tasks.registry.bases import locate
from graft_tasks.registry.lineage import evaluation_of
from graft_tasks.steps import baselines
from graft_tasks.steps.context import Context
from graft_tasks.steps.retention import retention
from graft_tasks.steps.rows import MISTAKES, PREDICTIONS, read_features, read_rows

N_MISTAKES = 12
SEED = 40_000
Strings = npt.NDArray[np.str_]


def run(context: Context) -> EvaluationRecord:
    """Predict the test rows with every arm and compare."""
    modality, settings = MODALITIES[context.recipe.data.modality], context.recipe.evaluate
    choice, model = context.record("choose_base", BaseChoiceRecord), context.record("finetune", ModelRecord)
    base = next(base for base in context.pinned.bases if base.id == choice.base)
    folder = locate(context.workspace, base)
    rows = read_rows(context, TRAIN, TEST, content=True)
    on_train = (rows["side"] == TRAIN).to_numpy()
    train, test = rows[on_train], rows[~on_train].reset_index(drop=True)
    y_train, y_true = train["label"].to_numpy(dtype=str), test["label"].to_numpy(dtype=str)
    looked_at = rows_of(test["key"])
    n_looks = count_looks(looked_at, _looks(context, model.model_id))
    level = level_after(n_looks)

    candidate = load_model(context.file("finetune", "model"))
    tuned_features = features_of(candidate, test["content"].tolist(), progress=context.progress)
    scores = score(candidate, tuned_features)
    y_pred = np.array(candidate.labels)[scores.argmax(axis=1)]
    features = {scored.base: read_features(context, scored.base, TRAIN, TEST) for scored in choice.scores}
    probes = {
        scored.base: fit_probe(features[scored.base][on_train], y_train, C=scored.C).predict(
            features[scored.base][~on_train]
        )
        for scored in choice.scores
    }
    predicted: dict[str, Strings] = {CANDIDATE: y_pred, PROBE: probes[choice.base]}
    tflops = {CANDIDATE: model.tflops}
    if settings.from_scratch:
        predicted[SCRATCH_NETWORK], tflops[SCRATCH_NETWORK] = baselines.scratch_network(
            context, folder, model, train, test
        )
    predicted[SCRATCH] = baselines.cheap(context, train, test)
    rng = np.random.default_rng(SEED)
    accuracy, differences, p_values = compare_arms(
        y_true, predicted, rng=rng, n_bootstrap=settings.n_bootstrap, level=level
    )
    hits = {arm: (found == y_true, y_pred == y_true) for arm, found in predicted.items()}

    notes = {
        SCRATCH: f"{modality.baseline.title} on the same rows",
        SCRATCH_NETWORK: "the base's architecture from random weights, same rows and operations, or the head it begins with",
        PROBE: "below 0, tuning has damaged what the base knew",
    }
    predictions = pd.DataFrame({"row": test["row"], "key": test["key"], "label": y_true, **predicted})
    predictions["score"] = scores.max(axis=1)
    best = context.pinned.best
    n_compared = best.n_compared if best else 0
    before = {CHAMPION: (context.pinned.champion, level), BEST: (best, level_against_best(n_looks, n_compared))}
    for arm, (pinned, its_level) in before.items():
        if pinned:
            found = _compare_with(pinned, arm, context, test, candidate.labels, y_pred, level=its_level, rng=rng)
            predictions[arm], accuracy[arm], differences[arm], p_values[arm], hits[arm], notes[arm] = found
    predictions.to_parquet(context.files / PREDICTIONS, index=False)
    near = nearness(features[choice.base][~on_train], load_reference(context.file("finetune", "model"))[0])
    write_held_out(context.files / HELD_OUT, scores, y_true, near, candidate.labels, rng=np.random.default_rng(SEED))
    write_json(context.files / MISTAKES, _mistakes(test, candidate.labels, scores, modality))

    learned = read_rows(context, TRAIN, UNLABELLED)["key"]
    retained = retention(context, base, folder, candidate, features[base.id][~on_train], tuned_features, set(learned))
    needed = open_comparisons(differences, hits, settings=settings)
    for arm, n in needed.items():
        notes[arm] += f"; {_how_many(n, differences[arm].n)}"
    checks = evaluation_checks(
        accuracy, differences, retained, settings=settings, policy=context.recipe.decide, notes=notes, n_looks=n_looks
    )
    transfer = transfer_verdict(differences, margin_probe=settings.margin_probe, rope=settings.rope)
    standing = champion_verdict(differences.get(CHAMPION), margin=settings.margin_champion)
    right = y_pred == y_true
    return EvaluationRecord(
        step="evaluate",
        recipe=context.recipe.name,
        passed=not any(check.outcome == "failed" for check in checks),
        summary=_summary(transfer, standing, differences),
        inputs=context.digests,
        checks=checks,
        n_test=len(test),
        accuracy=accuracy,
        differences=differences,
        mcnemar_p_values=p_values,
        transfer=transfer,
        champion=standing,
        best=champion_verdict(differences[BEST], margin=settings.margin_champion) if best else None,
        n_compared=n_compared,
        per_class={label: proportion(right[y_true == label]) for label in sorted(set(y_true))},
        confusions=confusions(y_true, y_pred),
        predictions_sha256=sha256_file(context.files / PREDICTIONS),
        held_out_sha256=sha256_file(context.files / HELD_OUT),
        level=level,
        n_looks=n_looks,
        looked_at=looked_at,
        rows_to_tell=needed,
        tflops=tflops,
        calibration=_calibration(scores.max(axis=1), right),
        retention=retained,
        forgotten=mean_of([ancestor.own_head for ancestor in retained if ancestor.own_head]),
        base_regret=_regret(choice, probes, y_true, n_bootstrap=settings.n_bootstrap),
        macro_f1={arm: macro_f1(y_true, found, rng=np.random.default_rng(SEED)) for arm, found in predicted.items()},
        confusion=confusion(y_true, y_pred),
        cheap_model=modality.baseline.title,
    )


class _Compared(NamedTuple):
    """A model that was promoted before, beside the candidate: predictions, and the rest on rows that neither was trained on."""

    predicted: Strings
    accuracy: Estimate
    difference: Estimate
    p_value: float
    hits: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]
    note: str


def _compare_with(
    pinned: Champion, arm: str, context: Context, test: pd.DataFrame, labels: tuple[str, ...], y_pred: Strings, *,
    level: float, rng: np.random.Generator,
) -> _Compared:  # fmt: skip
    """Compare the candidate, which knows these labels, with a model that was promoted before."""
    predicted, fair, known = baselines.predecessor(context, pinned, test)
    y_true = test["label"].to_numpy(dtype=str)
    its, candidates = ((found == y_true)[fair] for found in (predicted, y_pred))
    difference = paired_difference(
        candidates, its, rng=rng, n_bootstrap=context.recipe.evaluate.n_bootstrap, level=level
    )
    note = _on_what(NAMES[arm], known, set(y_true[fair]), set(labels))
    return _Compared(predicted, proportion(its), difference, mcnemar(candidates, its), (its, candidates), note)


def _looks(context: Context, model_id: str) -> list[str]:
    """Return the test rows that each other model saw, as its evaluation in the ledger names them."""
    ledger = context.workspace.ledger()
    others = [record for model, record in context.pinned.looks.items() if model != model_id]
    return [evaluation_of(ledger, other).get("looked_at", "") for other in others]


def _regret(
    choice: BaseChoiceRecord, probes: dict[str, Strings], y_true: Strings, *, n_bootstrap: int
) -> BaseRegret | None:
    """Return what the choice of the base was worth, where there was one."""
    if len(probes) == 1:
        return None
    chosen = next(scored for scored in choice.scores if scored.base == choice.base)
    return regret(chosen, {base: y_pred == y_true for base, y_pred in probes.items()}, n_bootstrap=n_bootstrap)


def _calibration(confidence: npt.NDArray[np.float32], right: npt.NDArray[np.bool_]) -> Calibration:
    bins = reliability(confidence, right)
    return Calibration(
        error=round(calibration_error(confidence, right), 6),
        by_chance=round(error_by_chance(confidence, rng=np.random.default_rng(SEED)), 6),
        bins=tuple(
            Bin(confidence=round(bin_.confidence, 6), accuracy=proportion(np.arange(bin_.n) < bin_.n_right))
            for bin_ in bins
        ),
    )


def _on_what(name: str, known: set[str], champion_labels: set[str], candidate_labels: set[str]) -> str:
    """Return what a comparison with a promoted model rests on: classes that one of the two cannot say count against it."""
    sentence = "on rows that neither model was trained on"
    for who, lacking in (
        (name, sorted(champion_labels - known)),
        ("the candidate", sorted(champion_labels - candidate_labels)),
    ):
        if lacking:
            more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
            sentence += f"; {who} does not know {', '.join(lacking[:3])}{more}, whose rows count as wrong"
    return sentence


def _how_many(n: int | None, n_now: int) -> str:
    """Return how many further test rows would tell, rounded up to two digits."""
    if n is None:
        return "no number of further test rows that can be had would tell"
    further = max(1, n - n_now)
    step = 10 ** max(0, len(str(further)) - 2)
    return f"some {-(-further // step) * step:,} more test rows would tell"


def _mistakes(
    test: pd.DataFrame, labels: tuple[str, ...], scores: npt.NDArray[np.float32], modality: Modality
) -> Mistakes:
    """Return the mistakes that the candidate was surest of, to be looked at: often it is the label that is wrong."""
    predicted, sure = np.array(labels)[scores.argmax(axis=1)], scores.max(axis=1)
    wrong = np.flatnonzero(predicted != test["label"].to_numpy(dtype=str))
    shown = []
    for k in sorted(wrong, key=lambda k: (-sure[k], test["row"][k]))[:N_MISTAKES]:
        row = test.iloc[k]
        score, content = round(float(sure[k]), 4), modality.show(row["content"])
        shown.append(Mistake(row=row["row"], label=row["label"], predicted=str(predicted[k]), score=score, **content))
    return Mistakes(n_wrong=len(wrong), shown=tuple(shown))


def _summary(transfer: str, standing: str, differences: dict) -> str:  # type: ignore[type-arg]
    arm = CHAMPION if CHAMPION in differences else SCRATCH
    word = f"transfer {transfer}" if standing == "first" else standing.replace("_", "-")
    gain = differences[arm]
    return f"{word}, {gain.value * 100:+.1f} points [{gain.ci_low * 100:+.1f}, {gain.ci_high * 100:+.1f}]"
