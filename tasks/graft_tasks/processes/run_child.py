"""Starts a module of Graft's in a process of its own, and collects its events, what it printed and how it ended."""

from __future__ import annotations

import os
import selectors
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from graft.errors import GraftError, StepError
from graft_tasks.processes.child_process import child_command, killed
from graft_tasks.processes.environment import environment
from graft_tasks.processes.events import Event, EventPipe, Failed, Output


@dataclass(frozen=True)
class Ended:
    """What a child sent and printed until it ended."""

    what: str
    returncode: int
    events: Sequence[Event]
    out: str
    errors: str

    @property
    def error(self) -> GraftError:
        """Why it failed: the error that it sent, else the signal that killed it, else the last line that it printed."""
        last = last_line(self.errors or self.out)
        for event in self.events:
            if isinstance(event, Failed):
                error = event.error()
                return error if error.where or error.do else type(error)(error.what, where=last, code=error.code)
        return killed(self.what, self.returncode) or StepError(f"{self.what} failed.", where=last)


def last_line(text: str) -> str:
    """Return the last line of a text that is not blank."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")


def run_child(root: Path, what: str, module: str, *arguments: str, variables: Mapping[str, str] | None = None) -> Ended:
    """Run a module of ours in a process of its own, in a workspace's folder, and return what came of it.

    Args:
        what: what it is called in an error.
        variables: what it finds in its environment besides.
    """
    command = child_command(module, *arguments)
    with EventPipe() as pipe:
        there = environment() | pipe.variables | dict(variables or {})
        done = subprocess.run(
            command, cwd=root, env=there, capture_output=True, text=True, errors="replace", check=False
        )
        return Ended(what, done.returncode, pipe.read(), done.stdout, done.stderr)


def follow(process: subprocess.Popen[bytes], pipe: EventPipe, on_event: Callable[[Event], None]) -> None:
    """Call ``on_event`` with each event and each line of a process as they come, until it has closed its standard output."""
    assert process.stdout is not None  # noqa: S101 - it was asked for
    half = b""
    with selectors.DefaultSelector() as waiting:
        waiting.register(pipe, selectors.EVENT_READ)
        waiting.register(process.stdout, selectors.EVENT_READ)
        is_open = True
        while is_open:
            ready = {key.fileobj for key, _ in waiting.select()}
            for event in pipe.read() if pipe in ready else ():
                on_event(event)
            if process.stdout in ready:
                block = os.read(process.stdout.fileno(), 1 << 16)
                *lines, half = (half + block).split(b"\n")
                is_open = bool(block)
                lines += [half] if half and not is_open else []
                for line in lines:
                    on_event(Output(line.decode(errors="replace")))
    for event in pipe.read():
        on_event(event)
