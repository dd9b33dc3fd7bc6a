"""The verdicts where the truth is known: how often they err, what their intervals cover, and whether power is as promised."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.verdict_levels import MARGIN, World, judge, worlds
from graft.evaluation.baselines import CANDIDATE, CHAMPION
from graft.stats import paired_difference
from graft.stats.accuracy import rows_to_tell

N_RUNS = 600
BY_NAME = {(world.name, world.n): world for world in worlds()}


@pytest.mark.parametrize(
    ("name", "n"),
    [
        *(("all alike", n) for n in (100, 300, 1000)),
        *(("all alike, no network from scratch", n) for n in (100, 300)),
    ],
)
def test_verdicts_err_seldom_where_nothing_differs(name: str, n: int) -> None:
    """All arms alike: neither positive nor negative, nor superior, in more than 5% of runs; intervals cover in 93 to 97%.

    With the arms of a default run, and with the network that a recipe may ask for. 600 runs: at a true rate of .05 more than 48
    errors have probability .001; the three or four intervals of a run depend on one another,
    and at a true coverage of .95 a share outside has probability under .01.
    """
    transfer, champion, covered = judge(BY_NAME[name, n], N_RUNS, np.random.default_rng(n))
    assert max(transfer["positive"], transfer["negative"]) <= 48
    assert champion["superior"] <= 48
    assert 0.93 <= covered <= 0.97


@pytest.mark.parametrize("n", [10, 30])
def test_few_rows_err_no_more_often(n: int) -> None:
    """At 10 and 30 rows no verdict errs in more than 5% of runs, whatever is true; intervals cover in at least 93%."""
    for name in ("all alike", "champion better by the margin"):
        transfer, champion, covered = judge(BY_NAME[name, n], N_RUNS, np.random.default_rng(n))
        assert max(transfer["positive"], transfer["negative"]) <= 48
        assert champion["superior"] <= 48
        if name != "all alike":
            assert champion["superior"] + champion["non_inferior"] <= 48
        assert covered >= 0.93


def test_a_model_at_the_margin_is_seldom_promoted_or_called_inferior() -> None:
    """The champion is better by just the margin: not called non-inferior, nor inferior, in more than 5% of 600 runs."""
    _, champion, covered = judge(BY_NAME["champion better by the margin", 300], N_RUNS, np.random.default_rng(5))
    assert max(champion["superior"] + champion["non_inferior"], champion["inferior"]) <= 48
    assert 0.93 <= covered <= 0.97


def test_what_differs_is_seen_with_enough_rows() -> None:
    """At 1,000 rows five points are found in 85% of runs: negative against a network from scratch, superior to a champion."""
    harmed, _, _ = judge(BY_NAME["5 points under one from scratch", 1000], 300, np.random.default_rng(6))
    assert harmed["negative"] >= 255
    assert harmed["positive"] == 0
    _, better, _ = judge(BY_NAME["champion 5 points worse", 1000], 300, np.random.default_rng(7))
    assert better["superior"] >= 255


@pytest.mark.parametrize(("wins", "losses", "bound"), [(0.10, 0.06, 0.0), (0.05, 0.06, -0.04), (0.03, 0.01, 0.0)])
def test_power_is_what_the_analysis_says(wins: float, losses: float, bound: float) -> None:
    """So many rows as are asked for give an interval beyond the bound in 80% of runs.

    1,000 runs: at a true power of .8 a share outside [.76, .84] has probability .002. The approximation is good to a point.
    """
    rng = np.random.default_rng(8)

    def sample(n: int) -> tuple[np.ndarray, np.ndarray]:
        draw = rng.random(n)
        return draw < wins, (draw >= wins) & (draw < wins + losses)

    exact = np.arange(1000) / 1000
    seen = exact < wins, (exact >= wins) & (exact < wins + losses)
    needed = rows_to_tell(paired_difference(*seen, rng=rng, n_bootstrap=2000), *seen, bound=bound)
    assert needed is not None
    found = (paired_difference(*sample(needed), rng=rng, n_bootstrap=1000) for _ in range(1000))
    told = sum(one.ci_low > bound or one.ci_high < bound for one in found)
    assert 760 <= told <= 840


def test_no_number_of_rows_tells_what_lies_on_the_bound() -> None:
    """Equal models are never told apart from a bound of nothing, but from one five points below."""
    rng = np.random.default_rng(9)
    hits = rng.random(400) < 0.8
    same = paired_difference(hits, hits, rng=rng, n_bootstrap=1000)
    assert rows_to_tell(same, hits, hits, bound=0.0) is None
    assert 1 < (rows_to_tell(same, hits, hits, bound=-0.05) or 0) < 400


def test_worlds_are_as_accurate_as_they_say() -> None:
    """Half a million rows give each arm's accuracy, and models agree more often than independent ones would."""
    from benchmarks.verdict_levels import draw_hits

    world = World("one", {CANDIDATE: 0.8, CHAMPION: 0.8 + MARGIN}, 500_000)
    hits = draw_hits(world.accuracy, world.n, np.random.default_rng(11))
    for arm, share in world.accuracy.items():
        assert hits[arm].mean() == pytest.approx(share, abs=0.003)
    both = (hits[CANDIDATE] & hits[CHAMPION]).mean()
    assert both > 0.8 * 0.84 + 0.03
