"""Codes of errors, read from the syntax trees: what a script goes by has one form, one meaning, and a test."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from graft.errors import BusyError, GraftError, InputError, ResourceError, StepError, TamperError

ROOT = Path(__file__).parents[2]
KINDS = (GraftError, InputError, StepError, ResourceError, BusyError, TamperError)
CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")


def _coded(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the class that is made, or what is called in its place, and the code that it is given."""
    for node in ast.walk(tree):
        name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Call) and ("Error" in name or name in {"_Meaning", "case.kind", "type(error)"}):
            kind = node.args[1] if name == "_Meaning" else node.func
            yield from ((ast.unparse(kind), keyword.value) for keyword in node.keywords if keyword.arg == "code")


FOUND = [
    (path.relative_to(ROOT).as_posix(), kind, value)
    for package in ("graft", "tasks", "flows", "cli")
    for path in sorted((ROOT / package).rglob("*.py"))
    for kind, value in _coded(ast.parse(path.read_text(encoding="utf-8")))
]
CODES = {str(value.value): (name, kind) for name, kind, value in FOUND if isinstance(value, ast.Constant)}


def test_a_code_is_a_literal_in_kebab_case() -> None:
    """Nobody computes a code, so that a search finds it; an error that is made of another one keeps the code of that."""
    passed_on = {"error.code", "self.code", "case.code"}
    assert len(CODES) > 40
    assert {ast.unparse(value) for *_, value in FOUND if not isinstance(value, ast.Constant)} <= passed_on
    assert {code for code in CODES if not CODE.fullmatch(code)} == set()
    assert not CODES.keys() & {kind.family for kind in KINDS}


def test_a_code_has_one_meaning() -> None:
    """It is given in one module and to one class of error, whose own code is the family's where none is given."""
    several = {
        value.value
        for name, kind, value in FOUND
        if isinstance(value, ast.Constant) and CODES[str(value.value)] != (name, kind)
    }
    assert several == set()
    assert [kind("It is so.").code for kind in KINDS] == ["error", "input", "step", "resource", "busy", "tampered"]
    assert InputError("It is so.", code="column-missing").code == "column-missing"


def test_each_code_is_asserted() -> None:
    """A code that no test asks for could go without anybody noticing."""
    asserted = {
        node.value.removeprefix("code ")
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if path != Path(__file__)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert CODES.keys() - asserted == set()
