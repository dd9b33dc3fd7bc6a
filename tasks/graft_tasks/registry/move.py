"""ledgers: a workspace's ledger brought to another place, whole, before anything is written there."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass

import yaml

from graft.errors import InputError, StepError, TamperError
from graft.ledger import Keyring, Ledger
from graft.records import write_atomic
from graft_tasks.dvc.publish import check_can_share, send_models
from graft_tasks.dvc.repro import commit
from graft_tasks.dvc.upstream import push_commits
from graft_tasks.processes.locks import hold, silently
from graft_tasks.workspace import Workspace

_LINE = re.compile(r"^ledger:.*$", re.MULTILINE)


@dataclass(frozen=True)
class Moved:
    """Where the ledger lay and lies, how many files it has, and how many of them were not there yet."""

    source: str
    target: str
    n_files: int
    n_copied: int


def move_ledger(workspace: Workspace, named: str) -> Moved:
    """Copy the ledger to another place, read it back there, and only then let params.yaml name it; commit that.

    Cut off anywhere, the same command goes on. What lay at the old place stays there and is not read any more.

    Raises:
        InputError: the place is none, is where the ledger lies, or holds another ledger; or no remote is set for the models.
        TamperError: the ledger is not what was signed, or did not arrive as it is.
        BusyError: a recipe is being run.
        StepError: the place or DVC's remote does not answer, or a model is neither here nor there.
    """
    place, target = workspace.ledger_place(), workspace.place_of(named)
    source = workspace.root / "ledger" if place == target else place
    if source == target:
        raise InputError("The ledger lies there already.", where=str(target), do="name another place")
    keyring = Keyring(workspace.trusted_keys)
    old, new = Ledger(source, keyring), Ledger(target, keyring)
    with ExitStack() as held:
        for name in workspace.recipes():
            held.enter_context(hold(workspace.recipe(name).lock("run"), name))
        check_can_share(workspace, target)
        if workspace.is_shared(target):
            send_models(workspace, old)
        names = sorted(old.names(), key=lambda name: name.startswith("promotions/"))  # they name runs: those come first
        n_copied = sum(_copied(old, new, name) for name in names)
        _check_arrived(old, new, names)
        _name(workspace, named)
    commit(workspace.root, f"The ledger lies at {named}", ["params.yaml"])
    push_commits(workspace.root)
    return Moved(str(source), str(target), len(names), n_copied)


def _copied(old: Ledger, new: Ledger, name: str) -> bool:
    """Copy one file unless it is there; return whether it was not."""
    content = old.objects.read(name)
    if content is None:
        raise StepError("A file of the ledger went away.", where=old.objects.where(name), do="the same command again")
    if new.objects.create(name, content):
        return True
    if new.objects.read(name) != content:
        what = "Another ledger lies there: the same name holds other bytes."
        raise InputError(what, where=new.objects.where(name), do="name an empty place")
    return False


def _check_arrived(old: Ledger, new: Ledger, names: list[str]) -> None:
    """Read everything back, and every promotion with its signature."""
    for name in names:
        if new.objects.read(name) != old.objects.read(name):
            what = "A file of the ledger did not arrive as it is."
            raise TamperError(what, where=new.objects.where(name), do="the same command again")
    for recipe in sorted({name.split("/")[1] for name in names if name.startswith("promotions/")}):
        new.promotions(recipe)


def _name(workspace: Workspace, named: str) -> None:
    """Let params.yaml name the place; whatever else a person wrote there stays as it is."""
    path = workspace.root / "params.yaml"
    with hold(workspace.root / ".graft" / "locks" / "params", "params.yaml", wait=silently):
        line = yaml.safe_dump({"ledger": named}, allow_unicode=True, width=10_000).strip()
        text = path.read_text(encoding="utf-8")
        edited = _LINE.sub(lambda _: line, text) if _LINE.search(text) else f"{text.rstrip()}\n{line}\n"
        write_atomic(path, edited.encode())
    if workspace.params().get("ledger") != named:
        raise StepError("params.yaml could not be made to name the place.", where=str(path), do=f"write there: {line}")
