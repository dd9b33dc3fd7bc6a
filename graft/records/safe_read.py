"""Reads small files that anybody may have written: bounded before they are read, and plain."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from graft.errors import InputError, TamperError

MAX_YAML = 256 * 1024
"""A longer text is no recipe."""
MAX_JSON = 16 * 1024 * 1024
"""A longer file is no record: the longest name some thousand files or groups."""
_MAX_DEPTH = 20
RESTORE = "restore it with git"
M = TypeVar("M", bound=BaseModel)
_OBJECT = TypeAdapter(dict[str, Any])


def check_small(path: Path, most: int) -> None:
    """Raise an InputError where a file is longer than it can be; it is not read for that."""
    if path.is_file() and path.stat().st_size > most:
        raise _too_long(path, path.stat().st_size, most)


def read_small(path: Path, most: int) -> bytes:
    """Return the bytes of a file.

    Raises:
        InputError: there are more than ``most``; then none is read.
    """
    check_small(path, most)
    return path.read_bytes()


def load_json(path: Path, kind: type[M], what: str, *, do: str = RESTORE) -> M:
    """Return the value of a type that a JSON file holds. Every file of a workspace that Graft wrote is read this way.

    Args:
        what: what such a file is, as in "record.json is not ...".
        do: what helps where it is damaged.

    Raises:
        InputError: the file is too long; it is not read.
        TamperError: the file is absent, or is not that.
    """
    try:
        content = read_small(path, MAX_JSON)
    except FileNotFoundError as error:
        raise TamperError(f"{path.name} is absent.", where=str(path), do=do) from error
    return parse_json(content, kind, what, where=path, do=do)


def parse_json(content: bytes, kind: type[M], what: str, *, where: Path | str, do: str = RESTORE) -> M:
    """Return the value of a type that JSON bytes hold.

    Raises:
        TamperError: they hold something else; the sentence names the first key that is wrong.
    """
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise _not_that(error, what, where, do) from error


def load_object(path: Path, what: str, *, do: str = RESTORE) -> dict[str, Any]:
    """Return the keys of a JSON file of no fixed type.

    Raises:
        InputError: the file is too long; it is not read.
        TamperError: the file holds no JSON object.
    """
    return parse_object(read_small(path, MAX_JSON), what, where=path, do=do)


def parse_object(content: bytes, what: str, *, where: Path | str, do: str = RESTORE) -> dict[str, Any]:
    """Return the keys of JSON bytes of no fixed type.

    Raises:
        TamperError: they hold no JSON object.
    """
    try:
        return _OBJECT.validate_json(content)
    except ValidationError as error:
        raise _not_that(error, what, where, do) from error


def _not_that(error: ValidationError, what: str, where: Path | str, do: str) -> TamperError:
    first = error.errors()[0]
    why = ": ".join(part for part in (".".join(map(str, first["loc"])), first["msg"]) if part)
    name = where.name if isinstance(where, Path) else "This file"
    return TamperError(f"{name} is not {what}: {why}.", where=str(where), do=do)


def _too_long(path: Path, size: int, most: int) -> InputError:
    return InputError(
        f"{path.name} is too long to be what it is called.",
        where=f"{path}: {size:,} bytes, {most:,} at most",
        do="restore it with git, or take it away",
        code="file-too-long",
    )


def read_yaml(content: str | bytes, path: Path) -> Any:
    """Return what a YAML text says; ``path`` is named where it is not plain.

    Raises:
        InputError: it is too long or no YAML, has a tag of its own, an alias, a key twice, or values in values beyond any
            recipe's.
    """
    if len(content) > MAX_YAML:
        raise _too_long(path, len(content), MAX_YAML)
    try:
        loader = _Plain(content)
        loader.path = path
        return loader.get_single_data()
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        at = f", line {line + 1}" if line is not None else ""
        raise InputError(
            f"{path.name} is not plain YAML.", where=f"{path}{at}", do="correct that line", code="yaml-not-plain"
        ) from error


class _Plain(yaml.SafeLoader):
    """Builds plain values, and refuses what stands for more than it says.

    An alias is refused where it is met, before anything is built: a few lines of them stand for more than any memory holds. So is
    depth, as time grows with its square.
    """

    path = Path()
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            anchor = self.peek_event().anchor  # type: ignore[no-untyped-call]
            raise InputError(
                f"{self.path.name} uses an alias.",
                where=f"{self.path}, *{anchor}",
                do="write the value out",
                code="yaml-alias",
            )
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise InputError(
                f"{self.path.name} is nested more than {_MAX_DEPTH} deep.",
                where=str(self.path),
                do="docs/recipe.md shows a recipe",
                code="yaml-too-deep",
            )
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in keys:
                raise InputError(
                    f'{self.path.name} has the key "{key.value}" twice.',
                    where=f"{self.path}, line {key.start_mark.line + 1}",
                    do="keep one",
                )
            keys.add(key.value if isinstance(key, yaml.ScalarNode) else key)
        return super().construct_mapping(node, deep)
