"""choose_base: which base, scored before money is spent? Features in, a ranking and a choice out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from graft.errors import InputError, StepError
from graft.evaluation.choice import choose, rank, score_features
from graft.model import budget
from graft.model.encoder import load_encoder
from graft.model.source_head import source_probabilities
from graft.records import BaseChoiceRecord, EmbeddingRecord, Measurement, check
from graft.rows import TRAIN
from graft_tasks.registry.bases import locate
from graft_tasks.steps.context import Context
from graft_tasks.steps.rows import read_features, read_rows

SEED = 30_000


def run(context: Context) -> BaseChoiceRecord:
    """Score each candidate base on a sample of the training rows, rank them and take one."""
    rows, settings = read_rows(context, TRAIN, content=True), context.recipe.choose_base
    embedded = context.record("embed", EmbeddingRecord)
    chosen, most_frequent = _sample(rows, settings.max_rows)
    labels, contents = rows["label"].to_numpy(dtype=str)[chosen], rows["content"].iloc[chosen].tolist()
    scored, forward, unscored = {}, {}, dict(embedded.unusable)
    candidates = [base for base in context.pinned.bases if base.id not in unscored]
    for k, base in enumerate(candidates):
        folder = locate(context.workspace, base)
        features = read_features(context, base.id, TRAIN)[chosen]
        encoder = load_encoder(folder, context.recipe.data.modality, max_tokens=embedded.max_tokens or 0)
        try:
            theta = source_probabilities(folder, encoder, contents, features)
            scored[base.id] = score_features(features, labels, n_folds=settings.n_folds, seed=SEED, theta=theta)
        except (ValueError, InputError) as error:
            unscored[base.id] = error.what if isinstance(error, InputError) else str(error)
            continue
        forward[base.id] = budget.forward_flops(encoder, contents) / budget.TERA
        context.progress(k + 1, len(candidates), "bases")
    if not scored:
        why = "; ".join(f"{base}: {because}" for base, because in unscored.items())
        raise StepError("No base can be scored.", where=why, do="give another base in choose_base.bases")
    scores = rank(scored, context.pinned.bases, forward)
    taken, because = choose(scores)
    best = next(score for score in scores if score.base == taken)
    useful = check(
        "choose_base.probe_accuracy",
        Measurement(
            metric="probe_accuracy",
            subject="frozen_probe",
            against="most_frequent",
            window="train",
            estimate=best.accuracy,
        ),
        most_frequent,
        note="a base that is no better than always saying the same has nothing to transfer",
    )
    return BaseChoiceRecord(
        step="choose_base",
        recipe=context.recipe.name,
        passed=useful.outcome != "failed",
        summary=f"{taken}, probe {best.accuracy.value:.1%}, {context.recipe.finetune.strategy}",
        because=because,
        inputs=context.digests,
        checks=(useful,),
        base=taken,
        strategy=context.recipe.finetune.strategy,
        scores=scores,
        unscored=unscored,
    )


def _sample(rows: pd.DataFrame, max_rows: int) -> tuple[npt.NDArray[np.int64], float]:
    """Return rows to score on, in their order, each of a class that has two of them, and the share of the most frequent class."""
    labels = rows["label"].to_numpy(dtype=str)
    chosen = np.sort(np.random.default_rng(SEED).permutation(len(rows))[:max_rows])
    counts = {label: int((labels[chosen] == label).sum()) for label in set(labels[chosen])}
    chosen = chosen[[counts[labels[i]] >= 2 for i in chosen]]
    return chosen, round(max(counts.values()) / sum(counts.values()), 3)
