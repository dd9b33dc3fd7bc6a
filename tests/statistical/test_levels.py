"""Levels, power and coverage of what we compute, and agreement with published and reproduced values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from graft.evaluation.bias import measure_slices
from graft.stats import mcnemar, paired_difference, proportion, proportion_difference, two_sample_test
from graft.stats.f1 import macro_f1
from tests.support.cifar import cifar_predictions


def test_two_sample_level() -> None:
    """Under the null the test rejects as often as its level says: 2,000 runs at n = m = 40, d = 16, B = 99.

    With the true levels .05 and .01, a share outside [.040, .060] has probability .04, one above .016 .004: the seed is fixed.
    """
    rng = np.random.default_rng(0)
    p = np.array([
        two_sample_test(rng.normal(size=(40, 16)), rng.normal(size=(40, 16)), rng=rng, n_permutations=99).p_value
        for _ in range(2000)
    ])  # fmt: skip
    assert 0.040 <= (p <= 0.05).mean() <= 0.060
    assert (p <= 0.01).mean() <= 0.016
    assert p.min() >= 0.01
    grid = np.arange(1, 101) / 100  # under the null p is uniform on it; 1.63 / sqrt(N) is Kolmogorov's bound at .01
    assert np.abs([(p <= at).mean() - at for at in grid]).max() < 1.63 / np.sqrt(2000)


def test_two_sample_power() -> None:
    """The rejection rate at .05 rises with the shift and with n, from the level to nearly always: 100 runs each.

    Neighbouring rates are over 0.2 apart, or 3 standard errors of a difference of two such shares.
    """
    rng = np.random.default_rng(1)

    def power(n: int, delta: float) -> float:
        found = [
            two_sample_test(rng.normal(size=(n, 16)), rng.normal(delta, 1, (n, 16)), rng=rng, n_permutations=99).p_value
            for _ in range(100)
        ]
        return float(np.mean(np.array(found) <= 0.05))

    by_shift = [power(60, delta) for delta in (0.0, 0.15, 0.4)]
    assert by_shift[0] < 0.15
    assert by_shift[0] + 0.2 < by_shift[1] < by_shift[2] - 0.2
    assert by_shift[2] > 0.95
    by_rows = [power(n, 0.15) for n in (20, 60, 200)]
    assert by_rows[0] + 0.2 < by_rows[1] < by_rows[2] - 0.2


def test_paired_bootstrap_coverage() -> None:
    """The 95% interval covers the true difference in 93 to 97% of 1,000 simulations at n = 300.

    At a true coverage of .945 a share outside has probability .02; the seed is fixed.
    """
    rng = np.random.default_rng(2)
    wins, losses = 0.12, 0.06
    covered = 0
    for _ in range(1000):
        draw = rng.random(300)
        first, second = draw < wins, (draw >= wins) & (draw < wins + losses)
        both = rng.random(300) < 0.7
        concordant = draw >= wins + losses
        found = paired_difference(first | (concordant & both), second | (concordant & both), rng=rng, n_bootstrap=2000)
        covered += found.ci_low <= wins - losses <= found.ci_high
    assert 930 <= covered <= 970


@pytest.mark.parametrize(("p", "q", "n", "m"), [(0.9, 0.8, 40, 200), (0.5, 0.5, 60, 60), (0.97, 0.97, 30, 300)])
def test_newcombe_coverage(p: float, q: float, n: int, m: int) -> None:
    """Newcombe's 95% interval covers the true difference in at least 93% of 1,000 simulations, also for small slices.

    At a true coverage of .95 fewer than 930 has probability .003.
    """
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(1000):
        found = proportion_difference(rng.random(n) < p, rng.random(m) < q)
        covered += found.ci_low <= p - q <= found.ci_high
    assert covered >= 930


def test_gap_false_alarms() -> None:
    """Where all of four groups are served alike, a gap check at a bound of 0 fails for some group in under 11% of worlds.

    Four one-sided looks at .025 each; at a true rate of .10 more than 11% + 3 standard errors has probability .001.
    """
    rng = np.random.default_rng(4)
    groups = {"g": np.repeat(["a", "b", "c", "d"], 75)}
    alarms = 0
    for _ in range(400):
        right = rng.random(300) < 0.85
        alarms += any(one.gap.ci_high < 0 for one in measure_slices(groups, right, right, min_rows=30))
    assert alarms / 400 < 0.11 + 3 * np.sqrt(0.1 * 0.9 / 400)


def cifar_hits(folder: Path, version: str, model: str) -> np.ndarray:
    """Return whether a published model is right on each row of CIFAR-10.1."""
    labels = np.load(folder / f"cifar10.1_{version}_labels.npy")
    return cifar_predictions(folder, version, model) == labels


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("model", "v4", "v6"),
    [("shake_shake_26_2x64d_SSI_cutout16", 0.9297, 0.9310), ("shake_drop", 0.9228, 0.9230),
     ("wrn_28_10_cutout16", 0.9198, 0.9210), ("nas", 0.8882, 0.8920), ("vgg16_keras", 0.8525, 0.8560),
     ("resnet_basic_110", 0.8516, 0.8540), ("resnet_basic_32", 0.8486, 0.8520), ("alexnet_tf_ben", 0.6888, 0.6920)],
)  # fmt: skip
def test_published_accuracies(cifar: Path, model: str, v4: float, v6: float) -> None:
    """Accuracies of published models on CIFAR-10.1 come out as published, inside their intervals."""
    for version, expected, n in (("v4", v4, 2021), ("v6", v6, 2000)):
        found = proportion(cifar_hits(cifar, version, model))
        assert found.value == pytest.approx(expected, abs=5.1e-5)
        assert found.n == n
        assert found.ci_low < expected < found.ci_high


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("first", "second", "n01", "n10", "difference", "p"),
    [("shake_shake_26_2x64d_SSI_cutout16", "shake_shake_26_2x96d_SSI", 63, 40, 0.0115, 0.02968),
     ("wrn_28_10_cutout16", "wrn_28_10", 91, 52, 0.0195, 0.001398),
     ("resnet_basic_110", "resnet_basic_32", 121, 117, 0.0020, 0.8459)],
)  # fmt: skip
def test_mcnemar_on_published_models(
    cifar: Path, first: str, second: str, n01: int, n10: int, difference: float, p: float
) -> None:
    """McNemar's p-value and the paired interval agree on real pairs of models: discordant counts, difference, p."""
    hits, others = cifar_hits(cifar, "v6", first), cifar_hits(cifar, "v6", second)
    assert ((hits & ~others).sum(), (~hits & others).sum()) == (n01, n10)
    assert mcnemar(hits, others) == pytest.approx(p, rel=5e-4)
    found = paired_difference(hits, others, rng=np.random.default_rng(0), n_bootstrap=10_000)
    assert found.value == pytest.approx(difference, abs=1e-9)
    assert (found.ci_low > 0) == (p < 0.05)


