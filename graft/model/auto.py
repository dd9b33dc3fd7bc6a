"""Chooses strategy and learning rate by trials on training rows, under a budget in floating-point operations.

Every candidate is trained on a third of the rows and measured on the others; the best two strategies are cross-validated over
the three parts, beside the head, which costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from graft.errors import InputError
from graft.model import budget, distributed, lora
from graft.model.checkpoint import Checkpoint, TrainingState
from graft.model.classifier import predict
from graft.model.device import gpu_memory
from graft.model.encoder import Encoder, Progress, load_encoder, silent
from graft.model.examples import Examples
from graft.model.finetune import finetune
from graft.model.layers import Cut, find_stack
from graft.recipe import Finetune
from graft.records import Trial
from graft.rows import NO_LABEL

N_FOLDS = 3
N_FINALISTS = 2
MAX_ROWS = 1000
"""Rows that trials see, at most: with more, a choice would cost what it saves."""
FEW_ROWS = 32
"""Rows a class up to which rows are compared with one another."""
RATES = {"top_k": (1, 3), "lora": (10,), "full": (1, 3), "contrastive": (1,)}
"""Learning rates that are tried, over the recipe's. Small matrices that start at nothing want larger ones."""
MAX_RATE = 1e-2
HEAD = "head"
Hits = npt.NDArray[np.bool_]


class Choice(NamedTuple):
    """What is to be trained, what was tried before, and what that took."""

    config: Finetune
    trials: tuple[Trial, ...]
    tflops: float = 0.0


@gpu_memory()
def choose(
    folder: Path,
    examples: Examples,
    config: Finetune,
    *,
    modality: str,
    C: float,
    max_tokens: int,
    checkpoint_of: Callable[[Finetune, str], Checkpoint | None] = lambda _how, _name: None,
    progress: Progress = silent,
) -> Choice:
    """Choose among a head, the last layers, low-rank matrices, all layers, and with few rows contrast, each at some rates.

    The most accurate in cross-validation is taken; of equals, the cheaper. Where the training that follows has at least twice the
    rows that trials were trained on, tuning is taken within one standard error of the head: it gains more from rows than the head
    does.

    Args:
        how: the recipe's settings; ``how.budget`` is what trials and the training that follows may take, in TFLOPs. What no
            longer fits is not tried.
        checkpoint_of: the checkpoint of a trial, by its settings and its name.

    Raises:
        InputError: the budget allows no trial, or no class has a row for each part.
    Cost: at most ``how.budget``; the choice depends on no clock.
    Source: successive halving: Jamieson and Talwalkar 2016, with folds in place of the last rounds.
    """
    encoder = load_encoder(folder, modality, max_tokens=max_tokens)
    sample, folds = _folds(examples, config.seed)
    trials = _Trials(
        encoder, sample, folds, _candidates(encoder, config, sample), config.budget, examples.labels,
        forward=budget.forward_flops(encoder, examples.contents), checkpoint_of=checkpoint_of, progress=progress,
        train=lambda rows, trial, checkpoint, shown: finetune(
            folder, rows, trial, modality=modality, C=C, max_tokens=max_tokens, checkpoint=checkpoint, progress=shown
        ),
    )  # fmt: skip
    first = trials.screen()
    if len(first) == 1:
        name = min((candidate for candidate in trials.candidates if candidate != HEAD), key=trials.cost_of_first)
        raise InputError(
            f"finetune.budget allows {config.budget:g} TFLOPs, and the cheapest trial, {name}, "
            f"takes {trials.cost_of_first(name):.3g}.",
            do="raise finetune.budget, or say finetune.strategy: head",
        )
    final = trials.cross_validate(sorted(first, key=lambda name: first[name].sum(), reverse=True))
    n_trained = len(folds) * (N_FOLDS - 1) / N_FOLDS if final else len(folds) / N_FOLDS
    chosen = _best(final or first, leans_to_tuning=len(examples.labels) >= 2 * n_trained)
    assessments = [
        Trial(
            name=name, tflops=round(trials.cost_of_first(name), 6), accuracy=_share(first, name),
            cross_validated=_share(final, name), is_chosen=name == chosen,
        )
        for name in trials.candidates
    ]  # fmt: skip
    return Choice(trials.candidates[chosen], tuple(assessments), trials.spent)


