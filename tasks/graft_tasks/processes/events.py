"""What a step, or DVC around it, reports to the process that started it: one event a line, as JSON, through a named pipe.

The pipe's path stands in the environment, so every process below finds it whatever stands between: DVC closes all inherited files
before it runs a stage, and a shell passes on what it likes. Standard output and error are left to whatever prints. Where nobody
listens, as under a plain ``dvc repro``, nothing is sent and nobody waits.
"""

from __future__ import annotations

import errno
import json
import os
import select
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from graft import errors
from graft.errors import GraftError, StepError
from graft_tasks.processes.disk import from_disk

EVENTS = "GRAFT_EVENTS"
"""Names the pipe of whoever listens."""
_PATIENCE_S = 10.0
"""How long a full pipe is waited for: a listener that reads nothing so long does not listen any more."""
_LONGEST = 1 << 22
_PREFIX, _OLD_S = "graft-events-", 60.0
"""Of the folder of a pipe, and how long one is left alone: its listener opens it right after it is made."""


@dataclass(frozen=True)
class Started:
    """A step has begun, in this process."""

    step: str
    pid: int


@dataclass(frozen=True)
class Progress:
    """How much of how much is done; a total of 0 is unknown."""

    done: int
    total: int
    note: str


@dataclass(frozen=True)
class Effect:
    """Something happened beside the steps: a promotion, a stop that was asked for."""

    name: str
    outcome: str
    detail: str


@dataclass(frozen=True)
class Lost:
    """DVC could not transfer an object, named by its md5, for a reason of that object's own: it is absent, or damaged."""

    md5: str


@dataclass(frozen=True)
class Failed:
    """An error, whole: ``kind`` is its class in ``graft.errors``."""

    kind: str
    what: str
    where: str
    do: str
    exit_code: int
    code: str

    @classmethod
    def of(cls, error: GraftError | OSError) -> Failed:
        """Return an error as an event; what the operating system refused becomes the sentence that a person is shown."""
        if isinstance(error, OSError):
            error = from_disk(error) or StepError(f"{os.strerror(error.errno or 0)}.", where=str(error.filename or ""))
        return cls(type(error).__name__, error.what, error.where, error.do, error.exit_code, error.code)

    def error(self) -> GraftError:
        """Return the error, of its class; of one that is unknown here, a StepError."""
        kind = getattr(errors, self.kind, StepError)
        known = isinstance(kind, type) and issubclass(kind, GraftError)
        return (kind if known else StepError)(self.what, where=self.where, do=self.do, code=self.code)


@dataclass(frozen=True)
class Finished:
    """A step has come to its end. ``record`` is the sha256 of its record; empty where it was ``reused``: nothing had changed."""

    step: str
    record: str
    reused: bool


@dataclass(frozen=True)
class Log:
    """A record of a logger, as it was worded in the process that logged it."""

    level: int
    logger: str
    message: str


@dataclass(frozen=True)
class Output:
    """A line that somebody printed. It is never sent: the listener makes it from what it reads on standard output."""

    line: str


Event = Started | Progress | Effect | Lost | Failed | Finished | Log | Output
_KINDS = {kind.__name__.lower(): kind for kind in (Started, Progress, Effect, Lost, Failed, Finished, Log)}


def emit(event: Event) -> None:
    """Send an event to whoever listens; return at once where nobody does, or does any more."""
    if EVENTS not in os.environ:
        return
    line = json.dumps({"event": type(event).__name__.lower(), **asdict(event)})
    # A writer that was killed may have left half a line: each line begins with the end of the one before.
    rest = f"\n{line}\n".encode("ascii")
    try:
        pipe = os.open(os.environ[EVENTS], os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # it is gone, or nobody reads it
        return
    try:
        until = time.monotonic() + _PATIENCE_S
        while rest and _is_ready(pipe, select.POLLOUT, until - time.monotonic()):
            rest = rest[_written(pipe, rest) :]
    except OSError:  # the listener has ended
        return
    finally:
        os.close(pipe)


def _is_ready(pipe: int, what: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(pipe, what)
    return bool(poll.poll(max(0.0, seconds * 1000)))


def _written(pipe: int, rest: bytes) -> int:
    try:
        return os.write(pipe, rest)
    except BlockingIOError:  # there is room, and less than a line's: short lines are written whole or not at all
        time.sleep(0.01)
        return 0


@contextmanager
def failures_sent() -> Iterator[None]:
    """Send an error that ends the block to whoever listens; it is raised again."""
    try:
        yield
    except (GraftError, OSError) as error:
        emit(Failed.of(error))
        raise


def read(line: bytes) -> Event | None:
    """Return the event that a line holds; None where it holds none."""
    try:
        values = json.loads(line)
        kind = _KINDS[values.pop("event")]
        event = kind(**values)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    types = {"str": str, "int": int, "bool": bool}
    return event if all(type(getattr(event, field.name)) is types[str(field.type)] for field in fields(event)) else None


def sweep_pipes() -> int:
    """Take away the pipes of listeners that were killed, and return how many there were."""
    n_swept = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            status = folder.lstat()
            if (
                not stat.S_ISDIR(status.st_mode)
                or status.st_uid != os.getuid()
                or time.time() - status.st_mtime < _OLD_S
            ):
                continue
            os.close(os.open(folder / "pipe", os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW))
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno == errno.ENXIO:  # nobody reads it
                (folder / "pipe").unlink(missing_ok=True)
                folder.rmdir()
                n_swept += 1
    return n_swept


class EventPipe:
    """A named pipe through which the processes below send events, in a folder of its owner's alone.

    ``variables`` is what they need in their environment.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX)
        path = Path(self._folder.name) / "pipe"
        os.mkfifo(path, 0o600)
        self.variables = {EVENTS: str(path)}
        self._reads = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._writes = os.open(path, os.O_WRONLY)  # while one writer is there, the pipe has no end
        self._half = b""

    def __enter__(self) -> EventPipe:
        """Listen."""
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no more."""
        os.close(self._reads)
        os.close(self._writes)
        self._folder.cleanup()

    def fileno(self) -> int:
        """Return the file to wait at for events."""
        return self._reads

    def read(self) -> list[Event]:
        """Return the events that have come, without waiting for any."""
        content = self._half
        while _is_ready(self._reads, select.POLLIN, 0.0) and len(content) < _LONGEST:
            content += os.read(self._reads, 1 << 16)
        *lines, self._half = content.split(b"\n")
        if len(self._half) >= _LONGEST:
            self._half = b""
        return [event for line in lines if (event := read(line)) is not None]
