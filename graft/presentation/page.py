"""One self-contained HTML page from a report or an audit.

What is shown is chosen here, drawn by ``svg`` and worded and laid out in ``templates``. A page is a pure function of
its values: equal values give equal bytes. All text from data passes Jinja's autoescape, and each page's CSP forbids
scripts and requests.
"""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from graft.learning_curve.claims import Claims
from graft.presentation import formatting, svg
from graft.presentation.curve_svg import draw_curves
from graft.presentation.reliability import draw_reliability
from graft.presentation.scatter import draw_samples
from graft.records import Check, EvaluationRecord, Finding, ModelRecord, Record, Slice
from graft.records.audit import Audit
from graft.records.cost import Cost, add_up
from graft.records.report import Mistakes, Report, Standing

STEPS = ("ingest", "validate", "embed", "detect_shift", "choose_base", "finetune", "evaluate", "measure_bias", "decide")
ARMS = ("candidate", "champion", "best_champion", "frozen_probe", "scratch", "scratch_network")
SEVERITIES = ("error", "warning", "note")
OUTCOMES = ("failed", "cannot_tell", "passed")
# Relative addresses only: a colon before the first slash would be a scheme, two slashes another host.
_VISIBLE = str.maketrans(
    {code: 0x2400 + code for code in range(0x20) if code not in (0x09, 0x0A)}
    | {0x7F: 0x2421}
    | dict.fromkeys([*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD)
)
"""Characters that a terminal obeys, or that turn the order of a text around: shown as signs."""
RELATIVE = re.compile(r"(?!//)[\w./%-]+(#[\w-]*)?", re.ASCII)


@dataclass(frozen=True)
class Step:
    """One step as the page shows it; ``state`` is an outcome, ``skipped`` or, for decide, the verdict."""

    name: str
    record: Record
    state: str
    digest: str
    cost: Cost | None


def render_report(
    report: Report,
    *,
    costs: dict[str, Cost],
    links: dict[str, str],
    mistakes: Mistakes | None = None,
    claims: Claims | None = None,
    standing: Standing | None = None,
) -> str:
    """Return the page of one run.

    Args:
        report: what the page says.
        costs: cost by step; a step without one says nothing of its cost.
        mistakes: rows to show; None: they are not at hand.
        claims: what a curve says of the field's claims; None: none was measured.
        standing: what became of the run's model; None: it is not known.
        links: relative addresses of the ``drift`` and the ``chain`` page; any other kind of address makes no link.
    """
    steps = _steps(report, costs)
    checks = _checks(steps)
    taken = [step.cost for step in steps if step.cost]
    values = {
        "report": report,
        "total": add_up(taken) if taken else None,
        "steps": steps,
        "by_name": {step.name: step for step in steps},
        "done": {step.name: step.record for step in steps if step.state != "skipped"},
        "skipped": [step for step in steps if step.state == "skipped"],
        "checks": checks,
        "groups": {outcome: [check for check in checks if check.outcome == outcome] for outcome in OUTCOMES},
        "bias_checks": [check for check in checks if check.step == "measure_bias"],
        "deciding": _deciding(report, checks),
        "is_head": _is_head(report),
        "rival": _rival(report),
        "state_of": functools.partial(_state_of, checks),
        "gap_state": functools.partial(_gap_state, checks),
        "mistakes": mistakes,
        "claims": claims,
        "standing": standing or Standing(),
        "odd": _findings(report),
        "arms": _arms(report),
        "chain": _chain(report),
        "links": {name: target for name, target in links.items() if RELATIVE.fullmatch(target)},
        "command": shlex.quote(report.recipe),
        "is_champion": (standing is not None and standing.is_live)
        or (report.inputs.champion is not None and report.decide.model_id == report.inputs.champion.model_id),
    }
    return _environment().get_template("report.html.j2").render(values).translate(_VISIBLE)


def render_audit(audit: Audit) -> str:
    """Return the page of one chain: what was verified, hop by hop, and the first thing that does not hold."""
    values = {
        "audit": audit,
        "labels": list(dict.fromkeys(label for hop in audit.hops for label, _ in hop.facts)),
        "joins": [hop.integrity if hop.integrity in ("broken", "unproven") else "joined" for hop in audit.hops],
        "open_lines": [line for line in audit.lines if line.integrity == "open"],
        "command": shlex.quote(audit.recipe),
    }
    return _environment().get_template("audit.html.j2").render(values).translate(_VISIBLE)


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("graft.presentation", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        svg=svg,
        n=formatting.n,
        word=formatting.word,
        curves=_curves,
        learned=_learned,
        draw_curves=draw_curves,
        draw_samples=draw_samples,
        reliability=draw_reliability,
    )
    environment.filters["extract"] = lambda key, values: values[key]
    environment.filters.update({function.__name__: function for function in formatting.FILTERS}, reading=svg.reading)
    return environment


def _steps(report: Report, costs: dict[str, Cost]) -> list[Step]:
    steps = []
    for name in STEPS:
        record: Record = report.validate_ if name == "validate" else getattr(report, name)
        outcomes = {check.outcome for check in record.checks if check.outcome == "failed" or check.policy == "hold"}
        state = next((outcome for outcome in OUTCOMES if outcome in outcomes), "passed") if record.passed else "failed"
        if name == "decide":
            state = report.decide.verdict
        if record.status == "skipped":
            state = "skipped"
        steps.append(Step(name, record, state, report.digests.get(name, ""), costs.get(name)))
    return steps


def _findings(report: Report) -> list[Finding]:
    """Return what was found in the data, the worst first."""
    found = [finding for finding in (*report.ingest.findings, *report.validate_.findings) if finding.n_rows]
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def _checks(steps: Iterable[Step]) -> list[Check]:
    """Return every check of the run once, in the order in which decide weighs them: it repeats those of the steps before it."""
    ordered = sorted(steps, key=lambda step: step.name != "decide")
    return list({check.id: check for step in ordered for check in step.record.checks}.values())


def _state_of(checks: Iterable[Check], check_id: str) -> str:
    """Return the outcome of a check, so that no mark contradicts it."""
    return next((check.outcome for check in checks if check.id == check_id), "plain")


def _gap_state(checks: Iterable[Check], group: Slice) -> str:
    """Return the outcome of a group's check; schema 1 does not say where the column ends."""
    subject = group.subject.replace("=", " ")
    gaps = (check for check in checks if check.measurement.metric == "accuracy_gap")
    return next((check.outcome for check in gaps if check.measurement.subject.replace("=", " ") == subject), "plain")


def _deciding(report: Report, checks: Sequence[Check]) -> list[Check]:
    """Return the two checks to show first: the one that decided, then what was won over champion or cheap rival.

    The network from scratch is shown only where it decided. Of a decision that names no check, what keeps it back comes first.
    """
    open_ = [c for outcome in OUTCOMES for c in checks if c.outcome == outcome and c.holds]
    first = [c for c in checks if c.id == report.decide.deciding] or open_
    won = [c for arm in ("champion", _rival(report)) for c in checks if c.id == f"evaluate.gain.{arm}"]
    return list(dict.fromkeys([*first[:1], *won, *first[1:2]]))[:2]


def _is_head(report: Report) -> bool:
    """Return whether nothing was tuned: the candidate is the frozen base under a linear classifier."""
    return getattr(report.finetune, "strategy", "") == "head"


def _rival(report: Report) -> str:
    """Return the arm to put beside the candidate, or an empty string."""
    strategy = getattr(report.finetune, "strategy", "")
    return report.evaluate.rival(strategy) if isinstance(report.evaluate, EvaluationRecord) else ""


def _arms(report: Report) -> dict[str, str]:
    """Return the name of each arm that was evaluated, the candidate first and the known ones in one order."""
    number = f" {report.inputs.champion.number}" if report.inputs.champion else ""
    names = {
        "champion": f"champion{number}",
        "best_champion": f"champion {best.number}, the best so far" if (best := report.inputs.best) else "",
        "frozen_probe": "the base without tuning",
        "scratch": getattr(report.evaluate, "cheap_model", "") or "training from scratch",
        "scratch_network": "the same network from scratch",
    }
    found = getattr(report.evaluate, "accuracy", {})
    left_out = {"frozen_probe"} if _is_head(report) else set()
    keys = [*(arm for arm in ARMS if arm in found), *sorted(set(found) - set(ARMS))]
    return {key: names.get(key, key.replace("_", " ")) for key in keys if key not in left_out}


def _chain(report: Report) -> list[tuple[str, str, svg.Join]]:
    """Return name, fact and join of each piece of the stem: base, champion if any, candidate."""
    bases = {base.id: base for base in report.inputs.bases}
    name = getattr(report.choose_base, "base", "") or next(iter(bases), "no base")
    licence = f", licence {bases[name].licence}" if name in bases else ""
    pieces: list[tuple[str, str, svg.Join]] = [(name, f"base{licence}", "joined")]
    if report.inputs.champion:
        pieces.append((f"{report.recipe} {report.inputs.champion.number}", "champion when this run began", "joined"))
    ends: dict[str, tuple[str, svg.Join]] = {
        "promote": ("passed: joins the chain", "joined"),
        "hold": ("held: cut to fit, not joined", "held"),
        "reject": ("rejected: not joined", "rejected"),
    }
    if report.finetune.status == "skipped":
        return [*pieces, ("No candidate", "training was skipped", "absent")]
    return [*pieces, ("Candidate", *ends[report.decide.verdict])]


def _curves(model: ModelRecord) -> list[tuple[str, tuple[float, ...], str]]:
    """Return name, value after each epoch, and unit of what was measured as a model learned."""
    held = ("Loss on held-out rows", ""), ("Right on held-out rows", "fraction")
    measured = zip(held, zip(*model.held_out, strict=True), strict=False)
    return [("Training loss", model.loss, ""), *((name, values, unit) for (name, unit), values in measured)]


def _learned(model: ModelRecord) -> list[str]:
    """Return what is to be said of a training beside its curves."""
    lines = []
    if len(model.loss) == 1:
        values = [f"{name[0].lower()}{name[1:]} {svg.reading(only, unit)}" for name, (only,), unit in _curves(model)]
        lines.append(f"One epoch: {', '.join(values)}.")
    elif model.held_out:
        losses = [loss for loss, _ in model.held_out]
        lines.append(
            f"The weights are those after epoch {losses.index(min(losses)) + 1}, whose loss on held-out rows is least."
        )
    if not model.loss:
        lines.append("This strategy has no epochs, so there is no learning curve.")
    if model.alpha != 1:
        lines.append(f"The weights lie {model.alpha * 100:.3g}% of the way from the base to those that were tuned.")
    return lines
