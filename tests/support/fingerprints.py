"""Fingerprints of the steps: a hash over the code that can change what a step writes, kept beside its number in ``VERSIONS``.

A step's code is every function, class and constant of graft and graft_tasks that its ``run`` reaches by name, through imports
inside functions too. Comments, docstrings, annotations of functions, words of errors, imports, layout and the names of modules do
not count. Of a modality only those attributes and methods count whose names a step's code uses: all steps know all modalities.

    python -m tests.support.fingerprints                    writes the fingerprints of steps whose number was raised
    python -m tests.support.fingerprints --unchanged WHY    says that the others write the same bytes as before
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from graft_tasks.steps.context import VERSIONS

ROOT = Path(__file__).parents[2]
FILE = ROOT / "tests" / "architecture" / "fingerprints.json"
PACKAGES = ("graft", "tasks/graft_tasks")
COMMAND = "python -m tests.support.fingerprints"
ADVICE = (
    "If a step writes other bytes now, raise its number in VERSIONS (tasks/graft_tasks/steps/context.py), renew its golden, and "
    f"run {COMMAND}. If it does not: {COMMAND} --unchanged 'why'"
)
WRITERS = ("graft.records.files.write_json",)
"""What writes the record of every step."""
NOT_COUNTED = {
    "graft.__version__": "part of the keys of caches",
    "graft.errors": "words of errors",
    "graft.ledger": "reads and verifies what was signed",
    "graft.metrics": "a metric more changes no check; goldens hold the side and the unit of each",
    "graft.records.files.part": "how bytes come to the disk",
    "graft.records.files.sweep": "likewise",
    "graft.records.files.write_atomic": "likewise",
    "graft.records.files.written_beside": "likewise",
    "graft.records.safe_read": "refuses files that are damaged",
    "graft_tasks.dvc": "brings files, and commits them",
    "graft_tasks.processes": "children, locks, room on the disk",
    "graft_tasks.registry": "finds and verifies the folders of models",
    "graft_tasks.steps.context": "runs a step, looks at the gates, knows the numbers",
    "graft_tasks.steps.distributed": "starts the processes of a training, each of which learns as one does alone",
    "graft_tasks.steps.cost": "the cost lies beside the record",
    "graft_tasks.workspace": "where files lie",
}
"""Modules and packages that a step uses and that do not change what it computes; where this is not so, a golden must see it."""
ASKED = "graft.modality."
"""Classes of these modules lie in a table and are asked by what is looked up there, so that each member counts by itself."""
Place = tuple[str, str]
"""A module and a name that it defines."""


@dataclass
class Module:
    """What a file defines at its top: statements by the names that they define, and what it imports by local name."""

    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)

    def split_classes(self) -> None:
        """Make each member of a class a definition of its own, ``Class.member``."""
        for name, statements in list(self.definitions.items()):
            for one in statements:
                if isinstance(one, ast.ClassDef):
                    members = [(member, inner) for inner in one.body for member in _defined(inner)]
                    one.body = [ast.Pass()]
                    for member, inner in members:
                        self.definitions.setdefault(f"{name}.{member}", []).append(inner)


class Step(NamedTuple):
    """A step's number, the digest of its code, and why the code changed without the number."""

    version: int
    digest: str
    unchanged: str = ""


