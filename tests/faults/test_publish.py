"""Publishing: what others are to use is where they reach it, and before it is in force where the ledger is shared."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from graft.errors import InputError, StepError
from graft.ledger import Ledger
from graft.ledger.objects import Folder
from graft_tasks.commands.up_to_date import nothing_to_do
from graft_tasks.dvc.fetch import fetch
from graft_tasks.dvc.publish import send
from graft_tasks.dvc.repro import commit, dvc, git
from graft_tasks.dvc.upstream import n_unpushed
from graft_tasks.registry.audit import audit
from graft_tasks.registry.move import _name as name_ledger
from graft_tasks.registry.move import move_ledger
from graft_tasks.registry.pin import pin
from graft_tasks.registry.promote import enact, own_paths, promote_by_hand, roll_back
from graft_tasks.workspace import Workspace
from tests.support.cli_runner import CommandLine
from tests.support.refusals import refused

pytestmark = pytest.mark.slow


def set_remote(workspace: Workspace) -> Path:
    """Give DVC a folder as its remote."""
    remote = workspace.root.parent / "remote"
    remote.mkdir(exist_ok=True)
    dvc(workspace.root, "remote", "add", "--force", "--default", "store", str(remote))
    commit(workspace.root, "a remote", [".dvc/config"])
    return remote


def set_ledger(workspace: Workspace, place: str) -> None:
    """Write a place for the ledger into params.yaml, as a person would."""
    with (workspace.root / "params.yaml").open("a") as params:
        params.write(f"ledger: {place}\n")


def stored(remote: Path) -> int:
    return sum(path.is_file() for path in remote.rglob("*"))


def test_a_shared_ledger_without_a_remote_is_refused_before_the_training(
    promoted: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its champions' bytes would be on one machine: said when a run begins, and by whatever changes the champion."""
    shutil.move(promoted.root / "ledger", tmp_path / "shared")
    set_ledger(promoted, "../shared")
    with pytest.raises(InputError, match="DVC has no default remote"):
        pin(promoted.recipe("known"))
    words = ("The ledger is shared", "dvc remote add --default")
    CommandLine(promoted.root, capsys).refuses("run", "known", words=words)


