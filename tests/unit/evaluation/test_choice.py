"""Which base is taken, and what the choice was worth."""

from __future__ import annotations

import numpy as np
import pytest

from graft.evaluation.choice import Scored, choose, rank, regret
from graft.records import Base, BaseScore, Estimate
from graft.stats.transferability import Neighbours

N = 400


def base(name: str) -> Base:
    return Base(id=name, revision="1", sha256="0" * 64, folder_sha256="0" * 64, n_parameters=7, licence="mit")


def scored(n_probe: int, n_near: int, evidence: float) -> Scored:
    """Return scores with so many hits among 400 rows."""
    rows = np.arange(N)
    return Scored(3.0, rows < n_probe, Neighbours((rows < n_near)[None]), evidence, None)


def ranked(cost: dict[str, float] | None = None, **found: Scored) -> tuple[BaseScore, ...]:
    return rank(found, [base(name) for name in found], {name: (cost or {}).get(name, 1.0) for name in found})


def test_the_best_probe_is_taken_where_all_others_are_worse() -> None:
    """Intervals that leave out 0 decide, whatever the other scores say; each base stands with how far it lies behind."""
    scores = ranked(worse=scored(280, 390, 9.0), best=scored(360, 300, 0.1), worst=scored(200, 390, 9.0))
    assert [one.base for one in scores] == ["best", "worse", "worst"]
    assert [one.behind and one.behind.value for one in scores] == [None, 0.2, 0.4]
    assert choose(scores) == ("best", "Its probe is right most often, and all 2 others are worse on the same rows.")


def test_a_lucky_probe_alone_is_not_taken() -> None:
    """A base whose probe is best by a row of 400, and which neighbours and evidence put last, is passed over."""
    scores = ranked(lucky=scored(303, 210, -0.4), good=scored(302, 290, 0.3), fair=scored(302, 280, 0.2))
    assert scores[0].base == "lucky"
    taken, because = choose(scores)
    assert taken == "good"
    assert (
        because == "The probe does not tell 3 bases apart; by probe, neighbours and evidence together good comes first."
    )


def test_cost_decides_between_equals_and_only_there() -> None:
    """Of bases that stand alike the cheaper one; a cheaper one that stands worse is not taken for being not told apart."""
    alike = ranked({"dear": 2.0, "cheap": 1.0}, dear=scored(300, 290, 0.3), cheap=scored(300, 290, 0.3))
    assert choose(alike)[0] == "cheap"
    assert "cheap shares the first place, and no other there takes fewer operations a row" in choose(alike)[1]
    worse = ranked({"dear": 2.0, "cheap": 1.0}, dear=scored(300, 290, 0.3), cheap=scored(299, 280, 0.2))
    assert choose(worse)[0] == "dear"


def test_one_candidate_is_no_choice() -> None:
    """The only one is taken, and says that it is."""
    assert choose(ranked(only=scored(300, 290, 0.3))) == ("only", "It is the only candidate that can be scored.")


def test_the_order_of_candidates_changes_nothing() -> None:
    """The same bases in another order: the same ranking, the same choice, up to the bootstrap's draws."""
    found = {"a": scored(300, 290, 0.3), "b": scored(300, 290, 0.3), "c": scored(250, 260, 0.1)}
    one, other = ranked(**found), ranked(**dict(reversed(found.items())))
    assert one == other


def test_regret_is_measured_on_the_same_rows() -> None:
    """The best base minus the chosen one, paired; none where the chosen one is as good as any."""
    chosen = ranked(chosen=scored(300, 290, 0.3), other=scored(200, 290, 0.3))[0]
    rows = np.arange(N)
    lost = regret(chosen, {"chosen": rows < 300, "other": rows >= 80}, n_bootstrap=1000)
    assert (lost.best, lost.base, lost.promised) == ("other", "chosen", chosen.accuracy)
    assert isinstance(lost.regret, Estimate)
    assert lost.regret.value == pytest.approx(0.05)
    assert lost.regret.ci_low < 0.05 < lost.regret.ci_high
    assert {name: one.value for name, one in lost.measured.items()} == {"chosen": 0.75, "other": 0.8}
    none = regret(chosen, {"other": rows < 300, "chosen": rows < 300}, n_bootstrap=1000)
    assert none.best == "chosen"
    assert none.regret is None