def read_modules(root: Path) -> dict[str, Module]:
    """Return the modules of the packages by dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to((root / package).parent).with_suffix("").parts
            name = ".".join(parts).removesuffix(".__init__")
            found[name] = parse(path.read_text(encoding="utf-8"))
            if name.startswith(ASKED):
                found[name].split_classes()
    return found


def parse(text: str) -> Module:
    """Return a module; of a statement that defines nothing, such as a call, the name is empty."""
    module = Module()
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            module.imports |= dict(_imported(statement))
        elif not _is_text(statement):
            for name in _defined(statement):
                module.definitions.setdefault(name, []).append(statement)
            if isinstance(statement, ast.If | ast.Try):
                imports = (one for one in ast.walk(statement) if isinstance(one, ast.Import | ast.ImportFrom))
                module.imports |= dict(pair for one in imports for pair in _imported(one))
    module.definitions.pop("__all__", None)
    return module


def _defined(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    names = {one.id for one in ast.walk(statement) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    return names or {""}


def _imported(statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    for alias in statement.names:
        if isinstance(statement, ast.ImportFrom):
            yield alias.asname or alias.name, f"{statement.module}.{alias.name}"
        else:
            top = alias.name.split(".")[0]
            yield alias.asname or top, alias.name if alias.asname else top


def _is_text(statement: ast.AST) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _dotted(node: ast.expr) -> str:
    """Return a chain such as ``a.b.c`` as a text; "" for an attribute of anything but a name."""
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return before and f"{before}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


class Code:
    """The definitions of all modules, which of them each one uses, and the digest of each."""

    def __init__(self, modules: dict[str, Module]) -> None:
        self.modules = modules
        self._known: dict[Place, tuple[str, set[Place], set[str]]] = {}

    def reached(self, *starts: str) -> dict[Place, str]:
        """Return the digest of each definition that is reached from some, given by dotted name."""
        todo = [place for start in starts if (place := self._find(start))]
        found: dict[Place, str] = {}
        attributes: set[str] = set()
        while todo:
            place = todo.pop()
            module, name = place
            if place not in found and name in self.modules[module].definitions:
                found[place], used, named = self._read(place)
                attributes |= named
                todo += [*used, (module, "")]
            todo = todo or [one for one in self._members(found) if one not in found and _member(one) in attributes]
        return found

    def _members(self, found: dict[Place, str]) -> Iterator[Place]:
        """Yield the members of the classes that were reached and are asked member by member."""
        for module in {module for module, _ in found if module.startswith(ASKED)}:
            for name in self.modules[module].definitions:
                if "." in name and (module, name.partition(".")[0]) in found:
                    yield module, name

    def _read(self, place: Place) -> tuple[str, set[Place], set[str]]:
        if place not in self._known:
            module, name = place
            statements = self.modules[module].definitions[name]
            reader = _Reader(self, module, statements)
            text = json.dumps([reader.plain(statement) for statement in statements])
            self._known[place] = hashlib.sha256(text.encode()).hexdigest()[:12], reader.used, reader.attributes
        return self._known[place]

    def _find(self, dotted: str, depth: int = 0) -> Place | None:
        """Return where a dotted name is defined, through modules that import it from others; None outside the packages."""
        parts = dotted.split(".")
        for k in range(len(parts) - 1, 0, -1):
            if (module := self.modules.get(".".join(parts[:k]))) is None:
                continue
            if parts[k] in module.imports and depth < 9:
                return self._find(".".join([module.imports[parts[k]], *parts[k + 1 :]]), depth + 1)
            is_whole = k == len(parts) - 1 and parts[k] in module.definitions
            return (".".join(parts[:k]), parts[k]) if is_whole else None
        return None

    def place(self, dotted: str) -> Place | None:
        """Return where a dotted name is defined; None outside the packages, and for what is not counted."""
        found = self._find(dotted)
        return found if found and not any(f"{'.'.join(found)}.".startswith(f"{one}.") for one in NOT_COUNTED) else None


def _member(place: Place) -> str:
    return place[1].partition(".")[2]


class _Reader:
    """Makes plain values of syntax, without what changes no bytes, and notes which definitions it uses."""

    def __init__(self, code: Code, module: str, statements: list[ast.stmt]) -> None:
        self.code, self.module, self.used = code, module, set[Place]()
        self.attributes: set[str] = set()
        self.imports = dict(code.modules[module].imports)
        for node in (one for statement in statements for one in ast.walk(statement)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self.imports |= dict(_imported(node))

    def plain(self, node: Any) -> Any:
        """Return a node as lists, texts and numbers."""
        if isinstance(node, list):
            return [
                self.plain(one) for one in node if not (_is_text(one) or isinstance(one, ast.Import | ast.ImportFrom))
            ]
        if not isinstance(node, ast.AST):
            return repr(node)
        if isinstance(node, ast.Name | ast.Attribute) and (name := self._name(node)):
            return name
        if isinstance(node, ast.Attribute):
            self.attributes.add(node.attr)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):  # its words
            return ["Raise", self.plain(node.exc.func)]
        left_out = {"ctx", "kind", "type_params", "type_comment"}
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.arg):
            left_out |= {"annotation", "returns"}
            self._note(node)
        values = {key: value for key, value in ast.iter_fields(node) if key not in left_out}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Field", "key"):
            values["keywords"] = [one for one in node.keywords if one.arg != "description"]  # what a key means
            values["args"] = node.args[node.func.id == "key" :]
        return [
            type(node).__name__,
            *([key, self.plain(value)] for key, value in values.items() if value not in (None, [])),
        ]

    def _note(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.arg) -> None:
        """Note what annotations name: an object's methods are reached through its type."""
        annotation = node.annotation if isinstance(node, ast.arg) else node.returns
        for one in ast.walk(annotation) if annotation else ():
            if isinstance(one, ast.Name | ast.Attribute):
                self._name(one)

    def _name(self, node: ast.Name | ast.Attribute) -> str:
        """Return the name of the definition that a name stands for, wherever it lies and whatever it is called here; else ""."""
        dotted = _dotted(node)
        first, _, rest = dotted.partition(".")
        if first in self.imports:
            place = self.code.place(f"{self.imports[first]}.{rest}" if rest else self.imports[first])
        else:
            place = self.code.place(f"{self.module}.{dotted}") if not rest else None
        if place:
            self.used.add(place)
        return place[1] if place else ""


