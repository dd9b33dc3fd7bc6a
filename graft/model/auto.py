"""Chooses strategy and settings by trials on training rows, under a budget in floating-point operations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from graft.errors import InputError
from graft.model import budget, lora
from graft.model.checkpoint import Checkpoint
from graft.model.classifier import predict
from graft.model.encoder import Encoder, Progress, load_encoder, silent
from graft.model.finetune import UNLABELLED, Examples, finetune, hold_out
from graft.model.layers import Cut, find_stack
from graft.recipe import Finetune, Modality
from graft.records import Trial

HELD_OUT = 0.25
MAX_ROWS = 2000
"""Rows that a trial sees, at most. What is chosen on them need not be best on all: that has yet to be measured."""
FEW_ROWS = 32
"""Rows a class up to which rows are compared with one another."""


class Choice(NamedTuple):
    """What is to be trained, and what was tried before."""

    how: Finetune
    trials: tuple[Trial, ...]


def choose(
    folder: Path,
    examples: Examples,
    how: Finetune,
    *,
    modality: Modality,
    C: float,
    max_tokens: int,
    checkpoint_of: Callable[[Finetune, str], Checkpoint | None] = lambda _how, _name: None,
    progress: Progress = silent,
) -> Choice:
    """Choose among a head, the last layers, low-rank matrices, all layers, and with few rows contrast.

    Each is trained on the same part of the training rows and measured on the same rows held out. The most accurate is taken, but
    for the head where it lies within one standard error of the difference: it costs nothing and forgets nothing.

    Args:
        how: the recipe's settings; ``how.budget`` is what trials and the training that follows may take, in TFLOPs. What no
            longer fits is not tried.
        checkpoint_of: the checkpoint of a trial, by its settings and its name.

    Raises:
        InputError: the budget allows no trial.
    Cost: at most ``how.budget``; the choice depends on no clock.
    """
    encoder = load_encoder(folder, modality, max_tokens=max_tokens)
    forward = budget.forward_flops(encoder, examples.contents)
    sample = _sample(examples, how.seed)
    rows, held_out = _split(sample, how)
    n_all = len(examples.labels)
    candidates = _candidates(encoder, how, rows)

    def cost(name: str, n_rows: int, n_measured: int = 0) -> float:
        flops = budget.training_flops(encoder, candidates[name], n_rows, forward=forward)
        return (flops + (n_measured * forward if flops else 0.0)) / budget.TERA

    spent, trials, hits = 0.0, [], {}
    for name in sorted(candidates, key=lambda one: cost(one, n_all)):
        trial, final = cost(name, len(rows.labels), len(held_out.labels)), cost(name, n_all)
        if spent + trial + final > how.budget:
            trials.append(Trial(name=name, tflops=round(trial + final, 6), accuracy=None))
            continue
        hits[name] = _try(
            folder, rows, held_out, candidates[name], modality=modality, C=C, max_tokens=max_tokens,
            checkpoint=checkpoint_of(candidates[name], name), progress=_share(progress, spent, trial, how.budget, name),
        )  # fmt: skip
        spent += trial
        trials.append(Trial(name=name, tflops=round(trial + final, 6), accuracy=round(float(hits[name].mean()), 6)))
    if len(hits) == 1:
        cheapest = min((one for one in trials if one.accuracy is None), key=lambda one: one.tflops)
        raise InputError(
            f"finetune.budget allows {how.budget:g} TFLOPs, and the cheapest trial, {cheapest.name}, takes {cheapest.tflops:g}.",
            do="raise finetune.budget, or say finetune.strategy: head",
        )
    chosen = _best(hits)
    return Choice(candidates[chosen], tuple(trials))


def _candidates(encoder: Encoder, how: Finetune, rows: Examples) -> dict[str, Finetune]:
    """Return what may be tried with this base and these settings, by name."""
    changed: dict[str, dict[str, Any]] = {"head": {}, "full": {}}
    if lora.is_installed():
        changed["lora"] = {"learning_rate": min(1e-2, 10 * how.learning_rate)}
    n_layers = _layers_to_cut(encoder, how, rows)
    if n_layers:
        changed["top_k"] = {"n_layers": n_layers, "augment": 0.0}
    is_few = len(rows.labels) <= FEW_ROWS * len(np.unique(rows.labels))
    if is_few and how.n_processes == 1 and not how.mixup and how.patience is None:
        changed["contrastive"] = {}
    return {name: how.model_copy(update={"strategy": name, **keys}) for name, keys in changed.items()}


def _layers_to_cut(encoder: Encoder, how: Finetune, rows: Examples) -> int:
    """Return how many of the last layers can be trained alone: as the recipe says, fewer if there are not so many, or 0."""
    try:
        n_layers = min(how.n_layers, find_stack(encoder.network).n_layers - 1)
        if n_layers:
            Cut(encoder, n_layers).check(encoder.prepare(rows.contents[:32])[0])
    except InputError:
        return 0
    return n_layers


def _split(sample: Examples, how: Finetune) -> tuple[Examples, Examples]:
    """Return rows to train trials on, and rows to measure them on."""
    try:
        rows, held_out = hold_out(sample, how.model_copy(update={"held_out": HELD_OUT}))
    except InputError as error:
        raise InputError(
            f"finetune.strategy auto holds a quarter of each class out, and none of {len(sample.labels)} rows can be spared.",
            do="add rows, or say finetune.strategy: head",
        ) from error
    assert held_out is not None  # noqa: S101 - a share was asked for
    return rows, held_out


def _sample(examples: Examples, seed: int) -> Examples:
    """Return at most ``MAX_ROWS`` labelled rows."""
    known = np.flatnonzero(examples.labels != UNLABELLED)
    rng = np.random.default_rng(seed)
    return examples.take(np.sort(rng.permutation(known)[:MAX_ROWS]))


def _try(
    folder: Path,
    rows: Examples,
    held_out: Examples,
    how: Finetune,
    *,
    modality: Modality,
    C: float,
    max_tokens: int,
    checkpoint: Checkpoint | None,
    progress: Progress,
) -> npt.NDArray[np.bool_]:
    """Train on rows and return which of those held out are right."""
    alone = how.model_copy(update={"held_out": 0.0, "patience": None, "interpolation": 1.0})
    classifier = finetune(
        folder, rows, alone, modality=modality, C=C, max_tokens=max_tokens, checkpoint=checkpoint, progress=progress
    )
    scores = predict(classifier, held_out.contents)
    return np.asarray(np.array(classifier.labels)[scores.argmax(axis=1)] == held_out.labels)


def _best(hits: dict[str, npt.NDArray[np.bool_]]) -> str:
    """Return the trial with the most hits (of equals, the cheaper), or the head where it lies within one standard error."""
    best = max(hits, key=lambda name: hits[name].sum())  # they stand in the order of their costs
    differences = hits[best].astype(float) - hits["head"]
    is_clear = len(differences) > 1 and differences.mean() > differences.std(ddof=1) / np.sqrt(len(differences))
    return best if is_clear else "head"


def _share(progress: Progress, spent: float, cost: float, total: float, name: str) -> Progress:
    """Return a progress that shows a trial as its part of the budget."""

    def show(done: int, of: int, note: str) -> None:
        progress(round(1000 * (spent + cost * done / max(1, of))), round(1000 * total), f"trial {name}, {note}")

    return show
