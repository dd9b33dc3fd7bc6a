"""The reference of the public names is what their docstrings say, and each docstring says what a caller has to know."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.api_page import PAGE, front_door, page, sections, statistics

ARRAYS = ("NDArray", "Matrix", "Vector", "Hits", "Labels", "Features", "Floats", "Shares", "Sides", "ArrayLike")
"""What annotations of arrays hold."""


def functions() -> Iterator[Callable[..., Any]]:
    """Yield the public functions, and the methods of the public classes."""
    for member in [*front_door(), *(member for members in statistics().values() for member in members)]:
        if inspect.isfunction(member):
            yield member
        else:
            yield from (
                value for key, value in vars(member).items() if inspect.isfunction(value) and not key.startswith("_")
            )


def raised(function: Callable[..., Any]) -> set[str]:
    """Return the names of the errors that a function's own lines raise."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    calls = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    return {call.func.id for call in calls if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)}


def arguments(function: Callable[..., Any]) -> dict[str, str]:
    """Return what the section ``Args`` says of each parameter; several may share an entry."""
    entries = re.split(r"\n(?=\S)", inspect.cleandoc("\n".join(sections(function).get("Args", []))))
    pairs = [entry.partition(":")[::2] for entry in entries]
    return {name.strip(): text for names, text in pairs for name in names.split(",")}


def test_the_page_is_up_to_date() -> None:
    """docs/api.md is what ``python -m tests.support.api_page`` writes."""
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.support.api_page"


@pytest.mark.parametrize("function", functions(), ids=lambda function: f"{function.__module__}.{function.__qualname__}")
def test_a_docstring_says_what_a_caller_has_to_know(function: Callable[..., Any]) -> None:
    """Each parameter, arrays with their shape; what comes back; what is raised; of a statistic, where it comes from."""
    found = sections(function)
    said = arguments(function)
    parameters = {name: str(value.annotation) for name, value in inspect.signature(function).parameters.items()}
    parameters.pop("self", None)
    problems = [f"Args lacks {name}" for name in parameters if name not in said]
    problems += [
        f"no shape of {name}"
        for name, annotation in parameters.items()
        if name in said and any(kind in annotation for kind in ARRAYS) and "shape" not in said[name]
    ]
    if "Returns" not in found and "eturn" not in "".join(found[""]):
        problems.append("what it returns is not said")
    raises = "\n".join(found.get("Raises", []))
    problems += [f"Raises lacks {name}" for name in raised(function) if name not in raises]
    if function.__module__.startswith("graft.stats") and "Source" not in found:
        problems.append("no Source")
    assert problems == []
