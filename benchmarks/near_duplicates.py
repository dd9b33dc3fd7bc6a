"""How many near-duplicates are found, and what finding them costs.

    python benchmarks/near_duplicates.py recall ../shared/data
    python benchmarks/near_duplicates.py images ../shared/data
    python benchmarks/near_duplicates.py cost 100000 1000000 5000000

``recall`` holds ``near_pairs`` against all pairs of real texts of Jaccard similarity 0.8 and more. ``images`` counts pairs of
images by their similarity, and how well the first 1,500 survive being saved anew as JPEG. ``cost`` measures made-up short texts,
each size in a process of its own; the texts lie in an Arrow column, and a tenth are an earlier one with another last word.
"""

from __future__ import annotations

import csv
import gzip
import resource
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from graft.data.near import near_pairs
from graft.modality.image.near import image_bands, image_similarity
from graft.modality.text.near import text_bands, text_similarity
from graft.modality.text.normalize import fold

Pairs = npt.NDArray[np.int64]


def real_texts(folder: Path) -> dict[str, list[str]]:
    """Return texts of real datasets by name."""

    def table(path: str, column: str) -> list[str]:
        with (folder / path).open(newline="", encoding="utf-8") as file:
            return [row[column] for row in csv.DictReader(file)]

    def lines(path: str) -> list[str]:
        return (folder / path).read_text(encoding="utf-8").rstrip("\n").split("\n")

    return {
        "banking77 train": table("text/banking77/train.csv", "text"),
        "SMS spam": [line.partition("\t")[2] for line in lines("text/sms_spam/SMSSpamCollection.tsv")],
        "tweeteval offensive train": lines("text/tweeteval/offensive/train_text.txt"),
        "madlibs, every 4th (templates)": table("bias/jigsaw_unintended/bias_madlibs_77k.csv", "Text")[::4],
    }


def all_pairs(texts: list[str], min_similarity: float) -> Pairs:
    """Return every pair of texts that are near, by comparing each with each."""
    sets = [{text[k : k + 4] for k in range(max(1, len(text) - 3))} if text else set() for text in map(fold, texts)]
    number = {gram: k for k, gram in enumerate(sorted(set().union(*sets)))}
    indices = [number[gram] for grams in sets for gram in grams]
    ends = np.cumsum([0] + [len(grams) for grams in sets])
    has = sparse.csr_matrix((np.ones(len(indices), dtype=np.int32), indices, ends), shape=(len(sets), len(number)))
    sizes, found = np.diff(ends), []
    for start in range(0, len(sets), 500):
        shared = (has[start : start + 500] @ has.T).tocoo()
        i, j, n_shared = shared.row + start, shared.col, shared.data
        near = (i < j) & (n_shared / (sizes[i] + sizes[j] - n_shared) >= min_similarity)
        found.append(np.stack([i[near], j[near]], axis=1))
    return np.concatenate(found).astype(np.int64)


def components(pairs: Pairs, n: int) -> npt.NDArray[np.int32]:
    """Return the number of each row's component: rows joined by pairs have the same."""
    graph = sparse.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    labels: npt.NDArray[np.int32] = connected_components(graph, directed=False)[1]
    return labels


def recall(folder: Path) -> None:
    print(f"{'texts':32}{'n':>8}{'true pairs':>12}{'found':>10}{'one component':>15}{'rows without':>14}{'of':>8}")
    for name, texts in real_texts(folder).items():
        true = all_pairs(texts, 0.8)
        found = near_pairs(
            text_bands(texts), lambda rows, of=texts: [of[k] for k in rows], text_similarity, min_similarity=0.8
        )
        labels = components(found, len(texts))
        joined = labels[true[:, 0]] == labels[true[:, 1]]
        later = np.unique(true[:, 1])  # rows with an earlier near one
        without = np.setdiff1d(later, found[:, 1])
        print(
            f"{name:32}{len(texts):8,}{len(true):12,}{len(found):10,}{joined.mean():15.5f}{len(without):14,}{len(later):8,}"
        )


