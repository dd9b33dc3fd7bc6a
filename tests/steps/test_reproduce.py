"""One stage through a real DVC: what its step tells arrives whatever stands between, with a warm process and without."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from graft.errors import BusyError, InputError, StepError, TamperError
from graft.records import sha256_file
from graft_tasks.commands.init import init
from graft_tasks.dvc.pipeline import bring_forward
from graft_tasks.dvc.repro import dvc, keep, reproduce, run_dvc
from graft_tasks.processes.environment import environment
from graft_tasks.processes.events import Event, Failed, Finished, Output, Progress, Started
from graft_tasks.processes.warm import warm
from graft_tasks.steps.context import run_step
from graft_tasks.workspace import Workspace
from tests.support.refusals import refused

Make = Callable[..., Workspace]
HOSTILE = 'caf\u00e9 \u001b[31m\u2028 “{}” \\n\n\r\n\t", "exit_code": 0}\x00\udc80 ' + "x" * 20_000
STEP = """
import os, signal, sys
from graft.errors import InputError
from graft_tasks.processes.events import Failed, Finished, Progress, Started, emit
print('{"event": "failed", "kind": "InputError", "what": "It is printed.", "where": "", "do": "", "exit_code": 2}')
print("progress\\t1\\t2\\tit is printed", file=sys.stderr, flush=True)
how, text = sys.argv[1], open("text", newline="", encoding="utf-8", errors="surrogatepass").read()
if how == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
if how == "raise":
    raise ValueError("a bug, said last")
if how == "quit":
    sys.exit(3)
emit(Started("ingest", os.getpid()))
emit(Progress(1, 2, text))
if how == "fail":
    emit(Failed.of(InputError(text, where=text, do=text, code="a-code-of-its-own")))
    sys.exit(2)
emit(Finished("ingest", "0" * 64, reused=False))
"""


@pytest.fixture(params=["warm", "cold"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """With a process that serves every command of a run, and without."""
    if request.param == "cold":
        yield "cold"
        return
    if sys.platform != "linux":
        pytest.skip("there is a warm process on Linux alone")
    with warm():
        yield "warm"


@pytest.fixture(scope="module")
def bare_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a dataset that DVC keeps, and with a recipe's stage that is a script of the test's; read only."""
    made, _ = init(tmp_path_factory.mktemp("bare") / "workspace")
    (made.root / "data" / "datasets" / "tiny").mkdir(parents=True)
    (made.root / "data" / "datasets" / "tiny" / "rows.csv").write_text("id\n1\n")
    keep(made.root, "data/datasets/tiny")
    made.recipe("tiny").stages.parent.mkdir(parents=True)
    (made.recipe("tiny").stages.parent / "step.py").write_text(STEP)
    (made.recipe("tiny").stages.parent / "text").write_text(
        HOSTILE, newline="", encoding="utf-8", errors="surrogatepass"
    )
    return made.root


@pytest.fixture
def bare(bare_once: Path, tmp_path: Path) -> Workspace:
    shutil.copytree(bare_once, tmp_path / "workspace", symlinks=True)
    return Workspace(tmp_path / "workspace")


def does(workspace: Workspace, how: str) -> None:
    """Say what the stage does."""
    stages = {"ingest": {"cmd": f"{sys.executable} step.py {how}", "deps": ["step.py"]}}
    workspace.recipe("tiny").stages.write_text(yaml.safe_dump({"stages": stages}))


def told(workspace: Workspace) -> list[Event]:
    heard: list[Event] = []
    reproduce(workspace.root, "ingest", "tiny", heard.append)
    return heard


