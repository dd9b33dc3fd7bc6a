"""A console that shows text as text. It is imported with the first line that is printed: ``graft --help`` does without."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text


class PlainConsole(Console):
    """A console that prints what it is given as text: names and cells in it come from files, and may hold anything."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*map(_plain, objects), **options)


def _plain(shown: Any) -> Any:
    """Return a text whose control characters are blanks; line breaks stay, and so does what is no text."""
    if isinstance(shown, Text):
        shown.plain = _plain(shown.plain)
    elif isinstance(shown, str):
        return "".join(c if c.isprintable() or c == "\n" else " " for c in shown)
    return shown
