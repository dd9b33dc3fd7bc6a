"""Locks that die with their process."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from graft.errors import BusyError

_log = logging.getLogger("graft.lock")
_CUT_OFF = "nobody; the last holder was cut off"
"""What a lock says that nobody holds, while there is still something to put right."""


@contextmanager
def hold(
    path: Path,
    what: str,
    *,
    wait: Callable[[str], None] | None = None,
    do: str = "wait until it has ended",
    recovers: bool = False,
) -> Iterator[bool]:
    """Hold a lock while the block runs; the kernel lets go of it when the process ends, however it ends.

    The file names its holder, to be believed only while the lock is held: of a process that was killed the name stays there.
    Gives whether the holder before did not come to the end of its block: it was killed, or met an error.

    Args:
        what: what is held, as a person calls it.
        wait: wait for another holder instead of leaving; called before the wait with who that is.
        do: what a person can do whose command is refused.
        recovers: the block recovers what a holder left that was cut off; else the next holder hears of it too.

    Raises:
        BusyError: another process holds it and ``wait`` is not given; says which, and since when.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().replace(_CUT_OFF, "").strip() or "unknown"
            if wait is None:
                raise BusyError(f"Another process holds {what}.", where=holder, do=do, code="lock-held") from error
            _log.log(logging.DEBUG if wait is silently else logging.INFO, "waiting for %s, held by %s", what, holder)
            wait(holder)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        was_cut_off = bool(file.read())
        if was_cut_off and recovers:
            _log.warning("the process that held %s before was cut off: what it left is put right", what)
        _say(file, f"process {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
        left = _CUT_OFF
        try:
            yield was_cut_off
            left = _CUT_OFF if was_cut_off and not recovers else ""
        finally:
            _say(file, left)


def _say(file: IO[str], text: str) -> None:
    """Write what a lock says over what it said: at no moment is it empty, which a killed process would leave behind as done."""
    file.seek(0)
    file.write(text)
    file.flush()
    file.truncate()


def holder(path: Path) -> str:
    """Return which process holds a lock and since when; empty where none does. The lock itself is not touched.

    What a lock file says outlives its process. So the kernel's own list counts where the system shows it; else whether a
    process of that number lives.
    """
    try:
        content, number = path.read_text(encoding="utf-8"), path.stat().st_ino
    except (FileNotFoundError, UnicodeDecodeError):
        return ""
    process = content.removeprefix("process ").partition(",")[0]
    if not process.isdecimal():
        return ""
    listed = Path("/proc/locks")
    if listed.is_file():
        held = {
            (fields[4], fields[5].rpartition(":")[2])
            for line in listed.read_text().splitlines()
            if (fields := line.split())
        }
        return content if (process, str(number)) in held else ""
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, PermissionError, OverflowError):
        return ""
    return content


def silently(_holder: str) -> None:
    """Wait for a lock without a word: it is held for moments."""
