"""What an operator wants to know afterwards, by Python's ``logging``: loggers below ``graft``, with run, recipe and step.

A run writes its records to a file of its own, ``.graft/logs/RECIPE/TIME-PID.jsonl``; a terminal shows them where ``GRAFT_LOG``
asks for a level, as JSON where ``GRAFT_LOG_FORMAT`` is ``json``. What a step logs is sent to the run, as all its events are.

A record holds no row and no secret: an error is logged by its class and by where in the code it was raised, for its words may
quote a cell, and they are on the terminal already.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path

from graft.errors import InputError
from graft_tasks.processes.events import EVENTS, Log, emit
from graft_tasks.processes.secret import without_secrets

LEVEL, FORMAT = "GRAFT_LOG", "GRAFT_LOG_FORMAT"
"""What of the environment says which records a terminal shows, and how."""
MAX_FILES = 50
"""Log files of a recipe; older ones are deleted."""
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_LONGEST = 2000
_bound: dict[str, ContextVar[str]] = {name: ContextVar(name, default="") for name in ("run", "recipe", "step")}


@contextmanager
def bound(**values: str) -> Iterator[None]:
    """Let every record of the block name a ``run``, a ``recipe`` or a ``step``."""
    before = {name: _bound[name].set(value) for name, value in values.items()}
    try:
        yield
    finally:
        for name, token in before.items():
            _bound[name].reset(token)


def configure() -> None:
    """Send the records of this process where they belong: to the run that listens, else to the terminal where that is asked for.

    Raises:
        InputError: the environment asks for what is no level, or no format.
    """
    asked = os.environ.get(LEVEL, "").lower() or ("info" if os.environ.get(FORMAT) else "")
    if asked and asked not in _LEVELS:
        raise InputError(f"{LEVEL} is no level: {asked!r}.", do=f"one of {', '.join(_LEVELS)}")
    if os.environ.get(FORMAT, "text") not in ("text", "json", ""):
        raise InputError(f"{FORMAT} is no format: {os.environ[FORMAT]!r}.", do="text or json")
    logger = logging.getLogger("graft")
    for handler in [handler for handler in logger.handlers if isinstance(handler, _EventHandler | _TerminalHandler)]:
        logger.removeHandler(handler)
    logger.propagate = False  # what libraries set up at the root is for themselves
    logger.setLevel(min(logging.INFO, _LEVELS.get(asked, logging.INFO)))
    if EVENTS in os.environ:
        logger.addHandler(_EventHandler())
    elif asked:
        logger.addHandler(
            _TerminalHandler(_LEVELS[asked], json.dumps if os.environ.get(FORMAT) == "json" else _as_text)
        )


@contextmanager
def run_log(folder: Path, recipe: str) -> Iterator[None]:
    """Write what is logged in the block to a file of a run's own in a folder, made when there is something to write.

    Within such a block for the same recipe, nothing is added: the run is that one.
    """
    if _bound["run"].get() and _bound["recipe"].get() == recipe:
        yield
        return
    configure()
    run = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}"
    file, logger = _FileHandler(folder / f"{run}.jsonl", run), logging.getLogger("graft")
    logger.addHandler(file)
    try:
        with bound(run=run, recipe=recipe, step="run"):
            yield
    finally:
        logger.removeHandler(file)
        file.close()


@contextmanager
def timed(log: logging.Logger) -> Iterator[None]:
    """Log when a step starts and how it ends, with its seconds."""
    began = time.monotonic()
    log.info("started")
    try:
        yield
    except BaseException as error:
        level = logging.ERROR if isinstance(error, Exception) else logging.WARNING
        log.log(level, "%s after %.1f s", named(error), time.monotonic() - began)
        raise
    log.info("finished in %.1f s", time.monotonic() - began)


def named(error: BaseException) -> str:
    """Return what a log says of an error: its class, and where in the code it was raised. Never its words."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    module = trace.tb_frame.f_globals.get("__name__", "?")
    return f"{type(error).__name__} in {module}, line {trace.tb_lineno}"


def relay(event: Log) -> None:
    """Log here what a child process logged."""
    record = logging.LogRecord(event.logger, event.level, "", 0, event.message, None, None)
    logging.getLogger(event.logger if event.logger.startswith("graft") else "graft").handle(record)


def _facts(record: logging.LogRecord) -> dict[str, str]:
    """Return a record as it is written, without secrets."""
    when = datetime.fromtimestamp(record.created, UTC)
    return {
        "time": f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}Z",
        "level": record.levelname.lower(),
        "logger": record.name,
        **{name: variable.get() for name, variable in _bound.items()},
        "message": without_secrets(record.getMessage())[:_LONGEST],
    }


class _EventHandler(logging.Handler):
    """Sends a record to the run that listens, which knows its own name and writes the file."""

    def emit(self, record: logging.LogRecord) -> None:
        emit(Log(record.levelno, record.name, without_secrets(record.getMessage())))


class _TerminalHandler(logging.Handler):
    """Shows a record on standard error, in a line that a terminal may show."""

    def __init__(self, level: int, line: Callable[[dict[str, str]], str]) -> None:
        super().__init__(level)
        self.line = line

    def emit(self, record: logging.LogRecord) -> None:
        print(self.line(_facts(record)), file=sys.stderr, flush=True)  # noqa: T201 - it was asked for


def _as_text(facts: dict[str, str]) -> str:
    about = "/".join(filter(None, (facts["recipe"], facts["step"])))
    text = f"{facts['time']} {facts['level']:<7} {about or facts['logger']}: {facts['message']}"
    return "".join(c if c.isprintable() else " " for c in text)


class _FileHandler(logging.Handler):
    """Writes a record as a line of JSON to a file that its owner alone can read; older files than the newest are taken away.

    A record for which there is no room, or no right, is lost: a log stops no run.
    """

    def __init__(self, path: Path, run: str) -> None:
        super().__init__(logging.INFO)
        self.path, self.run, self.file = path, run, -1

    def emit(self, record: logging.LogRecord) -> None:
        if _bound["run"].get() != self.run:  # of another run in this process
            return
        try:
            if self.file < 0:
                self._open()
            os.write(self.file, f"{json.dumps(_facts(record))}\n".encode("ascii"))
        except OSError:
            return

    def _open(self) -> None:
        for folder in (self.path.parent.parent, self.path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        for old in sorted(self.path.parent.glob("*.jsonl"))[:-MAX_FILES]:
            old.unlink(missing_ok=True)

    def close(self) -> None:
        if self.file >= 0:
            os.close(self.file)
            self.file = -1
        super().close()