def test_a_stage_tells_and_a_second_time_it_is_reused(bare: Workspace, way: str) -> None:
    """Its beginning, how far it is, its end; unchanged it tells nothing, and the end says so. DVC itself prints nothing.

    What was printed is no event, though it looks like one."""
    does(bare, "tell")
    first = told(bare)
    assert [type(event) for event in first if not isinstance(event, Output)] == [Started, Progress, Finished]
    assert Progress(1, 2, HOSTILE) in first
    assert Finished("ingest", "0" * 64, reused=False) in first
    printed = [event.line for event in first if isinstance(event, Output)]
    assert len(printed) == 2
    assert "It is printed." in "".join(printed)
    assert told(bare) == [Finished("ingest", "", reused=True)]


def test_an_error_arrives_whole(bare: Workspace, way: str) -> None:
    """Class, words with line breaks and control characters, and length; on a terminal it is cleaned and cut as ever."""
    does(bare, "fail")
    with pytest.raises(InputError) as refused:
        told(bare)
    assert (refused.value.what, refused.value.where, refused.value.do) == (HOSTILE, HOSTILE, HOSTILE)
    assert refused.value.code == "a-code-of-its-own"
    assert all(line.isprintable() and len(line) < 600 for line in str(refused.value).splitlines())


@pytest.mark.parametrize(
    ("how", "what", "where"),
    [
        ("raise", "ingest ended with exit status 1.", "ValueError: a bug, said last"),
        ("quit", "ingest ended with exit status 3.", None),
    ],
)
def test_how_a_step_ended_that_told_nothing(bare: Workspace, way: str, how: str, what: str, where: str | None) -> None:
    """Killed, or ended by an error that nobody expects: the sentence says so, with what was printed last."""
    does(bare, how)
    heard: list[Event] = []
    with pytest.raises(StepError) as failed:
        reproduce(bare.root, "ingest", "tiny", heard.append)
    assert failed.value.what == what
    assert where is None or failed.value.where == where
    assert {type(event) for event in heard} == {Output, Failed}


def test_a_step_that_was_killed_is_told(bare: Workspace, way: str) -> None:
    """By which signal, and nothing was printed."""
    does(bare, "kill")
    heard: list[Event] = []
    with refused("process-killed") as failed:
        reproduce(bare.root, "ingest", "tiny", heard.append)
    assert [part in failed.value.what for part in ("ingest", "SIGKILL")] == [True, True]
    assert failed.value.where == ""
    assert {type(event) for event in heard} == {Output, Failed}


@pytest.mark.slow
def test_a_real_step_tells_its_digest_and_its_error(tiny_workspace: Make, way: str) -> None:
    """What ``graft step`` tells through DVC: the sha256 of the record that it wrote, else its own error as it was raised."""
    workspace = tiny_workspace()
    bring_forward(workspace.recipe("tiny"))
    ends = [event for event in told(workspace) if isinstance(event, Finished)]
    assert ends == [Finished("ingest", sha256_file(workspace.recipe("tiny").record("ingest")), reused=False)]
    (workspace.dataset("tiny") / ("b\u00e9 \u201c{}\u201d " + "x" * 100 + ".csv")).write_bytes(b"id,text\n1,2\n")
    with pytest.raises(InputError) as refused:
        told(workspace)
    with pytest.raises(InputError) as raised:
        run_step(workspace.recipe("tiny"), "ingest")
    assert [getattr(refused.value, key) for key in ("what", "where", "do")] == [
        getattr(raised.value, key) for key in ("what", "where", "do")
    ]


