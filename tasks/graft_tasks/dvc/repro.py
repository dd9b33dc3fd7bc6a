"""Speaks to DVC and git, each in a process of its own: both want to own the current directory."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import time
from ast import literal_eval
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

import yaml

from graft.errors import BusyError, GraftError, InputError, ResourceError, StepError, TamperError
from graft.records import write_atomic
from graft_tasks.processes.child_process import child_command
from graft_tasks.processes.environment import environment
from graft_tasks.processes.locks import hold, silently

_NOT_COPIED, _NO_ROOM = "failed to transfer", "[Errno 28]"
_LOCKED = "Unable to acquire lock", "is busy, it is being blocked by"
_EXITED = re.compile(r"exited with (-?\d+)$")
STOPPING = "stopping"
"""What is said of a step, instead of a line of its own, that a person has stopped and that has not ended yet."""
_PATIENCE_S = 5.0
"""How long a git command of somebody else may take."""
_KINDS = (InputError, StepError, ResourceError, BusyError, TamperError)
_ERRORS: dict[str, type[GraftError]] = {kind.__name__: kind for kind in _KINDS}


def dvc(root: Path, *arguments: str) -> str:
    """Run a DVC command in a workspace, after whichever DVC command runs there, and return what it printed.

    What DVC could not copy it names in a line alone, which ``--quiet`` would hide, and then ends as if all were well.

    Raises:
        BusyError: another DVC command works on the same files.
        StepError: it failed, or could not copy a file; the last line says why.
    """
    command = child_command("dvc", "--wait-for-lock", *arguments)
    done = subprocess.run(command, cwd=root, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode or _NOT_COPIED in done.stderr:
        for half in (root / ".dvc" / "cache").rglob(".*.tmp") if _NO_ROOM in done.stderr else ():
            half.unlink(missing_ok=True)
        raise dvc_error(arguments, done.stdout + done.stderr, done.returncode)
    return done.stdout


def run_module(root: Path, module: str, *arguments: str) -> None:
    """Run a module of ours in a process of its own, in a workspace's folder.

    Raises:
        StepError: it failed; the last line that it printed says why.
    """
    command = child_command(module, *arguments)
    done = subprocess.run(command, cwd=root, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise _killed(module, done.returncode) or _failed(module, done.stderr)


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


def reproduce(root: Path, step: str, recipe: str, line: Callable[[str], None]) -> None:
    """Reproduce one stage, calling ``line`` with each line that the step writes while it runs.

    A step that has finished waits for any DVC command that runs then: DVC would else throw away what was made. What stops this
    process, Ctrl-C or a signal to it alone, is passed on to the step, once: it is waited for, since it may have to write where it
    stands. A second Ctrl-C waits for nothing: the step is killed.

    Raises:
        InputError, StepError: as the step itself said; its own words are kept. Or it was killed.
        BusyError: another DVC command works on the same files.
        KeyboardInterrupt: a person stopped it; ``line`` was called with ``STOPPING``.
    """
    command = child_command("dvc", "--wait-for-lock", "repro", "--single-item", stage(root, recipe, step))
    said = []
    with subprocess.Popen(
        command, cwd=root, env=environment(), process_group=0,  # Ctrl-C of a terminal goes to this process alone
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None  # noqa: S101 - it was asked for
        try:
            for text in process.stdout:
                said.append(text.rstrip("\n"))
                line(said[-1])
        except BaseException:  # KeyboardInterrupt, or what Prefect raises when a worker cancels
            with suppress(ProcessLookupError):  # it has just ended
                os.killpg(process.pid, signal.SIGINT)
            line(STOPPING)
            process.communicate()
            raise
    if process.returncode or any(_NOT_COPIED in text for text in said):
        raise _step_error(step, said, process.returncode)
    keep_lockfile(root, recipe)


def _step_error(step: str, said: list[str], returncode: int) -> GraftError:
    """Return the error that a step printed, as it printed it; else what killed it; else DVC's own."""
    starts = [i for i, text in enumerate(said) if text.startswith("error: ")]
    if not starts:
        ended = [int(found[1]) for text in said if (found := _EXITED.search(text))]
        return _killed(step, ended[-1] if ended else 0) or dvc_error(["repro", step], "\n".join(said), returncode)
    at = starts[-1]
    parts = {key: text[9:] for text in said[at + 1 : at + 5] for key in ("where", "do") if text.startswith(f"  {key}")}
    kind = next((_ERRORS[t[9:]] for t in said[at:] if t.startswith("  kind   ") and t[9:] in _ERRORS), StepError)
    return kind(said[at].removeprefix("error: "), where=parts.get("where", ""), do=parts.get("do", ""))


def _killed(what: str, returncode: int) -> StepError | None:
    """Return who was killed by which signal; None where nobody was. A shell adds 128 to the signal's number."""
    number = -returncode if returncode < 0 else returncode - 128
    if number not in set(signal.Signals):
        return None
    name = signal.Signals(number).name
    perhaps = ", perhaps for want of memory" if name == "SIGKILL" else ""
    return StepError(f"{what} was killed by {name}{perhaps}.", do="the same command goes on from here")


def dvc_error(arguments: Sequence[str], output: str, returncode: int = 1) -> GraftError:
    """Return what a failed DVC command means."""
    if killed := _killed(f"dvc {' '.join(arguments)}", returncode):
        return killed
    if any(said in output for said in _LOCKED):
        return BusyError("Another DVC command holds the workspace.", do="wait until it has ended")
    return _failed(f"dvc {' '.join(arguments)}", output)


def _failed(command: str, output: str) -> StepError:
    """Return what the last lines of a command say."""
    lines = [text for text in output.strip().splitlines() if text.strip()]
    if _NO_ROOM in output:
        return StepError("The disk is full.", where=command, do="make room, then the same command again")
    last = next(
        (text for text in reversed(lines) if text.startswith("ERROR")), lines[-1] if lines else "it said nothing"
    )
    return StepError(f"{command} failed.", where=last.removeprefix("ERROR: "))


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
            do = "make room, then the same command again"
            raise StepError("The disk is full.", where=f"git {arguments[0]}", do=do)
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
        hold(root / ".graft" / "locks" / "git", "the workspace's git", wait=silently, mends=True) as was_cut_off,
        dvc_held(root) if any((root / path / "dvc.lock").is_file() for path in paths) else nullcontext(),
    ):
        refused = _commit(root, message, paths, ours=was_cut_off)
    if refused:  # raised here: who was refused was not cut off, and left no lock
        raise refused


def _commit(root: Path, message: str, paths: Sequence[str], *, ours: bool) -> GraftError | None:
    try:
        _wait_for_index(root, ours=ours)
        there = [path for path in paths if (root / path).exists() or git(root, "ls-files", "--", path)]
        if not there:
            return None
        git(root, "add", "--", *there)
        if git(root, "diff", "--cached", "--name-only", "--", *there):
            author = [] if _has_author(root) else ["-c", "user.name=graft", "-c", "user.email=graft@localhost"]
            try:
                git(root, *author, "commit", "--quiet", "--message", message, "--", *there)
            except StepError:
                git(root, "reset", "--quiet", "--", *there)
                raise
    except GraftError as error:
        return error
    return None


def _wait_for_index(root: Path, *, ours: bool) -> None:
    """Wait for a git command that is not ours; take away what a git of ours left that was cut off."""
    lock = root / git(root, "rev-parse", "--git-path", "index.lock").strip()
    until = time.monotonic() + _PATIENCE_S
    while lock.exists() and time.monotonic() < until:
        time.sleep(0.1)
    if ours:
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
