"""How a model is named: a package that carries weights, a folder, or a model that was promoted in this workspace."""

from __future__ import annotations

import re
from dataclasses import dataclass

from graft.errors import InputError

CHAMPION = "champion"
_PROMOTED = re.compile(rf"graft:([a-z0-9-]{{1,63}})@({CHAMPION}|[0-9]{{4,9}})")


@dataclass(frozen=True)
class PackageRef:
    """``pkg:DISTRIBUTION``."""

    distribution: str

    def __str__(self) -> str:
        return f"pkg:{self.distribution}"


@dataclass(frozen=True)
class FolderRef:
    """A path, absolute or relative to the workspace."""

    path: str

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True)
class PromotedRef:
    """``graft:RECIPE@NUMBER``, or ``graft:RECIPE@champion``, whose ``number`` is None: the model in force when it is resolved."""

    recipe: str
    number: str | None = None

    def __str__(self) -> str:
        return f"graft:{self.recipe}@{self.number or CHAMPION}"


ModelRef = PackageRef | FolderRef | PromotedRef


def parse_ref(text: str) -> ModelRef:
    """Return what a model's name refers to. ``str`` of it is the name again.

    Raises:
        InputError: a name of another kind, such as a hub's.
    """
    if promoted := _PROMOTED.fullmatch(text):
        return PromotedRef(promoted[1], None if promoted[2] == CHAMPION else promoted[2])
    if text.startswith("pkg:"):
        return PackageRef(text.removeprefix("pkg:"))
    if ":" in text or not text.isprintable():
        raise InputError(
            f"Base {text} is of a kind that Graft does not know.",
            do="use pkg:NAME, graft:RECIPE@champion or a folder",
            code="base-kind-unknown",
        )
    return FolderRef(text)
