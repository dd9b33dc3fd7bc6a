"""Runs a DVC command in this process, which is one of its own, and reports to the process that started it why it failed.

DVC words its errors for people, and its commands log them: with the exception itself, which is taken here by its class. So
nothing that DVC says is read, and a command fails whenever an error was logged, also where DVC ends as if all were well.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path

from dvc import cli
from dvc.stage import run
from dvc.stage.exceptions import StageCmdFailedError

from graft.errors import StepError
from graft_tasks.dvc.errors import causes, meaning, words
from graft_tasks.dvc.repro import MUTE
from graft_tasks.processes.child_process import killed
from graft_tasks.processes.events import Failed, Lost, emit

_LOGGERS = ("dvc", "dvc_data", "dvc_objects")
_TRANSFERS = "dvc_data.hashfile.transfer"
_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")
_ASK_A_REMOTE = {"fetch", "pull", "push"}


class _CommandFailedError(StageCmdFailedError):  # type: ignore[misc] # DVC has no types
    """DVC's error of a stage whose command failed, with its exit status, which DVC's own has in a sentence alone."""

    def __init__(self, cmd: str, status: int = 1) -> None:
        super().__init__(cmd, status)
        self.status = status


class _Caught(logging.Handler):
    """Keeps each exception that is logged as an error; of an object that was not transferred, also its md5."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[tuple[BaseException, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1]:
            named = record.args if record.name == _TRANSFERS and isinstance(record.args, tuple) else ()
            md5 = next((str(one) for one in named if _MD5.fullmatch(str(one))), "")
            self.errors.append((record.exc_info[1], md5))


def main() -> int:
    """Do what the command line says, as ``dvc`` does; return 0, or DVC's exit status, or 1 where it logged an error.

    After ``MUTE`` nothing of DVC's is printed: what comes from its standard output is what a stage prints.
    """
    arguments, caught, cache = sys.argv[1:], _Caught(), Path.cwd() / ".dvc" / "cache"
    is_mute = arguments[0] == MUTE
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [caught] if is_mute else [*logger.handlers, caught]
    run.StageCmdFailedError = _CommandFailedError
    if is_mute:
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            status = cli.main(arguments := arguments[1:])
    else:
        status = cli.main(arguments)
    if status or caught.errors:
        _send_failure(arguments, caught.errors)
        for half in cache.rglob(".*.tmp") if _is_full(caught.errors) else ():
            half.unlink(missing_ok=True)
    return status or int(bool(caught.errors))


def _is_full(errors: list[tuple[BaseException, str]]) -> bool:
    met = [cause for error, _ in errors for cause in causes(error)]
    return any(isinstance(one, OSError) and one.errno in (errno.ENOSPC, errno.EDQUOT) for one in met)


def _send_failure(arguments: list[str], errors: list[tuple[BaseException, str]]) -> None:
    """Send why the command failed, if that is known; else print it, for whoever reads the last line."""
    of_remote = bool(_ASK_A_REMOTE.intersection(arguments)) or "--cloud" in arguments
    for error, _ in errors:
        for cause in causes(error):
            if isinstance(cause, _CommandFailedError):
                step = arguments[-1].rpartition(":")[2].partition("@")[0]
                ended = StepError(f"{step} ended with exit status {cause.status}.")
                emit(Failed.of(killed(step, cause.status) or ended))
                return
        if known := meaning(error, of_remote=of_remote):
            emit(Failed.of(known))
            return
    for md5 in sorted({md5 for _, md5 in errors if md5}):
        emit(Lost(md5))
    for error, _ in errors[-1:]:
        print(": ".join(words(cause) for cause in causes(error)), file=sys.stderr)  # noqa: T201 - to be read by a person


if __name__ == "__main__":
    sys.exit(main())
