"""The front door: what it says where the truth is known. Its page is run in tests/flows/test_library.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import graft
from graft.errors import InputError
from graft.model.classifier import fit_head
from graft.model.encoder import load_encoder


def draw(n: int, seed: int, *, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1.0, (n, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def text_model(tiny_base: Path) -> graft.Model:
    """A model of texts with a tiny encoder and two classes."""
    encoder = load_encoder(tiny_base, modality="text", max_tokens=16)
    features = draw(8, 1).repeat(4, axis=1)
    return graft.Model(fit_head(encoder, features, np.array(["bad", "good"] * 4), C=1.0))


def test_a_planted_shift_is_found_and_none_where_there_is_none() -> None:
    """Two samples of one distribution are alike; of means a standard deviation apart they are not."""
    assert graft.detect_shift(draw(200, 1), draw(200, 2)).shifted is False
    found = graft.detect_shift(draw(200, 1), draw(200, 2, mean=1.0))
    assert found.shifted is True
    assert found.auc is not None
    assert found.auc.value > 0.9


def test_labels_separate_the_kinds_of_shift() -> None:
    """The same contents with the labels turned around: another concept, by name; without labels nothing is found."""
    reference, current = draw(400, 1), draw(400, 2)
    before, after = ((np.where(X[:, 0] > 0, "a", "b")).tolist() for X in (reference, -current))
    found = graft.detect_shift(reference, current, reference_labels=before, current_labels=after)
    assert [kind.name for kind in found.kinds if kind.found] == ["concept"]
    assert not any(kind.found for kind in graft.detect_shift(reference, current).kinds)


@pytest.mark.parametrize(
    ("n_candidate", "n_champion", "verdict"),
    [(950, 800, "superior"), (900, 900, "non_inferior"), (800, 950, "inferior")],
)
def test_the_better_of_two_is_named(n_candidate: int, n_champion: int, verdict: str) -> None:
    """Of 1,000 rows each has so many right, from the first on; the difference is candidate minus champion."""
    candidate, champion = (["a"] * n + ["b"] * (1_000 - n) for n in (n_candidate, n_champion))
    judgement = graft.judge(["a"] * 1_000, candidate, champion)
    assert judgement.verdict == verdict
    assert judgement.difference.value == pytest.approx((n_candidate - n_champion) / 1_000)
    assert (judgement.p_value < 0.01) == (n_candidate != n_champion)


def test_few_rows_are_undecided() -> None:
    """One row's difference in ten says nothing."""
    assert graft.judge(["a"] * 10, ["a"] * 9 + ["b"], ["a"] * 10).verdict == "undecided"


@pytest.mark.parametrize("lengths", [(3, 2, 3), (3, 3, 2), (0, 0, 0)])
def test_rows_must_be_the_same(lengths: tuple[int, int, int]) -> None:
    """Labels of other rows are no comparison."""
    with pytest.raises(ValueError, match="rows"):
        graft.judge(*(["a"] * n for n in lengths))


@pytest.mark.parametrize("name", ["", "nothing"])
def test_what_is_no_model_is_said(tmp_path: Path, name: str) -> None:
    """An empty folder and none are the caller's to change; nothing was altered."""
    with pytest.raises(InputError, match="no model of Graft's"):
        graft.load_model(tmp_path / name)


@pytest.mark.parametrize("contents", [[], "one text", [b"a file"]])
def test_contents_of_another_kind_are_refused(contents: object, text_model: graft.Model) -> None:
    """As in scikit-learn: no rows, a text in place of a list of texts, and, for texts, files."""
    with pytest.raises(ValueError, match="a list of one or more str"):
        text_model.predict(contents)  # type: ignore[arg-type]


def test_probabilities_are_those_of_the_classes(text_model: graft.Model) -> None:
    """One row for each content, a column for each class, each row sums to 1; the label is that of the largest."""
    probabilities = text_model.predict_proba(np.array(["my card", "late parcel"]))
    assert probabilities.shape == (2, 2)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-6)
    labels = [text_model.classes_[column] for column in probabilities.argmax(axis=1)]
    assert text_model.predict(["my card", "late parcel"]).tolist() == labels


def test_labels_of_other_rows_are_refused() -> None:
    """Each row has a label, or none has."""
    with pytest.raises(ValueError, match="20 rows have 19 labels"):
        graft.detect_shift(draw(20, 1), draw(20, 2), reference_labels=["a"] * 20, current_labels=["a"] * 19)


def test_a_ledger_that_is_not_there_is_not_intact(tmp_path: Path) -> None:
    """A mistyped path is the caller's to change; counts of 0 would read as verified."""
    with pytest.raises(InputError, match="There is no ledger"):
        graft.verify_ledger(tmp_path / "legder", keys=tmp_path)


def test_the_door_is_light_until_it_is_used() -> None:
    """``import graft`` alone imports nothing that computes, and a name that is not there is an AttributeError."""
    code = "import sys, graft; assert not {'torch', 'numpy'} & set(sys.modules); assert not hasattr(graft, 'nothing')"
    subprocess.run([sys.executable, "-c", code], check=True)