@dataclass
class _Trials:
    """Candidates by name, in the order of their costs, the rows they are tried on, and what that has cost so far, in TFLOPs."""

    encoder: Encoder
    sample: Examples
    folds: npt.NDArray[np.int_]
    candidates: dict[str, Finetune]
    budget: float
    labels: npt.NDArray[np.str_]
    forward: float
    checkpoint_of: Callable[[Finetune, str], Checkpoint | None]
    progress: Progress
    train: Callable[[Examples, Finetune, Checkpoint | None, Progress], Any]
    spent: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        names = sorted(self.candidates, key=self._final)
        self.candidates = {name: self.candidates[name] for name in names}

    def screen(self) -> dict[str, Hits]:
        """Train each on the first fold, as far as the budget reaches, and return which of the other rows it gets right."""
        hits = {}
        for name in self.candidates:
            if self.spent + self.cost_of_first(name) <= self.budget:
                hits[name] = self._try(name, self.folds == 0)
        return hits

    def cross_validate(self, best: list[str]) -> dict[str, Hits]:
        """Return which rows the best strategies, each at its best rate, and the head get right out of fold.

        Nothing where the budget does not reach. Two rates of one strategy would be too much alike to find what another does.
        """
        of_strategy = {self.candidates[name].strategy: name for name in reversed(best) if name != HEAD}
        finalists = sorted(of_strategy.values(), key=best.index)[:N_FINALISTS]
        cost = sum(N_FOLDS * self._trial(name, (N_FOLDS - 1) / N_FOLDS) for name in finalists)
        if self.spent + cost + max(map(self._final, finalists)) > self.budget:
            return {}
        hits = {}
        for name in (HEAD, *finalists):
            hits[name] = np.zeros(len(self.folds), dtype=bool)
            for fold in range(N_FOLDS):
                hits[name][self.folds == fold] = self._try(name, self.folds != fold, f"-without-{fold}")
        return hits

    def cost_of_first(self, name: str) -> float:
        """Return what the first trial of a candidate takes, and the training that would follow."""
        return self._trial(name, 1 / N_FOLDS) + self._final(name)

    def _final(self, name: str) -> float:
        """Return what it takes to train on all rows."""
        return self._training(name, len(self.labels), int((self.labels == NO_LABEL).sum()))

    def _training(self, name: str, n_rows: float, n_unlabelled: int = 0) -> float:
        config = self.candidates[name]
        flops = budget.training_flops(self.encoder, config, n_rows, forward=self.forward, n_unlabelled=n_unlabelled)
        return flops / budget.TERA

    def _trial(self, name: str, share: float) -> float:
        """Return what it takes to train on a share of the rows and to measure on the others."""
        n = len(self.folds)
        measured = 0.0 if name == HEAD else (1 - share) * n * self.forward / budget.TERA
        return self._training(name, share * n) + measured

    def _try(self, name: str, is_trained: Hits, part: str = "") -> Hits:
        """Train on some of the rows and return which of the others are right; a finished trial is not made again."""
        rows, others = (self.sample.take(np.flatnonzero(chosen)) for chosen in (is_trained, ~is_trained))
        cost = self._trial(name, float(is_trained.mean()))
        alone = self.candidates[name].model_copy(update=budget.ALONE)
        tensors = {"hits": torch.zeros(len(others.labels), dtype=torch.bool)}
        checkpoint = None if name == HEAD else self.checkpoint_of(alone, f"trial-{name.replace(' ', '-')}{part}")
        if not (checkpoint and checkpoint.restore(tensors, None)[0].n_done):
            classifier = self.train(rows, alone, checkpoint, self._shown(name, cost))
            found = np.array(classifier.labels)[predict(classifier, others.contents).argmax(axis=1)]
            tensors["hits"] = torch.from_numpy(found == others.labels)
            if checkpoint and distributed.rank() == 0:
                checkpoint.save(tensors, None, TrainingState(n_done=1))
        self.spent += cost
        return tensors["hits"].numpy()

    def _shown(self, name: str, cost: float) -> Progress:
        """Return a progress that shows a trial as its part of what all trials take, at most."""
        first = sum(self._trial(candidate, 1 / N_FOLDS) for candidate in self.candidates)
        last = max(
            N_FINALISTS * N_FOLDS * self._trial(candidate, (N_FOLDS - 1) / N_FOLDS) for candidate in self.candidates
        )
        total, spent = min(self.budget, first + last), self.spent

        def show(done: int, of: int, note: str) -> None:
            share = (spent + cost * done / max(1, of)) / max(total, 1e-12)
            self.progress(min(1000, round(1000 * share)), 1000, f"trial {name}, {note}")

        return show


