"""Shares of classes in unlabelled rows: known shares, calibration that is undone, and CIFAR-10.1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import special, stats

from graft.stats.prior import calibrate, calibrated, estimate_prior, estimate_prior_by_confusion
from tests.support.cifar import cifar_predictions


def two_gaussians(rng: np.random.Generator, share: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and the exact probabilities of the classes N(0, 1) and N(1.5, 1) in equal shares."""
    labels = (rng.random(n) < share).astype(int)
    second = special.expit(1.5 * (rng.normal(size=n) + 1.5 * labels) - 1.125)
    return labels, np.column_stack([1 - second, second])


def test_two_gaussians() -> None:
    """A share of .2 is found within .012 by EM and by BBSE from equal shares, 20,000 rows; counting predictions errs by .1."""
    rng = np.random.default_rng(0)
    labels, known = two_gaussians(rng, 0.5, 20_000)
    truth, found = two_gaussians(rng, 0.2, 20_000)
    share = float(truth.mean())
    by_em = estimate_prior(found, np.array([0.5, 0.5]))
    by_confusion = estimate_prior_by_confusion(known.argmax(axis=1), labels, found.argmax(axis=1), n_classes=2)
    assert by_confusion is not None
    assert abs(by_em[1] - share) < 0.012
    assert abs(by_confusion[1] - share) < 0.012
    assert found.argmax(axis=1).mean() - share > 0.1
    assert by_em.sum() == pytest.approx(1)
    assert by_confusion.sum() == pytest.approx(1)


def test_em_is_a_fixed_point_of_the_likelihood() -> None:
    """The shares reproduce themselves in one more step, and no other shares on a grid have a higher likelihood."""
    _, found = two_gaussians(np.random.default_rng(1), 0.3, 500)
    prior = np.array([0.5, 0.5])
    shares = estimate_prior(found, prior)
    weighted = found / prior * shares
    assert (weighted / weighted.sum(axis=1, keepdims=True)).mean(axis=0) == pytest.approx(shares, abs=1e-6)

    def likelihood(first: float) -> float:
        return float(np.log(found / prior @ [first, 1 - first]).sum())

    best = likelihood(float(shares[0]))
    assert all(likelihood(one) <= best + 1e-6 for one in np.linspace(0.001, 0.999, 999))


def test_the_reference_share_is_divided_out() -> None:
    """Probabilities that were made where classes stand 80 to 20 give the same shares as where they stand 50 to 50."""
    _, found = two_gaussians(np.random.default_rng(2), 0.35, 5000)
    moved = found * [0.8, 0.2] / 0.5
    moved /= moved.sum(axis=1, keepdims=True)
    there = estimate_prior(moved, np.array([0.8, 0.2]))
    assert there == pytest.approx(estimate_prior(found, np.array([0.5, 0.5])), abs=1e-4)


def test_one_class_alone() -> None:
    """Where all current rows are of one class, its share is near 1, and certain probabilities give exactly that."""
    _, found = two_gaussians(np.random.default_rng(3), 1.0, 3000)
    assert estimate_prior(found, np.array([0.5, 0.5]))[1] > 0.97
    assert estimate_prior(np.eye(3)[[1] * 20], np.full(3, 1 / 3)) == pytest.approx([0, 1, 0])


def test_calibration_undoes_temperature_and_biases() -> None:
    """Three classes whose logits were doubled and biased come back: T = 2 within .1, and exact probabilities within .03."""
    rng = np.random.default_rng(4)
    logits = rng.normal(0, 1.5, (20_000, 3))
    true = special.softmax(logits, axis=1)
    labels = (true.cumsum(axis=1) > rng.random(20_000)[:, None]).argmax(axis=1)
    spoilt = special.softmax(2 * logits + [1.0, 0.0, -0.5], axis=1)
    temperature, biases = calibrate(spoilt, labels)
    assert temperature == pytest.approx(2, abs=0.1)
    assert biases - biases.mean() == pytest.approx(-(np.array([1.0, 0, -0.5]) - 1 / 6) / 2, abs=0.06)
    assert np.abs(calibrated(spoilt, temperature, biases) - true).max() < 0.03
    assert np.abs(spoilt - true).mean() > 0.1


def test_calibration_helps_em() -> None:
    """Overconfident, biased probabilities mislead EM; calibrated ones bring the share back within .03."""
    rng = np.random.default_rng(5)
    labels, known = two_gaussians(rng, 0.5, 5000)
    truth, found = two_gaussians(rng, 0.2, 5000)
    known, found = (special.softmax(3 * np.log(p) + [0.0, 1.5], axis=1) for p in (known, found))
    prior = np.array([0.5, 0.5])
    mended = estimate_prior(calibrated(found, *calibrate(known, labels)), prior)
    assert abs(mended[1] - truth.mean()) < 0.03
    assert abs(estimate_prior(found, prior)[1] - truth.mean()) > 0.06


