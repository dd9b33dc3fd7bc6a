"""evaluate: did the transfer help, and is the candidate better than the champion? Models in, two verdicts out."""

from __future__ import annotations

import base64

import numpy as np
import numpy.typing as npt
import pandas as pd

from graft import pictures
from graft.data import TEST, TRAIN
from graft.errors import TamperError
from graft.evaluate import (
    CANDIDATE,
    CHAMPION,
    PROBE,
    SCRATCH,
    champion_verdict,
    compare_arms,
    confusions,
    evaluation_checks,
    transfer_verdict,
)
from graft.model.classifier import predict
from graft.model.folder import load_model
from graft.model.reference import load_trained_on
from graft.model.scratch import SCRATCH as SCRATCH_NAMES
from graft.model.scratch import fit_scratch
from graft.recipe import Modality
from graft.records import BaseChoiceRecord, EvaluationRecord, ModelRecord, digest_folder, sha256_file, write_json
from graft.report.content import Mistake, Mistakes
from graft.stats import fit_probe, mcnemar, paired_difference, proportion
from tasks.rows import MISTAKES, PREDICTIONS, read_features, read_rows
from tasks.steps import Context

N_MISTAKES = 12
SEED = 40_000
Strings = npt.NDArray[np.str_]


def run(context: Context) -> EvaluationRecord:
    """Predict the test rows with every arm and compare."""
    modality = context.recipe.data.modality
    choice = context.record("choose_base", BaseChoiceRecord)
    context.record("finetune", ModelRecord)
    rows = read_rows(context, TRAIN, TEST, content=True)
    on_train = (rows["side"] == TRAIN).to_numpy()
    train, test = rows[on_train], rows[~on_train].reset_index(drop=True)
    y_train, y_true = train["label"].to_numpy(dtype=str), test["label"].to_numpy(dtype=str)

    candidate = load_model(context.file("finetune", "model"))
    scores = predict(candidate, test["content"].tolist(), progress=context.progress)
    C = next(score.C for score in choice.scores if score.base == choice.base)
    features = read_features(context, choice.base, TRAIN, TEST)
    arms: dict[str, Strings] = {
        CANDIDATE: np.array(candidate.labels)[scores.argmax(axis=1)],
        PROBE: fit_probe(features[on_train], y_train, C=C).predict(features[~on_train]),
        SCRATCH: fit_scratch(train["content"].tolist(), y_train, modality=modality).predict(test["content"].tolist()),
    }
    settings = context.recipe.evaluate
    rng = np.random.default_rng(SEED)
    accuracy, differences, p_values = compare_arms(y_true, arms, rng=rng, n_bootstrap=settings.n_bootstrap)

    predictions = pd.DataFrame({"row": test["row"], "key": test["key"], "label": y_true, **arms})
    predictions["score"] = scores.max(axis=1)
    if context.pinned.champion:
        predictions[CHAMPION], fair = _champion_predictions(context, test)
        hits, others = (predictions[arm].to_numpy(dtype=str)[fair] == y_true[fair] for arm in (CANDIDATE, CHAMPION))
        accuracy[CHAMPION] = proportion(others)
        differences[CHAMPION] = paired_difference(hits, others, rng=rng, n_bootstrap=settings.n_bootstrap)
        p_values[CHAMPION] = mcnemar(hits, others)
    predictions.to_parquet(context.files / PREDICTIONS, index=False)
    write_json(context.files / MISTAKES, _mistakes(test, candidate.labels, scores, modality))

    policy = context.recipe.decide
    checks = evaluation_checks(
        accuracy,
        differences,
        min_accuracy=settings.min_accuracy,
        margin_probe=settings.margin_probe,
        margin_champion=settings.margin_champion,
        transfer_policy=policy.transfer,
        champion_policy=policy.champion,
        scratch=SCRATCH_NAMES[modality],
    )
    transfer = transfer_verdict(differences[SCRATCH], differences[PROBE], margin_probe=settings.margin_probe)
    standing = champion_verdict(differences.get(CHAMPION), margin=settings.margin_champion)
    hits = arms[CANDIDATE] == y_true
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
        per_class={label: proportion(hits[y_true == label]) for label in sorted(set(y_true))},
        confusions=confusions(y_true, arms[CANDIDATE]),
        predictions_sha256=sha256_file(context.files / PREDICTIONS),
    )


def _mistakes(
    test: pd.DataFrame, labels: tuple[str, ...], scores: npt.NDArray[np.float32], modality: Modality
) -> Mistakes:
    """Return the mistakes that the candidate was surest of, to be looked at: often it is the label that is wrong."""
    predicted, sure = np.array(labels)[scores.argmax(axis=1)], scores.max(axis=1)
    wrong = np.flatnonzero(predicted != test["label"].to_numpy(dtype=str))
    shown = []
    for k in sorted(wrong, key=lambda k: (-sure[k], test["row"][k]))[:N_MISTAKES]:
        row = test.iloc[k]
        seen = (
            {"text": row["content"]}
            if modality == "text"
            else {"picture": base64.b64encode(pictures.thumbnail(row["content"], 88)).decode()}
        )
        score = round(float(sure[k]), 4)
        shown.append(Mistake(row=row["row"], label=row["label"], predicted=str(predicted[k]), score=score, **seen))
    return Mistakes(n_wrong=len(wrong), shown=tuple(shown))


def _champion_predictions(context: Context, test: pd.DataFrame) -> tuple[Strings, npt.NDArray[np.bool_]]:
    """Return the champion's predictions, and which rows it was not trained on.

    Raises:
        TamperError: the champion's folder is not what was promoted.
    """
    pinned = context.pinned.champion
    assert pinned is not None  # noqa: S101 - the caller looked
    folder = context.workspace.root / pinned.folder
    found = digest_folder(folder)[1] if folder.is_dir() else "nothing"
    if found != pinned.model_id:
        raise TamperError(
            f"Champion {pinned.number} is not the model that was promoted.",
            where=f"{folder}: {found[:12]}, promoted {pinned.model_id[:12]}",
            do=f"dvc checkout {pinned.folder}.dvc",
        )
    champion = load_model(folder)
    scores = predict(champion, test["content"].tolist(), progress=context.progress)
    fair = ~test["key"].isin(load_trained_on(folder)).to_numpy()
    if not fair.any():
        raise TamperError("The champion was trained on every test row.", where=str(folder))
    return np.array(champion.labels)[scores.argmax(axis=1)], fair


def _summary(transfer: str, standing: str, differences: dict) -> str:  # type: ignore[type-arg]
    arm = CHAMPION if CHAMPION in differences else SCRATCH
    word = f"transfer {transfer}" if standing == "first" else standing.replace("_", "-")
    gain = differences[arm]
    return f"{word}, {gain.value * 100:+.1f} points [{gain.ci_low * 100:+.1f}, {gain.ci_high * 100:+.1f}]"