@pytest.mark.slow
def test_nobody_needs_to_listen(tiny_workspace: Make) -> None:
    """A plain ``dvc repro`` and a step by hand do the same work, without a word of the protocol."""
    workspace = tiny_workspace()
    bring_forward(workspace.recipe("tiny"))
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", "data/tiny/dvc.yaml:ingest"]
    done = subprocess.run(command, cwd=workspace.root, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    record = workspace.recipe("tiny").record("ingest").read_bytes()
    assert '"event"' not in done.stdout + done.stderr
    by_hand = [str(Path(sys.executable).parent / "graft"), "step", "ingest", "tiny"]
    done = subprocess.run(by_hand, cwd=workspace.root, env=environment(), capture_output=True, text=True, check=True)
    assert workspace.recipe("tiny").record("ingest").read_bytes() == record
    assert (done.stdout[:8], done.stderr) == ("ingest: ", "")


def broken(workspace: Workspace, how: str) -> tuple[str, ...]:
    """Break a workspace for DVC; return the command that meets it."""
    top = workspace.root / "dvc.yaml"
    if how == "overlap":
        stages = {name: {"cmd": "true", "outs": ["same"]} for name in ("a", "b")}
        top.write_text(yaml.safe_dump({"stages": stages}))
        return ("repro", "a")
    if how == "cycle":
        top.write_text(
            yaml.safe_dump(
                {
                    "stages": {
                        "a": {"cmd": "true", "deps": ["y"], "outs": ["x"]},
                        "b": {"cmd": "true", "deps": ["x"], "outs": ["y"]},
                    }
                }
            )
        )
        return ("repro", "a")
    if how == "yaml":
        top.write_text("stages:\n  a: [\n")
        return ("status",)
    if how == "schema":
        top.write_text("stages:\n  a: {command: x}\n")
        return ("status",)
    if how == "remote":
        return ("push", "data/datasets/tiny.dvc")
    if how == "config":
        (workspace.root / ".dvc" / "config").write_text("[core]\nunknown = 1\n")
        return ("status",)
    shutil.rmtree(workspace.root / ".dvc" / "cache")
    shutil.rmtree(workspace.dataset("tiny"))
    return ("checkout", "data/datasets/tiny.dvc")


@pytest.mark.parametrize(
    ("how", "kind", "what"),
    [
        ("overlap", InputError, "Two stages of the workspace make the same file or folder."),
        ("cycle", InputError, "Stages of the workspace wait for one another."),
        ("yaml", InputError, "A file of DVC's cannot be read."),
        ("schema", InputError, "A file of DVC's cannot be read."),
        ("remote", StepError, "DVC has no default remote."),
        ("config", StepError, "DVC's configuration is wrong."),
        ("cache", StepError, "A file that DVC keeps is not here."),
    ],
)
def test_what_dvc_raises_arrives_by_type(bare: Workspace, how: str, kind: type[StepError], what: str) -> None:
    """One sentence, where, and what to do, made from the class of DVC's exception."""
    with pytest.raises(kind) as refused:
        dvc(bare.root, *broken(bare, how))
    assert (type(refused.value), refused.value.what) == (kind, what)
    assert refused.value.where
    assert refused.value.do


def test_a_workspace_that_another_dvc_works_on_is_busy(bare: Workspace) -> None:
    """DVC's list of who works on what names a process that lives: worth a retry, and no failure."""
    does(bare, "tell")
    busy = {"write": {str(bare.recipe("tiny").stages.with_name("step.py")): {"pid": os.getpid(), "cmd": "dvc repro"}}}
    (bare.root / ".dvc" / "tmp" / "rwlock").write_text(json.dumps(busy))
    with pytest.raises(BusyError, match="Another DVC command holds the workspace"):
        told(bare)


def test_a_damaged_listing_in_the_cache_is_damage(bare: Workspace) -> None:
    """What DVC raises of an object that is not what its name says is a TamperError, or the file is found to be absent."""
    for listing in (bare.root / ".dvc" / "cache" / "files" / "md5").glob("*/*.dir"):
        listing.chmod(0o644)
        listing.write_bytes(b"{ not what it was")
    shutil.rmtree(bare.dataset("tiny"))
    with pytest.raises((TamperError, StepError)):
        dvc(bare.root, "checkout", "data/datasets/tiny.dvc")


def test_a_word_of_dvcs_that_nobody_knows_is_no_command(bare: Workspace) -> None:
    """A command that DVC does not have fails, with what it printed last."""
    ended = run_dvc(bare.root, "no-such-command")
    assert ended.returncode
    assert ended.error.what == "dvc no-such-command failed."
    assert ended.error.where
