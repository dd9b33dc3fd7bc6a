"""The command that measures what transfer saves: curve."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from graft.errors import InputError
from graft_cli.cli_data import AsJson, Name, here, print_json

_DIGITS = 10
"""A longer number is no number of rows."""


def curve(
    recipe: Name,
    sizes: Annotated[str, typer.Option(help="rows of each class")] = "1,2,4,8,16,32,64,all",
    draws: Annotated[int, typer.Option(help="draws of each cell that is cheap")] = 10,
    costly_draws: Annotated[int, typer.Option(help="draws of each cell that trains a network")] = 3,
    arms: Annotated[str | None, typer.Option(help="what is measured, as arm or arm:8:16:all; without: all")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure accuracy against rows, and what transfer saves of data, time and cost against training from scratch."""
    workspace, asked = here(), _sizes(sizes.split(","))
    workspace.recipe(recipe)  # what is wrong is said before what computes is imported
    from graft.learning_curve.grid import ARMS
    from graft_cli.curve import measure_curve
    from graft_tasks.learning_curve.measure import Wanted

    wanted = Wanted(sizes=asked, draws=draws, costly_draws=costly_draws)
    if arms is not None:
        named = {arm: own.split(":") for arm, _, own in (one.partition(":") for one in _listed(arms.split(",")))}
        chosen = sorted(named, key=lambda arm: ARMS.index(arm) if arm in ARMS else -1)
        own_sizes = {arm: _sizes(own) for arm, own in named.items() if own != [""]}
        wanted = replace(wanted, arms=tuple(chosen), own_sizes=own_sizes)
    claims = measure_curve(workspace, recipe, wanted, show=not as_json)
    if as_json:
        cost = claims.cost.model_dump(mode="json") if claims.cost else None
        print_json({"record": claims.record.model_dump(mode="json"), "cost": cost})


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