def images(folder: Path) -> None:
    from PIL import Image

    def greys(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        small = [Image.fromarray(one).resize((32, 32), Image.Resampling.BILINEAR) for one in pixels]
        return np.stack([np.asarray(one) for one in small])

    def saved(one: npt.NDArray[np.uint8], quality: int) -> npt.NDArray[np.uint8]:
        file = BytesIO()
        Image.fromarray(one).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file))

    mnist = gzip.decompress((folder / "image/mnist/train-images-idx3-ubyte.gz").read_bytes())
    with np.load(folder / "image/pneumoniamnist/pneumoniamnist.npz", allow_pickle=False) as arrays:
        chests = np.concatenate([arrays["train_images"], arrays["val_images"]])
    sets = {"MNIST train": np.frombuffer(mnist[16:], dtype=np.uint8).reshape(-1, 28, 28), "PneumoniaMNIST": chests}
    edges = (0.95, 0.97, 0.98, 0.985, 0.99, 0.995, 0.999, 1.0)
    print(f"{'images':20}{'n':>8}{'CPU s':>8}  pairs of similarity from " + "  ".join(map(str, edges)))
    for name, pixels in sets.items():
        small = greys(pixels)
        before = time.process_time()
        pairs = near_pairs(
            image_bands(small),
            lambda rows, of=small: of[rows],
            image_similarity,
            min_similarity=edges[0],
            n_previous=16,
        )
        spent = time.process_time() - before
        similarity = np.concatenate(
            [image_similarity(small[some[:, 0]], small[some[:, 1]]) for some in np.array_split(pairs, 50)]
        )
        counts = np.diff([*np.searchsorted(np.sort(similarity), edges), len(similarity)])
        print(f"{name:20}{len(small):8,}{spent:8.1f}  " + "  ".join(map(str, counts)))
        for quality in (75, 50, 30):
            again = greys(np.stack([saved(one, quality) for one in pixels[:1500]]))
            shared = (image_bands(small[:1500]) == image_bands(again)).any(axis=1).mean()
            low = np.quantile(image_similarity(small[:1500], again), 0.01)
            print(
                f"  JPEG quality {quality}: 99 in 100 keep similarity {low:.4f}, share with a common band {shared:.4f}"
            )


def made_up(n: int, rng: np.random.Generator) -> list[str]:
    """Return n texts of 8 words, a tenth of them an earlier one of theirs with another last word."""
    letters = np.array(list("etaoinshrdlucmfw"))
    words = ["".join(letters[rng.integers(0, 16, size=rng.integers(2, 10))]) for _ in range(20_000)]
    chosen = rng.integers(0, len(words), size=(n, 8))
    copies = np.flatnonzero(rng.random(n) < 0.1)
    chosen[copies, :7] = chosen[(copies * rng.random(len(copies))).astype(int), :7]
    return [" ".join(words[k] for k in row) for row in chosen.tolist()]


def cost_of(n: int) -> None:
    """Measure one size, in this process."""
    rng, batch = np.random.default_rng(7), 100_000
    texts = pa.concat_arrays([pa.array(made_up(min(batch, n - start), rng)) for start in range(0, n, batch)])

    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

    before, began = peak(), time.process_time()
    bands = np.empty((n, 12), dtype=np.uint64)
    for start in range(0, n, batch):
        bands[start : start + batch] = text_bands(texts[start : start + batch].to_pylist())
    banded = time.process_time()
    pairs = near_pairs(bands, lambda rows: texts.take(pa.array(rows)).to_pylist(), text_similarity, min_similarity=0.8)
    ended = time.process_time()
    print(f"{n:10,}{banded - began:14.1f}{ended - banded:14.1f}{len(pairs):12,}{before:20.2f}{peak():12.2f}")


def main() -> None:
    match sys.argv[1:]:
        case ["recall", folder]:
            recall(Path(folder))
        case ["images", folder]:
            images(Path(folder))
        case ["cost-of", n]:
            cost_of(int(n))
        case ["cost", *sizes]:
            print(
                f"{'texts':>10}{'bands CPU s':>14}{'pairs CPU s':>14}{'pairs':>12}{'texts alone GiB':>20}{'peak GiB':>12}"
            )
            sys.stdout.flush()
            for n in sizes:
                subprocess.run([sys.executable, __file__, "cost-of", n], check=True)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