@pytest.mark.realdata
def test_compas_gaps(shared_data: Path) -> None:
    """Selection and false positive rates by race on COMPAS, and their differences, are those that ProPublica published."""
    path = shared_data / "tabular" / "compas" / "compas-scores-two-years.csv"
    if not path.is_file():
        pytest.skip(f"shared data absent: {path}")
    frame = pd.read_csv(path)
    assert len(frame) == 7214
    high, again = (frame["decile_score"] >= 5).to_numpy(), (frame["two_year_recid"] == 1).to_numpy()
    black, white = ((frame["race"] == race).to_numpy() for race in ("African-American", "Caucasian"))
    assert (black.sum(), white.sum()) == (3696, 2454)
    for rows, rates in ((black | True, (0.5882, 0.3480)), (~again, (0.4485, 0.2345))):
        found = proportion_difference(high[black & rows], high[white & rows])
        values = [proportion(high[group & rows]).value for group in (black, white)]
        assert values == pytest.approx(rates, abs=5.1e-5)
        assert found.value == pytest.approx(rates[0] - rates[1], abs=1.1e-4)
        assert found.ci_low > 0.15


def test_the_interval_of_macro_f1_covers_as_often_as_it_says() -> None:
    """200 samples of 100 rows of three uneven classes; at a true coverage of .95 a share below .90 has probability .002."""
    rng, share = np.random.default_rng(3), np.array([0.55, 0.27, 0.18])

    def sample(n: int) -> tuple[np.ndarray, np.ndarray]:
        y_true = rng.choice(3, size=n, p=share)
        y_pred = np.where(rng.random(n) < 0.2, (y_true + rng.integers(1, 3, n)) % 3, y_true)
        return y_true.astype(str), y_pred.astype(str)

    truth = f1_score(*sample(1_000_000), average="macro")
    found = [macro_f1(*sample(100), rng=rng) for _ in range(200)]
    assert 0.90 <= np.mean([one.ci_low <= truth <= one.ci_high for one in found]) <= 0.99
