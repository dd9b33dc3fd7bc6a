"""Speaks to DVC and git, each in a process of its own: both want to own the current directory."""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import subprocess
import time
from ast import literal_eval
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

import yaml

from graft.errors import BusyError, GraftError, StepError
from graft.records import write_atomic
from graft_tasks.processes.child_process import child_command
from graft_tasks.processes.disk import disk_full
from graft_tasks.processes.environment import environment
from graft_tasks.processes.events import Effect, Event, EventPipe, Failed, Finished, Log, Output
from graft_tasks.processes.locks import hold, silently
from graft_tasks.processes.logs import bound, relay
from graft_tasks.processes.run_child import Ended, follow, run_child

_log = logging.getLogger("graft.dvc")
DVC = "graft_tasks.dvc.child"
MUTE = "--mute"
"""Before a command of DVC's: nothing of its own is printed, so that what is read is what a stage prints."""
_PATIENCE_S = 5.0
"""How long a git command of somebody else may take."""


def dvc(root: Path, *arguments: str) -> str:
    """Run a DVC command in a workspace, after whichever DVC command runs there, and return what it printed.

    Raises:
        GraftError: what its exception means, as ``graft_tasks.dvc.errors`` knows it: BusyError where another command works on the
            same files, InputError where stages contradict one another.
        StepError: it failed for another reason, or could not copy a file, after which DVC ends as if all were well.
    """
    ended = run_dvc(root, *arguments)
    if ended.returncode:
        raise ended.error
    return ended.out


def run_dvc(root: Path, *arguments: str, variables: Mapping[str, str] | None = None) -> Ended:
    """Run a DVC command in a workspace, after whichever runs there, and return what it sent and printed, and how it ended."""
    return run_child(root, f"dvc {' '.join(arguments)}", DVC, "--wait-for-lock", *arguments, variables=variables)


def run_module(root: Path, module: str, *arguments: str) -> None:
    """Run a module of ours in a process of its own, in a workspace's folder.

    Raises:
        GraftError: as it was raised there.
        StepError: it failed otherwise; the last line that it printed says why.
    """
    ended = run_child(root, module, module, *arguments)
    if ended.returncode:
        raise ended.error


def keep(root: Path, path: str) -> None:
    """Have DVC keep a folder as it lies there, with a pointer beside it.

    As ``dvc add`` does, which reads every stage and pointer of the workspace to see that no other makes this folder.

    Raises:
        BusyError, StepError: as ``dvc`` does.
    """
    pointer = root / f"{path}.dvc"
    if not pointer.exists():
        out = {"md5": f"{0:032x}.dir", "size": 0, "nfiles": 0, "hash": "md5", "path": Path(path).name}
        write_atomic(pointer, yaml.safe_dump({"outs": [out]}, sort_keys=False).encode())
    dvc(root, "commit", "--force", f"{path}.dvc")


def dvc_held(root: Path) -> AbstractContextManager[bool]:
    """Hold the lock that every DVC command takes while it reads and writes; steps run outside it."""
    return hold(root / ".dvc" / "tmp" / "lock", "the workspace's DVC", wait=silently)


