"""What is logged names run, recipe and step, holds no secret, goes where it was asked to, and stops nothing."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from graft.errors import InputError
from graft_tasks.processes.events import EVENTS, EventPipe, Log
from graft_tasks.processes.logs import FORMAT, LEVEL, MAX_FILES, bound, configure, relay, run_log, timed
from graft_tasks.processes.secret import without_secrets

PASSWORD = "lovelace-1815"  # noqa: S105 - nobody's
LOG = logging.getLogger("graft.test")


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in (LEVEL, FORMAT, EVENTS):
        monkeypatch.delenv(name, raising=False)
    logger = logging.getLogger("graft")
    before = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.level, logger.propagate = before


def written(folder: Path) -> list[dict[str, str]]:
    (path,) = folder.glob("*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_runs_records_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    """Each with run, recipe and step; readable by its owner alone; what is logged outside the run is not there."""
    LOG.info("before")
    with run_log(tmp_path / "logs" / "tiny", "tiny"):
        LOG.warning("begun, %d %%", 3)
        with bound(step="ingest"), timed(LOG):
            relay(Log(logging.INFO, "graft.step", "from a child, 100 % {}"))
            LOG.debug("too small to be written")
        with run_log(tmp_path / "logs" / "tiny", "tiny"), bound(step="promote"):
            LOG.info("the same run")
    LOG.info("after")
    records = written(tmp_path / "logs" / "tiny")
    assert [(one["step"], one["level"], one["message"]) for one in records] == [
        ("run", "warning", "begun, 3 %"),
        ("ingest", "info", "started"),
        ("ingest", "info", "from a child, 100 % {}"),
        ("ingest", "info", "finished in 0.0 s"),
        ("promote", "info", "the same run"),
    ]
    (path,) = (tmp_path / "logs" / "tiny").iterdir()
    assert {(one["run"], one["recipe"]) for one in records} == {(path.stem, "tiny")}
    assert path.stem.endswith(f"Z-{os.getpid()}")
    assert [part.stat().st_mode & 0o777 for part in (path, path.parent, path.parent.parent)] == [0o600, 0o700, 0o700]


def test_a_run_that_says_nothing_has_no_file(tmp_path: Path) -> None:
    """A schedule that finds nothing to do every hour pushes no log of a real run out."""
    with run_log(tmp_path / "logs", "tiny"):
        pass
    assert not (tmp_path / "logs").exists()


def test_the_newest_files_are_kept(tmp_path: Path) -> None:
    """As many as are kept, this one among them; what is no log is not touched."""
    for k in range(MAX_FILES + 7):
        (tmp_path / f"20260101T0000{k:02d}Z-1.jsonl").touch()
    (tmp_path / "mine.txt").touch()
    with run_log(tmp_path, "tiny"):
        LOG.info("one more")
    left = sorted(path.name for path in tmp_path.glob("*.jsonl"))
    assert len(left) == MAX_FILES
    assert left[0] == "20260101T000008Z-1.jsonl"
    assert (tmp_path / "mine.txt").exists()


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is a file, a link where the file would be: the record is lost, nothing is printed and nothing raised."""
    (tmp_path / "logs").write_text("a file")
    with run_log(tmp_path / "logs", "tiny"):
        LOG.info("nowhere to stand")
    assert capsys.readouterr() == ("", "")
    with run_log(tmp_path / "linked", "tiny"):
        (handler,) = (one for one in logging.getLogger("graft").handlers if hasattr(one, "path"))
        (tmp_path / "linked").mkdir()
        handler.path.symlink_to(tmp_path / "elsewhere")
        LOG.info("through a link")
    assert not (tmp_path / "elsewhere").exists()


def test_an_error_is_named_and_never_quoted(tmp_path: Path) -> None:
    """Its words may hold a cell of the data: the log has its class, and where in the code it was raised."""
    with run_log(tmp_path, "tiny"), pytest.raises(InputError), timed(LOG):
        raise InputError("Row 7 says 'my card 4711 was stolen'.", where="rows.csv")
    assert "stolen" not in str(written(tmp_path))
    assert written(tmp_path)[-1]["level"] == "error"
    assert written(tmp_path)[-1]["message"].startswith(f"InputError in {__name__}, line ")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (
            f"https://ada:{PASSWORD}@store.example/models?X-Amz-Signature=abc&x=1",
            "https://***@store.example/models?***",
        ),
        (f"to ssh://{PASSWORD}@host:22/a and s3://models/known", "to ssh://***@host:22/a and s3://models/known"),
        (f"https://ada:p@{PASSWORD}@host/", "https://***@host/"),
        ("git@github.com:a/b.git, why? because = is no query", "git@github.com:a/b.git, why? because = is no query"),
        ("support (s3://bucket/prefix)", "support (s3://bucket/prefix)"),
    ],
)
def test_credentials_of_an_address_are_hidden(text: str, left: str) -> None:
    """Name and password before the host, and the query that a signed address has."""
    assert without_secrets(text) == left


def test_secrets_of_the_environment_are_hidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever library says them; a path to a file of secrets is none, nor is a word of four letters."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG")
    monkeypatch.setenv("MY_TOKEN", "test")
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path))
    with run_log(tmp_path, "tiny"):
        LOG.info("refused wJalrXUtnFEMI/K7MDENG in a test of %s", tmp_path)
    assert written(tmp_path)[0]["message"] == f"refused *** in a test of {tmp_path}"


@pytest.mark.parametrize("by", [LEVEL, FORMAT])
def test_a_terminal_shows_what_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], by: str
) -> None:
    """A line each that holds no control character, or JSON; by default not even a warning."""
    configure()
    LOG.warning("not asked for")
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv(by, {LEVEL: "info", FORMAT: "json"}[by])
    configure()
    configure()
    with bound(recipe="tiny", step="ingest"):
        LOG.debug("too small")
        LOG.info("one\nline \x1b[31m, %s", f"https://ada:{PASSWORD}@host/")
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    if by == LEVEL:
        assert err.rstrip().isprintable()
        assert err.rstrip()[25:] == "info    tiny/ingest: one line  [31m, https://***@host/"
    else:
        assert json.loads(err)["message"] == "one\nline \x1b[31m, https://***@host/"


@pytest.mark.parametrize(("name", "value"), [(LEVEL, "loud"), (FORMAT, "xml")])
def test_what_is_no_level_or_format_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """The sentence names what there is."""
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=f"{name} is no") as refused:
        configure()
    assert refused.value.do


def test_a_child_tells_the_run_and_prints_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a run listens it is the run that shows and writes."""
    monkeypatch.setenv(LEVEL, "info")
    with EventPipe() as pipe:
        monkeypatch.setenv(EVENTS, pipe.variables[EVENTS])
        configure()
        LOG.info("for the run, %s", f"https://ada:{PASSWORD}@host/")
        assert pipe.read() == [Log(logging.INFO, "graft.test", "for the run, https://***@host/")]
    assert capsys.readouterr() == ("", "")
