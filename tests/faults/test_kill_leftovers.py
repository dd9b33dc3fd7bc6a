"""What a killed process can leave lies there at the start of a run: it is put right, and what a living one needs stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from graft.errors import BusyError, StepError
from graft.records import copy_folder, part, sweep, write_atomic
from graft_tasks.dvc.recover import recover
from graft_tasks.dvc.repro import commit, git, lockfile
from graft_tasks.processes.child_process import killed
from graft_tasks.processes.locks import hold
from graft_tasks.steps.context import STEPS
from graft_tasks.workspace import Workspace
from tests.support.kill_points import copy_workspace, make_workspace

pytestmark = pytest.mark.slow

HASH = "0123456789abcdef0123456789abcdef"


def lock_entry(step: str) -> dict[str, object]:
    """Return what dvc.lock says of a stage."""
    files = [{"path": f"data/tiny/{step}/{name}", "hash": "md5", "md5": HASH, "size": 7} for name in ("a", "b")]
    return {"cmd": f"graft step {step} tiny", "deps": files, "params": {"recipes/tiny.yaml": {"a": 1}}, "outs": files}


STAGES = {step: lock_entry(step) for step in STEPS[:3]} | {"mine": {"cmd": "true"}}


@pytest.fixture(scope="module")
def fresh_workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("leftovers"), "tiny")


@pytest.fixture
def workspace(fresh_workspace: Workspace, tmp_path: Path) -> Workspace:
    return copy_workspace(fresh_workspace, tmp_path)


@pytest.mark.parametrize("kept_in", ["copy", "commit"])
def test_a_lock_file_cut_anywhere_is_put_back(workspace: Workspace, kept_in: str) -> None:
    """DVC writes dvc.lock in place; wherever the write was cut, no stage of a recipe is lost that the last copy or commit had."""
    (path, its_copy), whole = lockfile(workspace.root, "tiny"), yaml.safe_dump({"stages": STAGES}, sort_keys=False)
    write_atomic(path, whole.encode())
    if kept_in == "copy":
        write_atomic(its_copy, whole.encode())
    else:
        commit(workspace.root, "all", ["data/tiny"])
    recipes = {name: stage for name, stage in STAGES.items() if name != "mine"}
    for end in range(0, len(whole) + 1, 13):
        path.write_text(whole[:end])
        recover(workspace.recipe("tiny"))
        stages = yaml.safe_load(path.read_text())["stages"]
        found = {name: stage["outs"][0]["md5"] for name, stage in stages.items() if name in recipes}
        assert found == dict.fromkeys(recipes, HASH), f"cut at {end}"


def test_a_lock_file_that_is_whole_is_left_alone(workspace: Workspace) -> None:
    """The bytes of a whole dvc.lock stay, whatever an older copy says; without any, none is made."""
    path, its_copy = lockfile(workspace.root, "tiny")
    recover(workspace.recipe("tiny"))
    assert not path.exists()
    older = {**STAGES, "ingest": lock_entry("other")}
    write_atomic(its_copy, yaml.safe_dump({"stages": older}).encode())
    write_atomic(path, (whole := yaml.safe_dump({"schema": "2.0", "stages": STAGES})).encode())
    recover(workspace.recipe("tiny"))
    assert path.read_text() == whole


@pytest.mark.parametrize("left", ["", '{"wri', '{"write": {"data/tiny": {"pid": 1, "cmd": "dvc repro"}}}', "dead"])
def test_dvcs_list_of_who_works_on_what_forgets_the_dead(workspace: Workspace, left: str) -> None:
    """A list cut short, a process that is dead, and one whose number now is another program's block nobody."""
    path = workspace.root / ".dvc" / "tmp" / "rwlock"
    dead = subprocess.Popen(["true"])
    dead.wait()
    path.write_text(left if left != "dead" else json.dumps({"read": {"data": [{"pid": dead.pid, "cmd": "dvc repro"}]}}))
    recover(workspace.recipe("tiny"))
    assert json.loads(path.read_bytes()) == {}


