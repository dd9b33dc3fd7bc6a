"""What does a tuned model still know of its ancestors' tasks? Forgetting, measured for every model of the chain.

Two questions. Does the ancestor's own head still work on the tuned encoder? And, if a head is fitted anew, does the encoder still
tell the ancestor's classes apart as well as the ancestor does? The first is lost as soon as features move, the second only when
what was known is gone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from graft.model.classifier import Classifier
from graft.model.device import gpu_memory
from graft.model.encoder import Contents, Encoder, Progress, embed_items, silent
from graft.records import Estimate, Retention
from graft.stats import choose_C, fit_probe, paired_difference
from graft.stats.cka import linear_cka

N_FOLDS = 3
Labels = npt.NDArray[np.str_]
Features = npt.NDArray[np.float32]


def measure_retention(
    name: str,
    ancestor: Classifier,
    tuned: Encoder,
    train: tuple[Contents, Labels],
    test: tuple[Contents, Labels],
    *,
    rng: np.random.Generator,
    n_bootstrap: int,
    progress: Progress = silent,
) -> Retention:
    """Measure what a tuned encoder keeps of an ancestor's task.

    Args:
        train: rows of the ancestor's task, with labels, that the new heads are fitted to: the same for both encoders.
        test: rows that no model of the chain was trained on.

    Returns:
        differences of accuracy on the test rows, tuned minus ancestor; below 0 something was forgotten.

    Assumes: both encoders are of one architecture; the ancestor's tokenizer and limit of tokens serve for both.
    Cost: two forward passes over all these rows, and some fits of logistic regression.
    Source: retention with the frozen source head, and by probes: docs/methods.md; linear CKA: Kornblith et al. 2019.
    """
    items, n = ancestor.encoder.prepare([*train[0], *test[0]])[0], len(train[0])
    encoders = ancestor.encoder, ancestor.encoder.with_network(tuned.network)
    before, after = (embed_items(encoder, items, progress=progress).numpy() for encoder in encoders)
    heads = [_right(_own_head(ancestor, features[n:]), test[1]) for features in (before, after)]
    probes = [_right(_refit(features[:n], train[1], features[n:]), test[1]) for features in (before, after)]

    def lost(pair: list[npt.NDArray[np.bool_]]) -> Estimate:
        return paired_difference(pair[1], pair[0], rng=rng, n_bootstrap=n_bootstrap)

    return Retention(
        ancestor=name,
        n=len(test[1]),
        own_head=lost(heads),
        probe=lost(probes),
        cka=round(linear_cka(before[n:], after[n:]), 6),
        weight_change=weight_change(ancestor.encoder, tuned),
    )


def against_base(
    name: str, base: Encoder, tuned: Encoder, before: Features, after: Features, *, because: str
) -> Retention:
    """Return how far a tuned encoder went from a base whose task is not known: by both features of some rows, and by weights."""
    return Retention(
        ancestor=name,
        is_promoted=False,
        n=0,
        cka=round(linear_cka(before, after), 6),
        weight_change=weight_change(base, tuned),
        because=because,
    )


@gpu_memory()
def weight_change(before: Encoder, after: Encoder) -> float:
    """Return how far the weights went, over their own length: 0 for none. Poolers, which nothing uses, are left out.

    Cost: O(parameters).
    """
    states = [dict(encoder.network.named_parameters()) for encoder in (before, after)]
    moved = length = 0.0
    for name, tensor in states[0].items():
        if name.startswith("pooler."):
            continue
        moved += float((states[1][name].detach().double() - tensor.detach().double()).square().sum())
        length += float(tensor.detach().double().square().sum())
    return round(math.sqrt(moved / length), 6) if length else 0.0


def mean_of(differences: Sequence[Estimate]) -> Estimate | None:
    """Return the mean of independent differences, None of none: over all ancestors, this is the backward transfer.

    Source: backward transfer: Lopez-Paz and Ranzato 2017; the interval by the normal approximation.
    """
    if not differences:
        return None
    k = len(differences)
    value = sum(difference.value for difference in differences) / k
    half = math.sqrt(sum(((difference.ci_high - difference.ci_low) / 2) ** 2 for difference in differences)) / k
    return Estimate(
        value=value,
        ci_low=max(-1.0, value - half),
        ci_high=min(1.0, value + half),
        n=sum(difference.n for difference in differences),
        method="mean, normal",
        unit="points",
    )


def _own_head(ancestor: Classifier, features: Features) -> Labels:
    scores = torch.from_numpy(features) @ ancestor.weight.T + ancestor.bias
    predicted: Labels = np.array(ancestor.labels)[scores.argmax(dim=1).numpy()]
    return predicted


def _refit(features: Features, labels: Labels, others: Features) -> Labels:
    C, _ = choose_C(features, labels, n_folds=N_FOLDS, seed=0)
    predicted: Labels = fit_probe(features, labels, C=C).predict(others)
    return predicted


def _right(predicted: Labels, truth: Labels) -> npt.NDArray[np.bool_]:
    return np.asarray(predicted == truth)
