"""Processes that end when the one that started them ends, however it ends: nothing goes on writing behind a dead run.

``python -m graft_tasks.processes.child_process PID MODULE ...`` runs a module so. The flow starts DVC this way and,
where it needs one, its Prefect server; ``graft step`` does the same to itself, for the shell between passes nothing on.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from graft.errors import StepError

STARTED_BY = "GRAFT_STARTED_BY"
"""The process that a step is to end with: the DVC that runs it, whatever shell stands between."""
SERVED = ("graft_tasks.dvc.child", "graft_tasks.commands.drift")
"""Modules whose ``main`` a warm process may run instead."""
_PR_SET_PDEATHSIG = 1


def child_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of this Python in a process that ends with this one."""
    return [sys.executable, "-P", "-m", "graft_tasks.processes.child_process", str(os.getpid()), module, *arguments]


def killed(what: str, status: int) -> StepError | None:
    """Return who was killed by which signal; None where nobody was.

    Args:
        status: how it ended: below 0 by that signal; a shell adds 128 to the signal's number.
    """
    number = -status if status < 0 else status - 128
    if number not in set(signal.Signals):
        return None
    name = signal.Signals(number).name
    perhaps = ", perhaps for want of memory" if name == "SIGKILL" else ""
    return StepError(
        f"{what} was killed by {name}{perhaps}.", do="the same command goes on from here", code="process-killed"
    )


def end_with(pid: int) -> None:
    """Let this process be killed as soon as another, its parent or a parent's parent, has ended."""
    if sys.platform == "linux" and pid == os.getppid():
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if pid != os.getppid():  # it ended before it was asked for
            os.kill(os.getpid(), signal.SIGKILL)
        return
    threading.Thread(target=_watch, args=(pid,), daemon=True).start()


def _watch(pid: int) -> None:
    """Wait for the end of a process that is not this one's child, then end."""
    try:
        if hasattr(os, "pidfd_open"):
            select.select([os.pidfd_open(pid)], [], [])
        else:
            while True:
                os.kill(pid, 0)
                time.sleep(0.5)
    except ProcessLookupError:
        pass
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def stopping_on_sigterm() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does while the block runs: raise KeyboardInterrupt, once."""

    def stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop), signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
            signal.signal(number, handler)


def main(arguments: Sequence[str]) -> None:
    """Run a module as ``python -m`` would, here or in a child of the warm process, and end with the process named first.

    SIGTERM is for the step alone: DVC, which stands around it, ends when it has ended.
    """
    pid, module, *rest = arguments
    end_with(int(pid))
    if module in SERVED:
        from graft_tasks.processes.warm import ask

        ask(module, [module, *rest])
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # what a script starts with & ignores it
    os.environ[STARTED_BY] = str(os.getpid())
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
