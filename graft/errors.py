"""The errors a user can meet. Each says what is wrong, where, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

_LONGEST = 500


def nearest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Return the known name that is most like one that is not known, for "did you mean"; None where none is.

    Args:
        name: case, and blanks around it, do not count.
        cutoff: least similarity, 0 to 1, by ``difflib``.
    """
    folded = {known_name.strip().casefold(): known_name for known_name in known}
    near = difflib.get_close_matches(name.strip().casefold(), folded, n=1, cutoff=cutoff)
    return folded[near[0]] if near else None


def _line(text: str) -> str:
    """Return a text that a terminal may show in a line: names and cells in it come from files, and may hold anything."""
    plain = "".join(c if c.isprintable() else " " for c in text[: 2 * _LONGEST])
    return plain if len(text) <= _LONGEST else f"{plain[:_LONGEST]} ..."


class GraftError(Exception):
    """What went wrong, where it was seen, and what to do about it.

    Args:
        what: one sentence, ending with a full stop.
        where: file, row, column or address; may be empty.
        do: a command or an edit that helps; may be empty.
        code: what programs know this error by, in kebab-case; it stays where words change. Empty: that of the class.
    """

    exit_code = 1
    family = "error"
    """Code of errors of the class that have none of their own."""

    def __init__(self, what: str, *, where: str = "", do: str = "", code: str = "") -> None:
        super().__init__(what)
        self.code = code or self.family
        self.what = what
        self.where = where
        self.do = do

    def __str__(self) -> str:
        lines = [f"error: {_line(self.what)}"]
        if self.where:
            lines.append(f"  where  {_line(self.where)}")
        if self.do:
            lines.append(f"  do     {_line(self.do)}")
        return "\n".join(lines)


class InputError(GraftError):
    """The user's input is wrong: a file, a column, a recipe, a name. Exit code 2; never retried."""

    exit_code = 2
    family = "input"


class StepError(GraftError):
    """A step could not finish although its input is right. Exit code 1."""

    family = "step"


class ResourceError(GraftError):
    """The machine has too little of what a step needs, as memory. Exit code 1; it helps to ask for less."""

    family = "resource"


class BusyError(GraftError):
    """Somebody else holds what is needed. Exit code 1; worth retrying."""

    family = "busy"


class TamperError(GraftError):
    """Bytes are not those that were recorded or signed. Exit code 1."""

    family = "tampered"


def no_file(path: Path) -> InputError:
    """Return the error of a file that a person named and that is not there."""
    return InputError(f"There is no file {path.name}.", where=str(path), do="check the path", code="file-missing")