def read_steps(code: Code) -> dict[str, dict[Place, str]]:
    """Return the definitions that each step reaches, with the digest of each."""
    return {step: code.reached(f"graft_tasks.steps.{step}.run", *WRITERS) for step in VERSIONS}


def digest_of(reached: dict[Place, str]) -> str:
    """Return the digest of a step's code: where a definition lies does not count."""
    return hashlib.sha256(" ".join(sorted(set(reached.values()))).encode()).hexdigest()[:12]


def recorded() -> tuple[dict[str, Step], dict[str, str]]:
    """Return the steps, and the digest of each definition, as they were recorded."""
    if not FILE.is_file():
        return {}, {}
    plain = json.loads(FILE.read_text(encoding="utf-8"))
    return {name: Step(**step) for name, step in plain["steps"].items()}, plain["definitions"]


def changed(
    steps: dict[str, dict[Place, str]], versions: dict[str, int], then: dict[str, Step], definitions: dict[str, str]
) -> dict[str, str]:
    """Return a sentence for each step whose code changed while its number did not, by step.

    Args:
        steps: what each reaches now.
        versions: the number of each now.
        then: as recorded.
        definitions: digest of each definition as recorded.
    """
    found = {}
    for step, reached in steps.items():
        if step in then and versions[step] == then[step].version and digest_of(reached) != then[step].digest:
            known = set(definitions.values())
            new = sorted(".".join(place).rstrip(".") for place, digest in reached.items() if digest not in known)
            what = ", ".join(new[:8]) + (f" and {len(new) - 8} more" if len(new) > 8 else "")
            found[step] = f"{step} is version {versions[step]} as before, and its code is another: " + (
                what or "some of it is gone"
            )
    return found


def write(steps: dict[str, dict[Place, str]], then: dict[str, Step], reasons: dict[str, str]) -> None:
    """Record the steps as they are now.

    Args:
        steps: what each reaches.
        then: as recorded; a step that did not change keeps what was said of it.
        reasons: why a step's number stayed, by step.
    """
    now = {}
    for step, reached in steps.items():
        old = then.get(step)
        kept = old.unchanged if old and old.digest == digest_of(reached) and old.version == VERSIONS[step] else ""
        now[step] = Step(VERSIONS[step], digest_of(reached), reasons.get(step, kept))._asdict()
    definitions = {".".join(place).rstrip("."): digest for one in steps.values() for place, digest in one.items()}
    plain = {"steps": now, "definitions": dict(sorted(definitions.items()))}
    FILE.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> int:
    """Write the fingerprints; refuse where a step's code changed and nobody says why its number did not."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--unchanged", metavar="WHY", default="", help="why the steps write the same bytes as before")
    reason = parser.parse_args().unchanged.strip()
    steps, (then, definitions) = read_steps(Code(read_modules(ROOT))), recorded()
    asked = changed(steps, VERSIONS, then, definitions)
    for sentence in asked.values():
        print(sentence)  # noqa: T201 - a script
    if asked and not reason:
        print(ADVICE, file=sys.stderr)  # noqa: T201
        return 1
    write(steps, then, dict.fromkeys(asked, reason))
    return 0


if __name__ == "__main__":
    sys.exit(main())