def test_on_a_shared_ledger_bytes_come_before_the_entry(
    many_models: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A remote that takes nothing: no promotion, no trace of the candidate; then all of the model is there first."""
    shutil.move(many_models.root / "ledger", tmp_path / "shared")
    set_ledger(many_models, "../shared")
    git(many_models.root, "commit", "--quiet", "--all", "--message", "shared")
    remote = set_remote(many_models)
    remote.rmdir()
    remote.write_bytes(b"a file where the folder was")
    with pytest.raises(StepError):
        promote_by_hand(many_models.recipe("grown"), "more rows")
    with pytest.raises(StepError):
        roll_back(many_models.recipe("known"), "back again")
    assert [len(many_models.ledger().promotions(name)) for name in ("grown", "known")] == [1, 4]
    assert [path.name for path in many_models.recipe("grown").registry.glob("0000*")] == []
    remote.unlink()
    remote.mkdir()
    pointer = (
        many_models.recipe("known").registry / "0001.dvc"
    ).read_text()  # what a process left that was killed as it sent a candidate
    (many_models.recipe("known").registry / "0000.dvc").write_text(pointer.replace("'0001'", "'0000'"))

    seen: list[int] = []
    append = Ledger.add_promotion
    monkeypatch.setattr(Ledger, "add_promotion", lambda *args: (seen.append(stored(remote)), append(*args))[1])
    made = promote_by_hand(many_models.recipe("grown"), "more rows").predicate
    roll_back(many_models.recipe("known"), "back again")
    md5 = made.folder_md5
    assert seen[0] > len(many_models.ledger().run("grown", made.run).predicate.model_files)
    assert (remote / "files" / "md5" / md5[:2] / md5[2:]).is_file()
    assert (many_models.recipe("grown").registry / "0002.dvc").is_file()
    assert git(many_models.root, "status", "--porcelain") == ""
    assert not (many_models.recipe("known").registry / "0000.dvc").exists()
    git(tmp_path, "clone", "--quiet", str(many_models.root), "second")
    clone = Workspace(tmp_path / "second")
    (clone.root / ".graft").mkdir()
    fetch(clone.recipe("grown"))
    assert audit(clone.recipe("grown")).verdict == "intact"


def test_a_remote_that_was_emptied_is_filled_again(promoted: Workspace) -> None:
    """What was sent once is asked for, not remembered."""
    remote = set_remote(promoted)
    send(promoted.recipe("known"))
    before = stored(remote)
    assert before > len(promoted.ledger().run_of(promoted.ledger().promotions("known")[0]).predicate.model_files)
    shutil.rmtree(remote)
    remote.mkdir()
    send(promoted.recipe("known"))
    assert stored(remote) == before


def test_a_push_that_failed_is_made_up_for(many_models: Workspace, tmp_path: Path) -> None:
    """The change is committed and in force here; the error says so, and the next run has something to do: it pushes."""
    git(tmp_path, "clone", "--quiet", "--bare", str(many_models.root), "origin")
    git(many_models.root, "remote", "add", "origin", str(tmp_path / "origin"))
    git(many_models.root, "push", "--quiet", "--set-upstream", "origin", "main")
    pin(many_models.recipe("grown"))
    (tmp_path / "origin").rename(tmp_path / "away")
    with refused("git-remote-failed"):
        promote_by_hand(many_models.recipe("grown"), "more rows")
    assert git(many_models.root, "status", "--porcelain") == ""
    assert len(many_models.ledger().promotions("grown")) == 2
    assert n_unpushed(many_models.root, *own_paths(many_models.recipe("grown"))) == 1
    assert not nothing_to_do(many_models.recipe("grown"))
    (tmp_path / "away").rename(tmp_path / "origin")
    enact(many_models.recipe("grown"))
    assert nothing_to_do(many_models.recipe("grown"))
    tips = {git(root, "rev-parse", "main") for root in (many_models.root, tmp_path / "origin")}
    assert len(tips) == 1


def test_a_ledger_moves_whole_or_not_at_all(
    many_models: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cut off anywhere params.yaml names the old place; half a ledger is refused, and the same command goes on."""
    remote = set_remote(many_models)
    champion = many_models.ledger().champion("known")
    names = list(many_models.ledger().names())
    create, calls = Folder.create, 0

    def dies(self: Folder, name: str, content: bytes) -> bool:
        nonlocal calls
        calls += 1
        if calls > len(names) - 2:
            raise KeyboardInterrupt
        return create(self, name, content)

    with monkeypatch.context() as cut:
        cut.setattr(Folder, "create", dies)
        with pytest.raises(KeyboardInterrupt):
            move_ledger(many_models, "../shared")
    assert many_models.ledger().champion("known") == champion
    assert "ledger" not in many_models.params()

    cli, before = CommandLine(many_models.root, capsys), (many_models.root / "params.yaml").read_text()
    set_ledger(many_models, "../shared")
    for command in (("status",), ("run", "known"), ("audit", "known"), ("rollback", "known", "--reason", "bad")):
        words = ("lacks promotions/known/0003.json and 1 more", "it was not moved whole", "graft move-ledger")
        cli.refuses(*command, words=words)
    (many_models.root / "params.yaml").write_text(before)

    said = cli.succeeds("move-ledger", "../shared")
    assert f"{len(names):,} files, 2 of them copied now" in said
    assert yaml.safe_load((many_models.root / "params.yaml").read_text())["ledger"] == "../shared"
    assert git(many_models.root, "status", "--porcelain") == ""
    assert many_models.ledger().champion("known") == champion
    assert list(many_models.ledger().names()) == names
    assert audit(many_models.recipe("grown")).verdict == "intact"
    assert stored(remote) > 0
    cli.refuses("move-ledger", "nowhere:else", words=("names no place for a ledger",))


def test_another_ledger_is_not_written_over(many_models: Workspace, promoted_once: Path, tmp_path: Path) -> None:
    """A place that holds other promotions under the same numbers is refused, and params.yaml is as it was."""
    set_remote(many_models)
    shutil.copytree(promoted_once / "ledger", tmp_path / "shared")
    other = tmp_path / "shared" / "promotions" / "known" / "0001.json"
    other.write_bytes(other.read_bytes().replace(b"payload", b"Payload", 1))
    with pytest.raises(InputError, match="Another ledger lies there"):
        move_ledger(many_models, str(tmp_path / "shared"))
    assert "ledger" not in many_models.params()


@pytest.mark.parametrize("named", ["../a place #1", "../back\\1slash", "../'quoted'", "../\\g<0>"])
def test_params_yaml_names_any_folder(known_workspace: Path, tmp_path: Path, named: str) -> None:
    """Signs that mean something to YAML, or to whoever replaces a line, are a part of the name."""
    space = Workspace(Path(shutil.copytree(known_workspace, tmp_path / "workspace", symlinks=True)))
    for _ in range(2):  # a first line, then another in its place
        name_ledger(space, named)
        assert space.params()["ledger"] == named
    assert "known" in space.params()["recipes"]