def _candidates(encoder: Encoder, config: Finetune, rows: Examples) -> dict[str, Finetune]:
    """Return what may be tried with this base and these settings, by name."""
    n_layers = _layers_to_cut(encoder, config, rows)
    is_few = len(rows.labels) <= FEW_ROWS * len(np.unique(rows.labels))
    may_contrast = config.n_processes == 1 and not config.mixup and config.patience is None
    changed: dict[str, dict[str, Any]] = {"full": {}}
    if lora.is_installed():
        changed["lora"] = {}
    if n_layers:
        changed["top_k"] = {"n_layers": n_layers, "augment": 0.0}
    if is_few and may_contrast:
        changed["contrastive"] = {}
    found = {HEAD: config.model_copy(update={"strategy": HEAD})}
    for strategy, keys in changed.items():
        for times in RATES[strategy]:
            rate = min(MAX_RATE, float(f"{times * config.learning_rate:.6g}"))
            settings = {"strategy": strategy, "learning_rate": rate, **keys}
            found[f"{strategy} {rate:g}"] = config.model_copy(update=settings)
    return found


def _layers_to_cut(encoder: Encoder, config: Finetune, rows: Examples) -> int:
    """Return how many of the last layers can be trained alone: as the recipe says, fewer if there are not so many, or 0."""
    try:
        n_layers = min(config.n_layers, find_stack(encoder.network).n_layers - 1)
        if n_layers:
            Cut(encoder, n_layers).check(encoder.prepare(rows.contents[:32])[0])
    except InputError:
        return 0
    return n_layers


def _folds(examples: Examples, seed: int) -> tuple[Examples, npt.NDArray[np.int_]]:
    """Return at most ``MAX_ROWS`` labelled rows and a fold for each; every class has a row in the first.

    Raises:
        InputError: no class has a row for each fold.
    """
    rng = np.random.default_rng(seed)
    known = np.flatnonzero(examples.labels != NO_LABEL)
    chosen = np.sort(rng.permutation(known)[:MAX_ROWS])
    labels = examples.labels[chosen]
    folds = np.zeros(len(chosen), dtype=int)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        folds[rows] = np.arange(len(rows)) % N_FOLDS
    if folds.max(initial=0) < N_FOLDS - 1:
        raise InputError(
            f"finetune.strategy auto tries on three parts of each class, and no class has three of {len(labels)} rows.",
            do="add rows, or say finetune.strategy: head",
        )
    return examples.take(chosen), folds


def _best(hits: Mapping[str, Hits], *, leans_to_tuning: bool) -> str:
    """Return the candidate with the most hits, of equals the cheaper; the head only where it is clearly better, if asked."""
    best = max(hits, key=lambda name: hits[name].sum())  # they stand in the order of their costs
    tuned = max((name for name in hits if name != HEAD), key=lambda name: hits[name].sum())
    if best != HEAD or not leans_to_tuning:
        return best
    lost = hits[HEAD].astype(float) - hits[tuned]
    return tuned if 0 < lost.mean() < lost.std() / np.sqrt(len(lost)) else HEAD


def _share(hits: Mapping[str, Hits], name: str) -> float | None:
    return round(float(hits[name].mean()), 6) if name in hits else None
