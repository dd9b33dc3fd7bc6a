"""What is sent through the pipe arrives as it was sent, what is no event is left out, and nobody waits for a deaf listener."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from graft.errors import BusyError, GraftError, InputError, ResourceError, StepError, TamperError
from graft_tasks.processes.events import (
    EVENTS,
    Effect,
    Event,
    EventPipe,
    Failed,
    Finished,
    Log,
    Lost,
    Progress,
    Started,
    emit,
    read,
    sweep_pipes,
)  # fmt: skip

HOSTILE = "a\nb\r\tc\x00\x1b[31m\u2028 \udc80 “é” \\n" + "x" * 20_000
SENT: list[Event] = [
    Started("ingest", 7),
    Progress(3, 0, HOSTILE),
    Effect("promote", "champion", "0001, signed"),
    Lost("0" * 32 + ".dir"),
    Failed("InputError", HOSTILE, HOSTILE, HOSTILE, 2, "column-missing"),
    Finished("ingest", "0" * 64, reused=False),
    Log(20, "graft.step", "started"),
]


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[EventPipe]:
    with EventPipe() as pipe:
        for name, value in pipe.variables.items():
            monkeypatch.setenv(name, value)
        yield pipe


def test_each_kind_arrives_whole_and_in_order(pipe: EventPipe) -> None:
    """Line breaks, control characters, half characters and length are no matter: a value is what it was."""
    for event in SENT[:4]:
        emit(event)
    assert pipe.read() == SENT[:4]
    for event in SENT[4:]:
        emit(event)
    assert pipe.read() == SENT[4:]
    assert pipe.read() == []


@pytest.mark.parametrize("kind", [InputError, StepError, ResourceError, BusyError, TamperError])
def test_an_error_comes_back_as_it_was(kind: type[GraftError], pipe: EventPipe) -> None:
    """Its class, its code, its words uncut, its exit code; on a terminal it is cut and cleaned as ever."""
    error = kind(HOSTILE, where=HOSTILE, do=HOSTILE, code="disk-full")
    for sent in (error, kind("It is so.")):
        emit(Failed.of(sent))
    event, plain = pipe.read()
    assert isinstance(event, Failed)
    assert isinstance(plain, Failed)
    assert plain.error().code == kind.family
    back = event.error()
    assert type(back) is kind
    assert back.code == "disk-full"
    assert (back.what, back.where, back.do, back.exit_code) == (HOSTILE, HOSTILE, HOSTILE, error.exit_code)
    assert all(line.isprintable() and len(line) < 600 for line in str(back).splitlines())


def test_what_the_system_refused_is_told_as_a_sentence() -> None:
    """Of a full disk what to do is sent too; of what a person can do nothing about, what it was and where."""
    full = Failed.of(OSError(28, "No space left on device", "rows.parquet"))
    assert (full.what, full.where, full.do[:9], full.code) == (
        "The disk is full.",
        "rows.parquet",
        "make room",
        "disk-full",
    )
    assert Failed.of(OSError(5555, "?")).kind == "StepError"


def test_a_class_that_is_not_known_here_is_a_step_error() -> None:
    """Nothing but the errors of ``graft.errors`` is made from a line."""
    for kind in ("Exception", "annotations", "", "__builtins__"):
        assert type(Failed(kind, "It is so.", "", "", 1, "step").error()) is StepError


@pytest.mark.parametrize(
    "line",
    [b"", b"loss 0.3", b"{}", b"[]", b"7", b'{"event": "progress"}', b'{"event": ["progress"]}', b"\xff\x00",
     b'{"event": "progress", "done": "3", "total": 4, "note": ""}',
     b'{"event": "progress", "done": true, "total": 4, "note": ""}',
     b'{"event": "output", "line": "x"}', b'{"event": "lost", "md5": "0", "more": 1}', b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_event_is_none(line: bytes) -> None:
    """Whatever else stands in a line is left out, and never an error."""
    assert read(line) is None


def test_half_a_line_of_a_killed_writer_costs_nobody_anything(pipe: EventPipe) -> None:
    """What the next one sends begins on a line of its own."""
    with Path(os.environ[EVENTS]).open("wb", buffering=0) as cut:
        cut.write(b'\n{"event": "progress", "done": 3')
    emit(SENT[0])
    assert pipe.read() == [SENT[0]]


def test_where_nobody_listens_nobody_waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No listener, one that is gone, one that was killed, and a name that is no pipe: the event is not sent, and that is all."""
    monkeypatch.delenv(EVENTS, raising=False)
    emit(SENT[0])
    with EventPipe() as pipe:
        monkeypatch.setenv(EVENTS, pipe.variables[EVENTS])
    emit(SENT[0])
    os.mkfifo(tmp_path / "unread")
    monkeypatch.setenv(EVENTS, str(tmp_path / "unread"))
    emit(SENT[0])
    monkeypatch.setenv(EVENTS, str(tmp_path))
    emit(SENT[0])


def test_a_listener_that_does_not_read_holds_nobody_up_for_long(
    pipe: EventPipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe that stays full is given up; what was sent before is there."""
    monkeypatch.setattr("graft_tasks.processes.events._PATIENCE_S", 0.0)
    for _ in range(200):
        emit(Progress(1, 2, "x" * 1000))
    assert 10 < len(pipe.read()) < 200
    emit(SENT[0])
    assert pipe.read() == [SENT[0]]


def test_many_processes_tell_at_once_and_none_is_torn(pipe: EventPipe) -> None:
    """Short lines of several processes come whole, each process's in its order."""
    code = (
        "import sys; from graft_tasks.processes.events import *\nfor k in range(50): emit(Progress(k, 50, sys.argv[1]))"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, name]) for name in "ab"]
    for process in processes:
        assert process.wait() == 0
    seen = pipe.read()
    for name in "ab":
        assert [one.done for one in seen if isinstance(one, Progress) and one.note == name] == list(range(50))


def test_a_pipe_is_its_owners_alone_and_gone_with_its_listener() -> None:
    """Nobody else can read or write there."""
    with EventPipe() as pipe:
        path = Path(pipe.variables[EVENTS])
        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert not path.parent.exists()


def test_the_pipe_of_a_killed_listener_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that somebody reads is left alone, however old, and so is one that is just being made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names = ("graft-events-alive", "graft-events-dead", "graft-events-new")
    for name in names:
        (tmp_path / name).mkdir()
        os.mkfifo(tmp_path / name / "pipe")
    (tmp_path / "graft-events-file").touch()
    for name in names[:2]:
        os.utime(tmp_path / name, (0, 0))
    alive = os.open(tmp_path / "graft-events-alive" / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    assert sweep_pipes() == 1
    os.close(alive)
    assert sorted(path.name[13:] for path in tmp_path.iterdir()) == ["alive", "file", "new"]


def test_who_sends_is_not_killed_with_the_listener(pipe: EventPipe) -> None:
    """A process whose listener is killed goes on: the step's work is not lost."""
    code = (
        "import os, sys; from graft_tasks.processes.events import *\n"
        "emit(Progress(1, 2, '')); sys.stdin.read(1); emit(Progress(2, 2, '')); print('to its end')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        while not pipe.read():
            pass
        os.close(pipe._reads)
        pipe._reads = os.open(os.devnull, os.O_RDONLY)
        said, _ = process.communicate("x")
    assert (process.returncode, said) == (0, "to its end\n")
    assert signal.getsignal(signal.SIGPIPE) is not signal.SIG_DFL
