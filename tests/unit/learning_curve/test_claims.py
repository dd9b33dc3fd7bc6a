"""The section about the field's claims: what was measured beside what is claimed, whatever was left out or not known."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest

from graft.learning_curve.claims import ARMS, Claims
from graft.presentation.page import render_report
from graft_cli.commands.curve import show_claims
from tests.support import curve_samples
from tests.support import report_samples as samples
from tests.unit.presentation.test_page import Page


def section(claims: Claims | None) -> str:
    """Return the section of a page."""
    html = render_report(samples.held(), costs={}, links={}, claims=claims)
    found = re.search(r'<section class="s" id="claims".*?</section>', html, re.DOTALL)
    assert found
    return found[0]


def text(claims: Claims | None) -> str:
    return " ".join(Page(section(claims)).text.split())


def changed(claims: Claims, **keys: Any) -> Claims:
    return claims._replace(record=claims.record.model_copy(update=keys))


def test_without_a_curve_the_command_is_named() -> None:
    """One line says what the field says, that it was not measured, and how to."""
    said = text(None)
    assert "not measured yet" in said
    assert "10% of the data, 20% of the time and 25% of the cost" in said
    assert said.endswith("graft curve support-intents")


def test_every_number_stands_with_its_interval_and_n() -> None:
    """Each ratio and each accuracy of the record occurs with its interval; the number of test rows and draws as well."""
    claims = curve_samples.claims()
    said = text(claims)
    for pair in claims.pairs:
        assert all(claim.ratio.words in said for claim in pair.claims)
    for saving in claims.record.data:
        assert saving.ratio.words in said
    for point in claims.record.points:
        seen = point.accuracy
        assert f"{seen.value * 100:.1f}% {seen.ci_low * 100:.1f}% to {seen.ci_high * 100:.1f}%, n 400" in said
    for arm, gain in claims.record.area_gains.items():
        assert f"+{gain.value * 100:.1f} points (95% interval" in said, arm
    for share in ("10%", "20%", "25%"):
        assert share in said
    assert "What pretraining the base cost is in none of these numbers" in said


def test_the_heading_counts_what_holds() -> None:
    """Two of three claims hold against the same network from scratch, and none against the cheap model."""
    (heading,) = Page(section(curve_samples.claims())).said("h2")
    assert heading.startswith("Of the field")
    assert heading.endswith(
        "three claims, two hold for transfer against scratch network and none hold for transfer against scratch"
    )


def test_search_counts_and_is_named() -> None:
    """What choosing the learning rate took is in the time, and the ratio without it stands beside."""
    said = text(curve_samples.claims())
    assert "Choosing how scratch network is trained took 1,900 s, which counts as its time." in said
    assert "Without that, transfer takes 12.0% [9.0%, 16.0%] of the time of scratch network." in said


def test_what_is_not_known_is_said() -> None:
    """Without times, on an earlier version of the data, with arms left out, or measured in two surroundings."""
    claims = curve_samples.claims()
    bare = claims._replace(cost=None, is_older=True)
    assert "What it took is not known here" in text(bare)
    assert "Measured on an earlier version of the data or the base." in text(bare)
    assert [claim.what for claim in bare.pairs[0].claims] == ["data"]
    assert "Left out: scratch network, random encoder." in text(
        changed(claims, left_out=("scratch_network", "random_encoder"))
    )
    assert claims.cost is not None
    mixed = claims._replace(cost=claims.cost.model_copy(update={"n_surroundings": 2}))
    assert "the times compare badly" in text(mixed)
    assert "compare badly" not in text(claims)


def test_a_curve_without_pairs_is_drawn_all_the_same() -> None:
    """With one arm at one size there is nothing to compare, and a drawing still."""
    claims = curve_samples.claims()
    points = tuple(one for one in claims.record.points if one.arm == "scratch" and one.size == 8)
    alone = changed(claims, points=points, data=(), area_gains={})
    assert "no claim could be weighed" in text(alone)
    assert section(alone).count("<circle") == 1


@pytest.mark.parametrize("seed", range(3))
def test_the_drawing(seed: int) -> None:
    """A line, a band, a dot for each size and a name for each arm; names never overlap and nothing lies outside."""
    claims = curve_samples.claims()
    arms = list(ARMS)[seed:]
    some = changed(claims, points=tuple(one for one in claims.record.points if one.arm in arms))
    page = Page(section(some))
    svg = [(tag, attributes) for tag, attributes in page.tags if tag in ("path", "circle", "svg", "text")]
    assert sum(attributes.get("class", "").startswith("band") for _, attributes in svg) == len(arms)
    assert sum(tag == "circle" and attributes["class"].startswith("arm") for tag, attributes in svg) == 8 * len(arms)
    heights = sorted(float(a["y"]) for tag, a in svg if tag == "svg" and a.get("overflow") and a.get("width") == "1")
    assert len(heights) == len(arms)
    assert all(after - before >= 15.9 for before, after in pairwise(heights))
    assert 0 <= heights[0] <= heights[-1] <= 300


def test_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Sizes by arms, then each claim beside the field's: in ASCII, 80 columns wide, and control characters are text."""
    claims = curve_samples.claims(recipe="tickets")
    show_claims(changed(claims, recipe="tickets\x1b[31m"))
    said = capsys.readouterr().out
    assert all(len(line) <= 80 and line.isascii() and line.isprintable() for line in said.splitlines())
    rows = {line.split()[0]: line for line in said.splitlines() if line.strip()}
    for size in ("1", "64", "all"):
        assert rows[size].count("+-") == 6
    assert re.search(r"transfer against scratch network, at 9\d\.\d%", said)
    assert re.search(r"  time    12\.0% \[9\.0%, 16\.0%\] +field 20%    holds", said)
    assert re.search(r"  cost    at least 14\.2x \[9\.8x, open\] +field 25%    fails", said)
    assert re.search(r"on average over doublings of the rows \+\d+\.\d points \[", said)
    assert "What pretraining the base cost is in none of these numbers" in said


def test_the_page_is_inert_and_the_same_every_time() -> None:
    """No script, no style of its own, no address; a hostile name of a base or a recipe is text."""
    claims = curve_samples.claims(recipe='"><script>')
    hostile = changed(claims, base='"><script>alert(1)</script>', strategy="<img src=x>", summary="<b>")
    once = section(hostile)
    assert once == section(hostile)
    assert not re.search(r"<script|<img|\bon\w+=|style=|href=|http", once)


def test_an_arm_that_was_not_measured_at_a_size_leaves_its_place_empty() -> None:
    """The terminal's table has a line for every size of any arm, and a gap where an arm has none."""
    from graft_cli.commands.curve import _table

    record = curve_samples.claims().record
    points = tuple(one for one in record.points if one.arm != "scratch_network" or one.size is None)
    lines = _table(record.model_copy(update={"points": points}))
    assert len(lines) == 2 + len(record.sizes)
    assert lines[2].count("+-") == len(record.arms) - 1
    assert lines[-1].count("+-") == len(record.arms)
