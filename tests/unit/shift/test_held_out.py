"""What is kept of a model's test rows comes back as it was, or is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from graft.errors import TamperError
from graft.shift.held_out import N_LEAST, N_ROWS, halved, nearness, read_held_out, write_held_out


def write_example(path: Path, n: int, n_classes: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], bytes]:
    rng = np.random.default_rng(0)
    classes = tuple(f"class {k:04}" for k in range(n_classes))
    said = rng.dirichlet(np.ones(n_classes), size=n).astype(np.float32)
    labels = np.array([*classes, "unheard of"])[rng.integers(0, n_classes + 1, n)]
    write_held_out(path, said, labels, np.linspace(0, 1, n), classes, rng=np.random.default_rng(1))
    return said, labels, classes, path.read_bytes()


def test_rows_come_back_without_those_of_unknown_classes(tmp_path: Path) -> None:
    """Probabilities to half precision, classes and nearness of each row that the model knows the class of, in order."""
    said, labels, classes, content = write_example(tmp_path / "held_out.safetensors", 60, 3)
    back = read_held_out(content, classes, "here")
    known = np.isin(labels, classes)
    assert 0 < known.sum() < 60
    assert (back.probabilities == halved(said[known])).all()
    assert (back.labels == labels[known]).all()
    assert back.nearness == pytest.approx(np.linspace(0, 1, 60)[known], abs=1e-3)


@pytest.mark.parametrize(("n_classes", "n"), [(3, N_ROWS), (200, 500), (1_000, N_LEAST)])
def test_it_stays_small(tmp_path: Path, n_classes: int, n: int) -> None:
    """A thousand rows at most, fewer where there are many classes: below half a megabyte."""
    *_, classes, content = write_example(tmp_path / "held_out.safetensors", 2_000, n_classes)
    assert len(read_held_out(content, classes, "here").labels) == n
    assert len(content) < 500_000


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    """Cut bytes, other tensors, another number of classes, a class that is none, no number: each is named, none is used."""
    *_, classes, content = write_example(tmp_path / "held_out.safetensors", 40, 3)
    good = {
        "probabilities": np.full((4, 3), 1 / 3, dtype=np.float16),
        "class": np.zeros(4, dtype=np.int32),
        "nearness": np.ones(4, dtype=np.float16),
    }
    assert len(read_held_out(save(good), classes, "here").labels) == 4
    bad = [
        *(content[:n] for n in (0, 7, 100, len(content) - 1)),
        save({"x": np.zeros(3)}),
        save({**good, "probabilities": good["probabilities"][:, :2].copy()}),
        save({**good, "class": np.full(4, 3, dtype=np.int32)}),
        save({**good, "class": np.zeros((4, 1), dtype=np.int32)}),
        save({**good, "nearness": np.full(4, np.nan, dtype=np.float16)}),
    ]
    for one in bad:
        with pytest.raises(TamperError, match="not what evaluate writes"):
            read_held_out(one, classes, "here")


def test_nearness_is_the_mean_cosine_with_the_five_nearest() -> None:
    """As a loop over all pairs says, with fewer rows than five too; no rows give none."""
    rng = np.random.default_rng(0)
    X, learned = (rng.normal(size=(n, 4)).astype(np.float32) for n in (7, 30))
    for some in (learned, learned[:3]):
        expected = [np.sort([float(x @ row) for row in some])[-5:].mean() for x in X]
        assert nearness(X, some) == pytest.approx(expected, abs=2e-3)
    assert len(nearness(X[:0], learned)) == 0
