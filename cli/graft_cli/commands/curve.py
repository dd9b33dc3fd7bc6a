"""``graft curve``: accuracy against rows and the field's claims, shown."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from graft.errors import InputError
from graft_cli.kit import AsJson, Name, here, print_json
from graft_cli.terminal import STYLES, WIDTH, console, human, show
from graft_cli.watcher import progress_of

if TYPE_CHECKING:
    from graft.learning_curve.claims import Claim, Claims, Pair
    from graft.records import CurveRecord, Estimate
    from graft_tasks.learning_curve.measure import Wanted

_COLUMN = 12
_DIGITS = 10
"""A longer number is no number of rows."""
_SAYS = {"passed": "holds", "failed": "fails", "cannot_tell": "cannot tell"}
_STYLE = {"passed": STYLES["passed"], "failed": STYLES["failed"], "cannot_tell": STYLES["open"]}


def curve(
    recipe: Name,
    sizes: Annotated[str, typer.Option(help="rows of each class")] = "1,2,4,8,16,32,64,all",
    draws: Annotated[int, typer.Option(help="draws of each cell that is cheap")] = 10,
    costly_draws: Annotated[int, typer.Option(help="draws of each cell that trains a network")] = 3,
    arms: Annotated[str | None, typer.Option(help="what is measured, as arm or arm:8:16:all; without: all")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure accuracy against rows, and what transfer saves of data, time and cost against training from scratch."""
    handle, asked = here().recipe(recipe), _sizes(sizes.split(","))
    handle.load()  # what is wrong is said before what computes is imported
    with progress_of("curve", silent=as_json) as progress:
        from graft_tasks.commands.curve import measure_curve

        wanted = _wanted(asked, draws, costly_draws, arms)
        result = measure_curve(handle, wanted, progress=progress)
    if as_json:
        print_json(result)
        return
    show_claims(result.claims)
    out = console()
    if result.page is not None:
        out.print(f"\n  page     {Path(result.page).relative_to(handle.workspace.root)}")
    out.print(f"  record   {handle.record('curve').relative_to(handle.workspace.root)}")


def _wanted(sizes: tuple[int | None, ...], draws: int, costly_draws: int, arms: str | None) -> Wanted:
    """Return what is to be measured."""
    from graft.learning_curve.grid import ARMS
    from graft_tasks.learning_curve.measure import Wanted

    wanted = Wanted(sizes=sizes, draws=draws, costly_draws=costly_draws)
    if arms is None:
        return wanted
    named = {arm: own.split(":") for arm, _, own in (part.partition(":") for part in _listed(arms.split(",")))}
    chosen = sorted(named, key=lambda arm: ARMS.index(arm) if arm in ARMS else -1)
    own_sizes = {arm: _sizes(own) for arm, own in named.items() if own != [""]}
    return replace(wanted, arms=tuple(chosen), own_sizes=own_sizes)


def _listed(parts: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _sizes(parts: list[str]) -> tuple[int | None, ...]:
    """Return the sizes that a person wrote; ``all`` is None."""
    found: list[int | None] = []
    for part in _listed(parts):
        if part != "all" and not (part.isascii() and part.isdigit() and len(part) < _DIGITS):
            raise InputError(
                f"A size is a number of rows of each class, or all, and not {part!r}.", do="--sizes 1,4,all"
            )
        found.append(None if part == "all" else int(part))
    return tuple(found)


def show_claims(claims: Claims) -> None:
    """Show accuracy by rows and arm, and the field's claims with what was found."""
    from graft.evaluation.wording import estimate_text

    out, record = console(), claims.record
    rows = f"{record.n_train:,} rows of {record.n_classes:,} classes, {record.n_test:,} test rows"
    out.print(Text(f"{record.recipe}  {rows}", style="bold"))
    out.print("accuracy in per cent, +- half of its 95% interval\n")
    show(_table(record))
    for pair in claims.pairs:
        show(_pair_lines(pair))
        if pair.arm == "transfer" and pair.against in record.area_gains:
            out.print(f"  on average over doublings of the rows {estimate_text(record.area_gains[pair.against])}")
    if claims.cost is not None:
        total = claims.cost.total
        took = ", ".join(part for part in (human(total.seconds), total.energy, total.money) if part)
        out.print(f"\n  measured in {took}")
    out.print()
    for note in claims.notes:
        show(textwrap.wrap(note, WIDTH))


def _table(record: CurveRecord) -> list[str]:
    """Return accuracy by rows of each class and arm, with half of each interval's width."""
    from graft.learning_curve.claims import ARMS

    heads = [ARMS[arm].partition(" ") for arm in record.arms]
    lines = [f"{'':<8}" + "".join(f"{first:>{_COLUMN}}" for first, _, _ in heads)]
    lines.append(f"{'a class':<8}" + "".join(f"{second:>{_COLUMN}}" for _, _, second in heads))
    for size in record.sizes:
        cells = [record.point(arm, size) for arm in record.arms]
        line = f"{'all' if size is None else f'{size:,}':<8}"
        shown = (_brief(cell.accuracy) if cell else "" for cell in cells)
        lines.append((line + "".join(f"{part:>{_COLUMN}}" for part in shown)).rstrip())
    return lines


def _brief(estimate: Estimate) -> str:
    return f"{estimate.value * 100:.1f} +-{(estimate.ci_high - estimate.ci_low) * 50:.1f}"


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
