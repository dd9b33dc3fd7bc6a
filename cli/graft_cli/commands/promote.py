"""``graft promote``: the last run's model made champion by a person."""

from __future__ import annotations

from graft_cli.champion import Reason, show_change
from graft_cli.kit import AsJson, Name, here, print_json


def promote(recipe: Name, reason: Reason, as_json: AsJson = False) -> None:
    """Make the last run's model champion, against its verdict if need be; signed by you."""
    from graft_tasks.commands.champion import promote as make_champion

    change = make_champion(here().recipe(recipe), reason)
    if as_json:
        print_json(change)
    else:
        show_change(change)