def test_a_pointer_cut_short_is_put_back_or_made_again(workspace: Workspace) -> None:
    """A committed pointer is as it was committed; one that was never committed is gone; a whole one stays, however written."""
    known, new = workspace.root / "data/datasets/tiny.dvc", workspace.recipe("tiny").registry / "0001.dvc"
    before = known.read_bytes()
    new.parent.mkdir(parents=True)
    for end in range(len(before)):
        known.write_bytes(before[:end])
        new.write_bytes(b"outs:\n- md5: 01"[:end])
        recover(workspace.recipe("tiny"))
        assert known.read_bytes() == before or end == len(before) - 1
        assert not new.exists()
    known.write_bytes(before + b"  desc: mine\n")
    recover(workspace.recipe("tiny"))
    assert known.read_bytes() == before + b"  desc: mine\n"


def test_only_the_temporary_files_of_the_dead_are_taken_away(workspace: Workspace, tmp_path: Path) -> None:
    """A file or folder that a living process writes is left alone by any sweep, and is finished; a dead one's is gone."""
    folder = workspace.recipe("tiny").step("ingest")
    folder.mkdir(parents=True)
    (folder / ".record.json.x.part").write_bytes(b"half")
    (folder / ".model.y.part").mkdir()
    (folder / ".model.y.part" / "weights").write_bytes(b"half")
    (folder / ".link.part").symlink_to(tmp_path / "nowhere")
    code = (
        "import sys; from pathlib import Path; from graft.records import part\n"
        "with part(Path(sys.argv[1]), 'a') as a, part(Path(sys.argv[1]), 'b', folder=True) as b:\n"
        "    print(a, b, sep='\\n', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        alive = {Path(writer.stdout.readline().strip()) for _ in range(2)}
        recover(workspace.recipe("tiny"))
        assert set(folder.iterdir()) == alive | {folder / ".link.part"}
        writer.kill()
        writer.wait()
    recover(workspace.recipe("tiny"))
    assert [path.name for path in folder.iterdir()] == [".link.part"]


def test_a_sweep_between_making_and_locking_costs_the_writer_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A temporary file that is swept before its writer holds it is made again."""
    from graft.records import files

    lock = files._lock

    def swept(path: Path) -> int | None:
        monkeypatch.undo()
        assert sweep(tmp_path) == [path]
        return lock(path)

    monkeypatch.setattr(files, "_lock", swept)
    write_atomic(tmp_path / "a", b"whole")
    assert (tmp_path / "a").read_bytes() == b"whole"
    with part(tmp_path, "b", folder=True):
        assert sweep(tmp_path) == []
    copy_folder(tmp_path, tmp_path.with_name("copy"))
    assert [path.name for path in tmp_path.with_name("copy").iterdir()] == ["a"]


def test_a_sweep_between_opening_and_locking_costs_the_writer_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A temporary file that is gone once its writer holds it is made again."""
    from graft.records import files

    lock = files.fcntl.flock

    def late(held: int, how: int) -> None:
        monkeypatch.undo()
        (swept,) = tmp_path.iterdir()
        swept.unlink()
        lock(held, how)

    monkeypatch.setattr(files.fcntl, "flock", late)
    with part(tmp_path, "a") as path:
        assert path.exists()
        assert sweep(tmp_path) == []


def test_an_index_that_a_killed_git_locked_is_freed_and_anothers_is_named(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a lock left during a commit of ours is taken away; of any other the path is said, and what to do."""
    monkeypatch.setattr("graft_tasks.dvc.repro._PATIENCE_S", 0.2)
    lock = workspace.root / ".git" / "index.lock"
    (workspace.root / "params.yaml").write_text("recipes: {}\n")
    lock.touch()
    for _ in range(2):
        with pytest.raises(BusyError, match="Another git command") as caught:
            commit(workspace.root, "mine", ["params.yaml"])
        assert caught.value.where == str(lock)
    with pytest.raises(StepError), hold(workspace.root / ".graft" / "locks" / "git", "git"):
        raise StepError("killed here")
    commit(workspace.root, "mine", ["params.yaml"])
    assert not lock.exists()
    assert git(workspace.root, "log", "-1", "--format=%s").strip() == "mine"


def test_a_commit_leaves_out_what_is_being_written(workspace: Workspace) -> None:
    """Another run's temporary file beside what is committed is neither added nor committed."""
    folder = workspace.root / "ledger"
    with part(workspace.root, "x"):
        write_atomic(folder / "entry", b"{}")
        with part(folder, "entry"):
            commit(workspace.root, "entry", ["ledger"])
    assert git(workspace.root, "show", "--name-only", "--format=").split() == ["ledger/entry"]


def test_a_holder_that_was_cut_off_is_told_of_until_somebody_mends_it(tmp_path: Path) -> None:
    """A block that ended by an error is told to each holder after it, up to the end of the first that puts right what it left."""
    lock, told = tmp_path / "lock", []
    with pytest.raises(StepError), hold(lock, "it"):
        raise StepError("cut off")
    for recovers in (False, True, False):
        with hold(lock, "it", recovers=recovers) as was_cut_off:
            told.append(was_cut_off)
    assert told == [True, True, False]


def test_a_lock_names_its_holder_and_nobody_who_is_gone(tmp_path: Path) -> None:
    """Whoever is refused reads who holds it now; after an error the file says that work is left, after the end it is empty."""
    lock = tmp_path / "lock"
    lock.write_text("process 4711, since 2026-01-01 00:00 UTC")  # as a killed process leaves it
    with pytest.raises(BusyError) as refused, hold(lock, "it"), hold(lock, "it"):
        pass
    assert refused.value.where.startswith(f"process {os.getpid()}, since ")
    for recovers, left in ((False, "nobody; the last holder was cut off"), (True, "")):
        with hold(lock, "it", recovers=recovers) as was_cut_off:
            assert was_cut_off
        assert lock.read_text() == left


def test_a_commit_of_paths_that_are_not_there_commits_nothing(workspace: Workspace) -> None:
    """Without a path that exists or once existed, whatever else is changed stays uncommitted."""
    (workspace.root / "params.yaml").write_text("recipes: {}\n")
    commit(workspace.root, "nothing", ["registry/tiny"])
    assert git(workspace.root, "status", "--porcelain").split() == ["M", "params.yaml"]


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (137, "embed was killed by SIGKILL, perhaps for want of memory."),
        (-9, "embed was killed by SIGKILL, perhaps for want of memory."),
        (-15, "embed was killed by SIGTERM."),
        (143, "embed was killed by SIGTERM."),
        (1, None),
        (255, None),
        (0, None),
    ],
)
def test_a_killed_step_is_named_with_its_signal(status: int, sentence: str | None) -> None:
    """Whichever shell stands between, the sentence says who was killed and by what; tests/steps/test_reproduce.py does it."""
    error = killed("embed", status)
    assert (error and error.what) == sentence


@pytest.mark.parametrize("between", [[], ["sh", "-c", '"$@"; true', "sh"]])
def test_a_process_ends_with_the_one_that_it_is_bound_to(between: list[str]) -> None:
    """Bound to its parent, or to the parent of a shell that passes nothing on, a process is gone once that one is killed."""
    child = (
        "import os, signal, sys; from graft_tasks.processes.child_process import end_with; end_with(int(sys.argv[1])); "
        "print(os.getpid(), flush=True); signal.pause()"
    )
    parent = (
        f"import os, subprocess, sys; subprocess.run([*{between!r}, sys.executable, '-c', {child!r}, str(os.getpid())])"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as bound:
        assert bound.stdout is not None
        pid = int(bound.stdout.readline())
        os.kill(pid, 0)
        bound.kill()
        said, _ = bound.communicate(timeout=20)  # the pipe closes when the last of them has ended
        assert said == ""


def test_a_process_whose_parent_is_dead_already_ends_at_once() -> None:
    """Whoever asks too late to end with a process ends then."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    code = (
        f"from graft_tasks.processes.child_process import end_with; import time; end_with({gone.pid}); time.sleep(60)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