def reproduce(root: Path, step: str, recipe: str, on_event: Callable[[Event], None]) -> None:
    """Reproduce one stage, calling ``on_event`` with what the step sends and prints while it runs; at its end with ``Finished``.

    A step that has finished waits for any DVC command that runs then: DVC would else throw away what was made. What stops this
    process, Ctrl-C or a signal to it alone, is passed on to the step, once: it is waited for, since it may have to write where it
    stands. A second Ctrl-C waits for nothing: the step is killed.

    Raises:
        GraftError: as the step itself raised it, or DVC's exception means it.
        StepError: it was killed, or failed for a reason that was not sent.
        KeyboardInterrupt: a person stopped it; ``on_event`` was called with the effect ``stopping``.
    """
    command = child_command(DVC, MUTE, "--wait-for-lock", "repro", "--single-item", stage(root, recipe, step))
    events: list[Event] = []
    last = ""

    def pass_on(event: Event) -> None:
        nonlocal last
        if isinstance(event, Log):
            relay(event)
            return
        if isinstance(event, Output):
            last = event.line.strip() or last
        elif isinstance(event, Failed | Finished):
            events.append(event)
        on_event(event)

    with (
        bound(recipe=recipe, step=step),
        EventPipe() as pipe,
        subprocess.Popen(
            command, cwd=root, env=environment() | pipe.variables,
            process_group=0,  # Ctrl-C of a terminal goes to this process alone
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as process,
    ):  # fmt: skip
        try:
            follow(process, pipe, pass_on)
            process.wait()
        except BaseException:  # KeyboardInterrupt, or what Prefect raises when a worker cancels
            with suppress(ProcessLookupError):  # it has just ended
                os.killpg(process.pid, signal.SIGINT)
            _log.warning("stopped from outside: waiting for the step to end")
            on_event(Effect(step, "stopping", "at the end of what it does; Ctrl-C again: at once"))
            follow(process, pipe, pass_on)
            raise
        if process.returncode:
            error = Ended(f"dvc repro {step}", process.returncode, events, last, "").error
            _log.error("failed: %s, DVC's exit status %d", type(error).__name__, process.returncode)
            raise error
        keep_lockfile(root, recipe)
        if not any(isinstance(event, Finished) for event in events):
            _log.info("as before: nothing that it depends on has changed")
            on_event(Finished(step, "", reused=True))


def stage(root: Path, recipe: str, step: str) -> str:
    """Return how DVC is asked for a recipe's stage; before the recipe has a file of its own, for that in the file of all."""
    return f"data/{recipe}/dvc.yaml:{step}" if (root / "data" / recipe / "dvc.yaml").is_file() else f"{step}@{recipe}"


def lockfile(root: Path, recipe: str) -> tuple[Path, Path]:
    """Return a recipe's ``dvc.lock``, and the copy that is made of it between two DVC commands."""
    return root / "data" / recipe / "dvc.lock", root / ".graft" / "dvc" / f"{recipe}.lock"


def keep_lockfile(root: Path, recipe: str) -> None:
    """Keep a copy of a ``dvc.lock`` as it is between two DVC commands: DVC writes it in place, and may be killed there."""
    path, copy = lockfile(root, recipe)
    with dvc_held(root):
        write_atomic(copy, path.read_bytes())


def git(root: Path, *arguments: str) -> str:
    """Run a git command in a workspace and return what it printed.

    Raises:
        StepError: it failed.
    """
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        if "No space left on device" in done.stderr:
            raise disk_full(f"git {arguments[0]}")
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise StepError(f"git {arguments[0]} failed.", where=lines[-1] if lines else "")
    return done.stdout


def in_head(root: Path, *paths: str) -> dict[str, str]:
    """Return what the last commit holds below some paths: the object id of each file by its path in the workspace.

    Raises:
        StepError: there is no commit, or git refuses.
    """
    listed = git(root, "-c", "core.quotePath=true", "ls-tree", "-r", "HEAD", "--", *paths)
    return {unquoted(name): kind.split()[2] for kind, name in (line.split("\t", 1) for line in listed.splitlines())}


def unquoted(name: str) -> str:
    """Return a file's name as git writes it where it has characters beyond ASCII, or such as ``"``."""
    return os.fsdecode(literal_eval(f"b{name}")) if name.startswith('"') else name


def is_blob(content: bytes, object_id: str) -> bool:
    """Return whether git gives a file of these bytes that object id. It serves as a witness, beside signatures over sha256."""
    kind = hashlib.sha256 if len(object_id) == 64 else hashlib.sha1
    found = kind(b"blob %d\0" % len(content), usedforsecurity=False)
    found.update(content)
    return found.hexdigest() == object_id


def commit(root: Path, message: str, paths: Sequence[str]) -> None:
    """Commit just these paths if they changed; whatever else is changed or staged stays as it is.

    Commits of several runs come one after the other, and DVC is kept from writing ``dvc.lock`` meanwhile.

    Raises:
        BusyError: another git command holds the index, or was killed and has left its lock.
        StepError: git refused.
    """
    with (
        hold(root / ".graft" / "locks" / "git", "the workspace's git", wait=silently, recovers=True) as was_cut_off,
        dvc_held(root) if any((root / path / "dvc.lock").is_file() for path in paths) else nullcontext(),
    ):
        refused = _commit(root, message, paths, is_own=was_cut_off)
    if refused:  # raised here: who was refused was not cut off, and left no lock
        raise refused


def _commit(root: Path, message: str, paths: Sequence[str], *, is_own: bool) -> GraftError | None:
    try:
        _wait_for_index(root, is_own=is_own)
        present = [path for path in paths if (root / path).exists() or git(root, "ls-files", "--", path)]
        if not present:
            return None
        git(root, "add", "--", *present)
        if git(root, "diff", "--cached", "--name-only", "--", *present):
            author = [] if _has_author(root) else ["-c", "user.name=graft", "-c", "user.email=graft@localhost"]
            try:
                git(root, *author, "commit", "--quiet", "--message", message, "--", *present)
            except StepError:
                git(root, "reset", "--quiet", "--", *present)
                raise
    except GraftError as error:
        return error
    return None


def _wait_for_index(root: Path, *, is_own: bool) -> None:
    """Wait for a git command that is not ours; take away what a git of ours left that was cut off."""
    lock = root / git(root, "rev-parse", "--git-path", "index.lock").strip()
    until = time.monotonic() + _PATIENCE_S
    while lock.exists() and time.monotonic() < until:
        time.sleep(0.1)
    if is_own:
        lock.unlink(missing_ok=True)
    elif lock.exists():
        raise BusyError(
            "Another git command works in this workspace, or was killed there.",
            where=str(lock),
            do="if none is running, delete that file; then the same command again",
        )


def _has_author(root: Path) -> bool:
    try:
        return bool(git(root, "config", "user.email").strip())
    except StepError:
        return False


def whoami(root: Path) -> str:
    """Return who acts, as git knows it, else the user's name."""
    try:
        return git(root, "config", "user.name").strip()
    except StepError:
        return os.environ.get("USER") or "unknown"