def test_certain_and_wrong_rows_stay_finite() -> None:
    """Probabilities of exactly 0 and 1, right or wrong, or of a class without rows, calibrate to finite numbers."""
    certain = np.eye(3)[[0, 1, 0, 1, 1, 0]]
    for labels in ([0, 1, 0, 1, 1, 0], [1, 0, 1, 0, 0, 1], [0, 0, 0, 0, 0, 0]):
        temperature, biases = calibrate(certain, np.array(labels))
        assert temperature > 0
        found = calibrated(certain, temperature, biases)
        assert np.isfinite(found).all()
        assert found.sum(axis=1) == pytest.approx(np.ones(6))


def test_a_classifier_that_cannot_tell_classes() -> None:
    """Where two classes are predicted alike, or one was never seen, the confusion cannot be solved: None, not a number."""
    labels = np.repeat([0, 1], 500)
    guesses = np.random.default_rng(6).integers(0, 2, 1000)
    assert estimate_prior_by_confusion(guesses, labels, guesses, n_classes=2) is None
    assert estimate_prior_by_confusion(np.zeros(1000, int), labels, guesses, n_classes=2) is None
    assert estimate_prior_by_confusion(labels, labels, guesses, n_classes=3) is None


def test_shares_are_never_negative() -> None:
    """Fewer predictions of a class than even its absence explains give a share of 0, and the shares still sum to 1."""
    labels = np.repeat([0, 1], 100)
    predicted = np.where(np.arange(200) % 5 == 0, 1 - labels, labels)
    found = estimate_prior_by_confusion(predicted, labels, np.zeros(50, int), n_classes=2)
    assert found is not None
    assert found == pytest.approx([1, 0])


def test_bad_input() -> None:
    """No rows, and probabilities that are no numbers, are refused."""
    two = np.array([0.5, 0.5])
    for wrong in (np.empty((0, 2)), np.array([[0.5, np.nan]]), np.array([[np.inf, 0.5]])):
        with pytest.raises(ValueError, match="finite"):
            estimate_prior(wrong, two)
    with pytest.raises(ValueError, match="needs rows"):
        calibrate(np.empty((0, 2)), np.empty(0, int))
    some, none = np.array([0, 1]), np.empty(0, int)
    for labelled, current in ((none, some), (some, none)):
        with pytest.raises(ValueError, match="both sides"):
            estimate_prior_by_confusion(labelled, labelled, current, n_classes=2)


@pytest.mark.realdata
def test_bbse_on_cifar(cifar: Path) -> None:
    """Of CIFAR-10.1 v4's images .080 are ships; BBSE sees .086 through a published model's answers, and .1 stood in CIFAR-10.

    The labels of CIFAR-10's test set are not in the repository: the answer of most of its 30 models stands for them.
    """
    model = "resnet_basic_110"
    models = [path.name.removesuffix("_predictions.json") for path in (cifar / "original_predictions").iterdir()]
    answers = np.stack([cifar_predictions(cifar, "original", one) for one in models])
    votes = np.stack([(answers == k).sum(axis=0) for k in range(10)]).argmax(axis=0)
    before, now = (cifar_predictions(cifar, version, model) for version in ("original", "v4"))
    found = estimate_prior_by_confusion(before, votes, now, n_classes=10)
    true = np.bincount(np.load(cifar / "cifar10.1_v4_labels.npy").astype(int), minlength=10) / 2021
    assert found is not None
    assert true[8] == pytest.approx(0.0797, abs=5e-5)
    assert found[8] == pytest.approx(0.086, abs=5.1e-4)
    assert np.abs(found - true).max() < 0.015


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("model", "version", "p", "lost"),
    [("resnet_basic_110", "v4", 0.452, 0.08), ("resnet_basic_110", "v6", 0.731, 0.08),
     ("alexnet_tf_ben", "v4", 0.034, 0.12), ("alexnet_tf_ben", "v6", 0.091, 0.12)],
)  # fmt: skip
def test_predicted_labels_miss_a_harmful_shift(cifar: Path, model: str, version: str, p: float, lost: float) -> None:
    """A chi-square test of predicted labels sees next to nothing of a shift that costs these models 8 and 13 points."""
    before, now = (np.bincount(cifar_predictions(cifar, one, model), minlength=10) for one in ("original", version))
    assert stats.chi2_contingency([before, now]).pvalue == pytest.approx(p, abs=5.1e-4)
