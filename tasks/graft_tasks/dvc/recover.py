"""Puts right what killed processes left: temporary files, DVC's list of who works on what, files that DVC writes in place.

Called at the start of a run, by whoever holds the recipe. Nothing here touches what a living process works on: a temporary file
is locked by its writer, and DVC's files are repaired under DVC's own lock.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import yaml

from graft.errors import StepError
from graft.records import sweep, write_atomic
from graft_tasks.dvc.repro import dvc_held, git, lockfile
from graft_tasks.processes.events import sweep_pipes
from graft_tasks.processes.locks import hold, silently
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.steps.context import STEPS

_log = logging.getLogger("graft.recover")
_OF_A_FILE = {"path", "md5", "size"}


def recover(handle: RecipeHandle) -> None:
    """Put right what killed processes left of a recipe's files and of DVC's."""
    root = handle.workspace.root
    swept = [path for folder in (root, root / ".graft") for path in sweep(folder, deep=False)]
    dataset = handle.workspace.dataset(handle.load()[0].data.dataset)
    for folder in (
        root / "recipes",
        root / "ledger",
        root / "data" / handle.name,
        handle.registry,
        handle.pages,
        dataset,
    ):
        swept += sweep(folder)
    sweep_pipes()
    if swept:
        _log.warning("took away %d temporary files of processes that are dead", len(swept))
    with dvc_held(root):
        _recover_dvc(root)
        _recover_lockfile(root, handle.name)
        for pointer in handle.registry.glob("*.dvc"):
            _recover_pointer(root, pointer)


def recover_dvc(root: Path) -> None:
    """Put right what keeps DVC from reading and keeping datasets, whichever recipe it was that was killed."""
    with dvc_held(root):
        _recover_dvc(root)


def _recover_dvc(root: Path) -> None:
    sweep(root / ".dvc" / "tmp", deep=False)
    _recover_busy_list(root / ".dvc" / "tmp")
    for pointer in (root / "data" / "datasets").glob("*.dvc"):  # DVC reads all of them, whatever it is asked for
        _recover_pointer(root, pointer)
    for half in (root / ".dvc" / "cache").rglob(".*.tmp"):  # DVC copies under its lock, so its writer is dead
        half.unlink(missing_ok=True)


def _recover_busy_list(folder: Path) -> None:
    """Take dead processes, and other processes that were given their numbers, from DVC's list of who works on what.

    DVC itself takes a dead process off, but not one whose number now is another's; and it refuses a list cut short.
    """
    path = folder / "rwlock"
    with hold(folder / "rwlock.lock", "DVC's list of who works on what", wait=silently):
        if not path.is_file():
            return
        try:
            listed = json.loads(path.read_bytes())
            before = {
                key: {name: lock for name, lock in listed.get(key, {}).items() if lock} for key in ("write", "read")
            }
            write = {name: lock for name, lock in before["write"].items() if _is_dvc(lock["pid"])}
            read = {name: [lock for lock in many if _is_dvc(lock["pid"])] for name, many in before["read"].items()}
        except (ValueError, AttributeError, KeyError, TypeError):
            before, write, read = {}, {}, {}
        after = {"write": write, "read": {name: many for name, many in read.items() if many}}
        if after != before:
            _log.warning("took dead processes from DVC's list of who works on what")
            write_atomic(path, json.dumps({key: value for key, value in after.items() if value}).encode())


def _is_dvc(pid: int) -> bool:
    """Return whether a process is a DVC command; where the system does not show it, DVC's own answer has to do."""
    if not Path("/proc/self").exists():
        return True
    try:
        return any(b"dvc" in Path(f"/proc/{pid}/{file}").read_bytes() for file in ("cmdline", "comm"))
    except (FileNotFoundError, ProcessLookupError):
        return False


def _recover_lockfile(root: Path, name: str) -> None:
    """Put back the stages that are lost or cut short in a recipe's ``dvc.lock``."""
    path, copy = lockfile(root, name)
    found = path.read_bytes() if path.is_file() else b""
    if found and copy.is_file() and found == copy.read_bytes():
        return
    whole = whole_stages(root, path.relative_to(root).as_posix(), copy)
    if whole != _read(found).get("stages"):
        if found or whole:
            _log.warning("put %s back as it was before it was cut short", path.relative_to(root))
        write_atomic(path, lock_text(whole)) if whole else path.unlink(missing_ok=True)


def whole_stages(root: Path, path: str, copy: Path) -> dict[str, Any]:
    """Return what a lock file says of stages; of those lost or cut short, what the last copy says, else the last commit."""
    stages = _read((root / path).read_bytes() if (root / path).is_file() else b"").get("stages") or {}
    committed_stages = _read(committed(root, path)).get("stages") or {}
    committed_stages |= (_read(copy.read_bytes()).get("stages") or {}) if copy.is_file() else {}
    whole = {stage: entry for stage, entry in stages.items() if _is_whole(stage, entry)}
    return whole | {stage: committed_stages[stage] for stage in committed_stages if stage not in whole}


def lock_text(stages: dict[str, Any]) -> bytes:
    """Return a lock file with these stages."""
    return yaml.safe_dump({"schema": "2.0", "stages": stages}, sort_keys=False).encode()


def _read(content: bytes) -> dict[str, Any]:
    """Return what a lock file says; nothing where it cannot be read."""
    try:
        read = yaml.safe_load(content)
    except (yaml.YAMLError, RecursionError):
        return {}
    return read if isinstance(read, dict) and isinstance(read.get("stages"), dict) else {}


def _is_whole(stage: str, entry: Any) -> bool:
    """Return whether an entry of ``dvc.lock`` has all that DVC writes; of a stage that is not Graft's, at least a command."""
    if not isinstance(entry, dict) or not isinstance(entry.get("cmd"), str | list):
        return False
    listed = [entry.get(key) for key in ("deps", "outs")]
    return stage.partition("@")[0] not in STEPS or all(
        isinstance(many, list) and all(isinstance(lock, dict) and lock.keys() >= _OF_A_FILE for lock in many)
        for many in listed
    )


def _recover_pointer(root: Path, pointer: Path) -> None:
    """Put back a pointer file that was cut short as it was committed; without a commit it is taken away, and made again."""
    try:
        content = pointer.read_bytes()
        if content.endswith(f"\n  path: {pointer.stem}\n".encode()):  # the last line that DVC writes; there may be many
            return
        (out,) = yaml.safe_load(content)["outs"]
        whole = out["path"] == pointer.stem
    except FileNotFoundError:
        return
    except (yaml.YAMLError, RecursionError, ValueError, KeyError, TypeError):
        whole = False
    if whole:
        return
    _log.warning("%s was cut short: it is put back, or made again", pointer.relative_to(root))
    before = committed(root, str(pointer.relative_to(root)))
    if before:
        write_atomic(pointer, before)
    else:
        pointer.unlink()


def committed(root: Path, path: str) -> bytes:
    """Return a file as it was last committed; nothing where it was not."""
    try:
        return git(root, "show", f"HEAD:{path}").encode()
    except StepError:
        return b""
