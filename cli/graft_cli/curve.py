"""``graft curve``: accuracy against rows and the field's claims, shown."""

from __future__ import annotations

import textwrap

from rich.text import Text

from graft.learning_curve.claims import ARMS, Claim, Claims, Pair
from graft.records import CurveRecord, Estimate
from graft_cli.terminal import STYLES, WIDTH, Watcher, console, human, said
from graft_tasks.commands.render import render_run
from graft_tasks.learning_curve.claims import conclude
from graft_tasks.learning_curve.measure import Wanted, measure
from graft_tasks.steps.report import REPORT
from graft_tasks.workspace import Workspace

_COLUMN = 12
_SAYS = {"passed": "holds", "failed": "fails", "cannot_tell": "cannot tell"}
_STYLE = {"passed": STYLES["passed"], "failed": STYLES["failed"], "cannot_tell": STYLES["open"]}


def measure_curve(workspace: Workspace, name: str, wanted: Wanted, *, show: bool = True) -> Claims:
    """Measure what is not measured yet, write what it says, draw the page anew and show what came out."""
    workspace.recipe(name)
    watcher = Watcher()
    if show:
        watcher.started("curve")
    try:
        measured = measure(
            workspace, name, wanted, progress=lambda d, t, n: watcher.progress("curve", d, t, n) if show else None
        )
    finally:
        watcher.close()
    claims = conclude(workspace, name, measured)
    has_run = (workspace.step(name, "report") / REPORT).is_file()
    page = render_run(workspace, name) if has_run else None
    if show:
        show_claims(claims)
        out = console()
        if page is not None:
            out.print(f"\n  page     {page.relative_to(workspace.root)}")
        out.print(f"  record   {workspace.record(name, 'curve').relative_to(workspace.root)}")
    return claims


def show_claims(claims: Claims) -> None:
    """Show accuracy by rows and arm, and the field's claims with what was found."""
    out, record = console(), claims.record
    rows = f"{record.n_train:,} rows of {record.n_classes:,} classes, {record.n_test:,} test rows"
    out.print(Text(f"{record.recipe}  {rows}", style="bold"))
    out.print("accuracy in per cent, +- half of its 95% interval\n")
    for line in _table(record):
        out.print(line)
    for pair in claims.pairs:
        for line in _pair_lines(pair):
            out.print(line)
        if pair.arm == "transfer" and pair.against in record.area_gains:
            out.print(f"  on average over doublings of the rows {said(record.area_gains[pair.against])}")
    if claims.cost is not None:
        total = claims.cost.total
        took = ", ".join(part for part in (human(total.seconds), total.energy, total.money) if part)
        out.print(f"\n  measured in {took}")
    out.print()
    for note in claims.notes:
        for line in textwrap.wrap(note, WIDTH):
            out.print(line)


def _table(record: CurveRecord) -> list[str]:
    """Return accuracy by rows of each class and arm, with half of each interval's width."""
    heads = [ARMS[arm].partition(" ") for arm in record.arms]
    lines = [f"{'':<8}" + "".join(f"{first:>{_COLUMN}}" for first, _, _ in heads)]
    lines.append(f"{'a class':<8}" + "".join(f"{second:>{_COLUMN}}" for _, _, second in heads))
    for size in record.sizes:
        cells = [record.point(arm, size) for arm in record.arms]
        line = f"{'all' if size is None else f'{size:,}':<8}"
        shown = (_brief(cell.accuracy) if cell else "" for cell in cells)
        lines.append((line + "".join(f"{one:>{_COLUMN}}" for one in shown)).rstrip())
    return lines


def _brief(seen: Estimate) -> str:
    return f"{seen.value * 100:.1f} +-{(seen.ci_high - seen.ci_low) * 50:.1f}"


def _pair_lines(pair: Pair) -> list[Text]:
    """Return what an arm needs of what the other does, beside what the field says."""
    head = Text(f"\n{pair.words}, at {pair.target:.1%}", style="bold")
    return [head, *(_claim_line(claim) for claim in pair.claims)]


def _claim_line(claim: Claim) -> Text:
    line = Text(f"  {claim.what:<8}{claim.ratio.words}")
    if claim.outcome is None:
        return line
    line.pad_right(50 - len(line))
    line.append(f"field {claim.claimed:.0%}    ")
    return line.append(_SAYS[claim.outcome], style=_STYLE[claim.outcome])
