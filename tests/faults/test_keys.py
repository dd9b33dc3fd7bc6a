"""Whose signatures count: keys that the last commit has. What else lies in keys/ counts for nothing, and nobody commits it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from graft.errors import InputError, TamperError
from graft.ledger import Signer, make_key
from graft_tasks.commands.init import init
from graft_tasks.dvc.repro import git
from graft_tasks.registry.audit import audit
from graft_tasks.registry.promote import roll_back
from graft_tasks.workspace import Workspace
from tests.support.invented_ledger import NAME, finish_run, invent_champions, promote
from tests.support.kill_points import copy_workspace


@pytest.fixture(scope="module")
def two_champions(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Workspace:
    """A workspace with two champions; copied, never changed."""
    return invent_champions(tmp_path_factory.mktemp("two"), tiny_base, 2)


@pytest.fixture
def workspace(two_champions: Workspace, tmp_path: Path) -> Workspace:
    return copy_workspace(two_champions, tmp_path)


def sign_with_foreign_key(workspace: Workspace) -> Path:
    """Put a key of somebody else's into keys/, and sign a promotion of the first model with it; return the key."""
    make_key(workspace.root.parent / "eve.pem", workspace.trusted_keys)
    eve = Signer(workspace.root.parent / "eve.pem")
    last = workspace.ledger().promotions(NAME)[-1]
    update = {"number": "0003", "action": "rollback", "model_number": "0001", "parent": last.entry}
    first = workspace.ledger().promotions(NAME)[0].predicate
    workspace.ledger().add_promotion(first.model_copy(update=update), eve)
    return workspace.trusted_keys / f"{eve.keyid[:16]}.pem"


def committed_keys(workspace: Workspace) -> list[str]:
    return git(workspace.root, "ls-tree", "-r", "--name-only", "HEAD", "keys").split()


def test_what_an_uncommitted_key_signs_is_refused_and_named(workspace: Workspace) -> None:
    """No command takes the entry, and the audit is broken and names the key; once the key is committed, by whoever, it counts."""
    key = sign_with_foreign_key(workspace)
    for read in (lambda: workspace.ledger().champion(NAME), lambda: roll_back(workspace.recipe(NAME), "worse")):
        with pytest.raises(TamperError, match="lies in keys/ but is not committed") as refused:
            read()
        assert key.name in refused.value.where
    result = audit(workspace.recipe(NAME))
    assert result.verdict == "broken"
    assert key.name in str(result.broken_at)
    git(workspace.root, "add", "keys")
    git(workspace.root, "-c", "user.name=Bob", "-c", "user.email=b@example.org", "commit", "--quiet", "-m", "Eve's key")
    found = {line.finding for line in audit(workspace.recipe(NAME)).lines if line.name == "key"}
    assert f"{key.stem}, committed by Bob: 1 entry" in found
    assert len(found) == 2


def test_nobody_commits_a_key_for_somebody_else(workspace: Workspace) -> None:
    """A rollback, a promotion and graft init leave a strange key uncommitted; the audit names it as not trusted."""
    own = committed_keys(workspace)
    make_key(workspace.root.parent / "eve.pem", workspace.trusted_keys)
    roll_back(workspace.recipe(NAME), "worse")
    promote(workspace, 4)
    init(workspace.root)
    assert committed_keys(workspace) == own
    result = audit(workspace.recipe(NAME))
    stray = next(path.name for path in workspace.trusted_keys.iterdir() if f"keys/{path.name}" not in own)
    (line,) = (line for line in result.lines if line.name == "key" and line.integrity == "open")
    assert f"keys/{stray}" in line.finding
    assert "every digest" not in result.headline


def test_another_key_in_the_place_of_ones_own(workspace: Workspace) -> None:
    """Bytes of another key under the name of one's own count for nothing, and init commits one's own in their place."""
    (own,) = workspace.trusted_keys.iterdir()
    content = own.read_bytes()
    make_key(workspace.root.parent / "eve.pem", workspace.root.parent / "elsewhere")
    own.write_bytes(next((workspace.root.parent / "elsewhere").iterdir()).read_bytes())
    with pytest.raises(TamperError):
        workspace.ledger().champion(NAME)
    init(workspace.root)
    assert own.read_bytes() == content
    assert workspace.ledger().champion(NAME)


def test_whoever_signs_here_counts_here(workspace: Workspace) -> None:
    """With a new key whose public half is not committed nothing is signed, since nobody could read it; init commits it."""
    workspace.private_key.unlink()
    make_key(workspace.private_key, workspace.trusted_keys)
    with pytest.raises(InputError, match="does not count") as refused:
        roll_back(workspace.recipe(NAME), "worse")
    assert "graft init" in refused.value.do
    assert len(workspace.ledger().promotions(NAME)) == 2
    init(workspace.root)
    assert len(committed_keys(workspace)) == 2
    assert roll_back(workspace.recipe(NAME), "worse").predicate.model_number == "0001"


def test_a_killed_init_is_finished(tmp_path: Path) -> None:
    """A key that was made and not committed is committed by the same command; a second init adds nothing."""
    workspace, added = init(tmp_path / "workspace")
    (key,) = (name for name in added if name.startswith("keys/"))
    git(workspace.root, "rm", "--quiet", "--cached", key)
    git(
        workspace.root, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "as if killed"
    )
    init(workspace.root)
    assert committed_keys(workspace) == [key]
    assert init(workspace.root)[1] == []


def test_names_beyond_ascii(workspace: Workspace) -> None:
    """What git quotes is read as the file that it is: a batch with any name is compared with the commit, and raises no alarm."""
    finish_run(workspace, 3)
    folder = workspace.recipe(NAME).monitor / 'b"\u00e4\n-1'
    folder.mkdir(parents=True)
    (folder / "record.json").write_text("{}")
    subprocess.run(["git", "add", "--all", "."], cwd=workspace.root, check=True)
    git(workspace.root, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "a batch")
    assert audit(workspace.recipe(NAME)).verdict == "intact"
    (folder / "record.json").write_text("[]")
    assert audit(workspace.recipe(NAME)).verdict == "broken"
