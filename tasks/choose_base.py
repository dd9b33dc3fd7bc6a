"""choose_base: which base, scored before money is spent? Features in, a choice out."""

from __future__ import annotations

import numpy as np

from graft.data import TRAIN
from graft.records import BaseChoiceRecord, ProbeScore, check
from graft.stats import choose_C, proportion
from tasks.rows import read_features, read_rows
from tasks.steps import Context

SEED = 30_000


def run(context: Context) -> BaseChoiceRecord:
    """Score each candidate base by a cross-validated linear probe on training rows; the best one is taken."""
    rows = read_rows(context, TRAIN)
    settings = context.recipe.choose_base
    chosen = np.sort(np.random.default_rng(SEED).permutation(len(rows))[: settings.max_rows])
    labels = rows["label"].to_numpy(dtype=str)
    counts = {label: int((labels[chosen] == label).sum()) for label in set(labels[chosen])}
    chosen = chosen[[counts[labels[i]] >= 2 for i in chosen]]
    scores = []
    for k, base in enumerate(context.pinned.bases):
        features = read_features(context, base.id, TRAIN)[chosen]
        C, hits = choose_C(features, labels[chosen], n_folds=settings.n_folds, seed=SEED)
        scores.append(
            ProbeScore(
                base=base.id, accuracy=proportion(hits), C=C, n_parameters=base.n_parameters, licence=base.licence
            )
        )
        context.progress(k + 1, len(context.pinned.bases), "bases")
    best = max(scores, key=lambda score: (score.accuracy.value, -score.n_parameters))
    most_frequent = round(max(counts.values()) / sum(counts.values()), 3)
    useful = check(
        "Probe accuracy over the most frequent class",
        "choose_base",
        best.accuracy,
        most_frequent,
        "at_least",
        note="a base that is no better than always saying the same has nothing to transfer",
    )
    return BaseChoiceRecord(
        step="choose_base",
        recipe=context.recipe.name,
        passed=useful.outcome != "failed",
        summary=f"{best.base}, probe {best.accuracy.value:.1%}, {context.recipe.finetune.strategy}",
        inputs=context.digests,
        checks=(useful,),
        base=best.base,
        strategy=context.recipe.finetune.strategy,
        scores=tuple(scores),
    )
