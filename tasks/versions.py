"""Speaks to DVC and git, each in a process of its own: both want to own the current directory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from graft.errors import BusyError, GraftError, InputError, StepError, TamperError

QUIET = {
    "DVC_NO_ANALYTICS": "1",
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "TOKENIZERS_PARALLELISM": "false",
}
"""Telemetry of every dependency off, and no hub asked, here and in every process started from here."""
_NOT_COPIED, _NO_ROOM = "failed to transfer", "[Errno 28]"
_LOCKED = "Unable to acquire lock"
_ERRORS: dict[str, type[GraftError]] = {kind.__name__: kind for kind in (InputError, StepError, BusyError, TamperError)}


def environment() -> dict[str, str]:
    """Return the environment for DVC and its steps: this Python's commands first, telemetry off."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, **QUIET, "PATH": path}


def dvc(root: Path, *arguments: str) -> str:
    """Run a DVC command in a workspace and return what it printed.

    What DVC could not copy it names in a line alone, which ``--quiet`` would hide, and then ends as if all were well.

    Raises:
        BusyError: another DVC command holds the repository.
        StepError: it failed, or could not copy a file; the last line says why.
    """
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=root, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode or _NOT_COPIED in done.stderr:
        for half in (root / ".dvc" / "cache").rglob(".*.tmp") if _NO_ROOM in done.stderr else ():
            half.unlink(missing_ok=True)
        raise dvc_error(arguments, done.stdout + done.stderr)
    return done.stdout


def reproduce(root: Path, step: str, recipe: str, line: Callable[[str], None]) -> None:
    """Reproduce one stage, calling ``line`` with each line that the step writes while it runs.

    Raises:
        InputError, StepError: as the step itself said; its own words are kept.
        BusyError: another DVC command holds the repository.
    """
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", f"{step}@{recipe}"]
    said = []
    with subprocess.Popen(
        command, cwd=root, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        for text in process.stdout:
            said.append(text.rstrip("\n"))
            line(said[-1])
    if process.returncode or any(_NOT_COPIED in text for text in said):
        raise _step_error(step, said)


def _step_error(step: str, said: list[str]) -> GraftError:
    """Return the error that a step printed, as it printed it; else DVC's own."""
    starts = [i for i, text in enumerate(said) if text.startswith("error: ")]
    if not starts:
        return dvc_error(["repro", step], "\n".join(said))
    at = starts[-1]
    parts = {key: text[9:] for text in said[at + 1 : at + 5] for key in ("where", "do") if text.startswith(f"  {key}")}
    kind = next((_ERRORS[t[9:]] for t in said[at:] if t.startswith("  kind   ") and t[9:] in _ERRORS), StepError)
    return kind(said[at].removeprefix("error: "), where=parts.get("where", ""), do=parts.get("do", ""))


def dvc_error(arguments: Sequence[str], output: str) -> GraftError:
    """Return what a failed DVC command means."""
    lines = [text for text in output.strip().splitlines() if text.strip()]
    if _LOCKED in output:
        return BusyError("Another DVC command holds the workspace.", do="wait until it has ended")
    if _NO_ROOM in output:
        return StepError(
            "The disk is full.", where=f"dvc {' '.join(arguments)}", do="make room, then the same command again"
        )
    last = next(
        (text for text in reversed(lines) if text.startswith("ERROR")), lines[-1] if lines else "it said nothing"
    )
    return StepError(f"dvc {' '.join(arguments)} failed.", where=last.removeprefix("ERROR: "))


def git(root: Path, *arguments: str) -> str:
    """Run a git command in a workspace and return what it printed.

    Raises:
        StepError: it failed.
    """
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise StepError(f"git {arguments[0]} failed.", where=lines[-1] if lines else "")
    return done.stdout


def commit(root: Path, message: str, paths: Sequence[str]) -> None:
    """Commit just these paths if they changed; whatever else is changed or staged stays as it is."""
    there = [path for path in paths if (root / path).exists() or git(root, "ls-files", "--", path)]
    git(root, "add", "--", *there)
    if git(root, "diff", "--cached", "--name-only", "--", *there):
        author = [] if _has_author(root) else ["-c", "user.name=graft", "-c", "user.email=graft@localhost"]
        try:
            git(root, *author, "commit", "--quiet", "--message", message, "--", *there)
        except StepError:
            git(root, "reset", "--quiet", "--", *there)
            raise


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
