"""What is freed is what nobody needs: no promotion, rollback, chain or version of the data loses a byte."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from graft.records import digest_folder
from graft_tasks.dvc.cache import Cache
from graft_tasks.dvc.garbage import Garbage, collect, find_garbage
from graft_tasks.dvc.repro import dvc, git
from graft_tasks.registry.audit import audit
from graft_tasks.registry.promote import roll_back
from graft_tasks.workspace import Workspace
from tests.support.cli_runner import CommandLine, check_unchanged, folder_contents

pytestmark = pytest.mark.slow

MODELS = ("known/0001", "known/0002", "known/0003", "grown/0001")


def without_folders(workspace: Workspace) -> None:
    """Take everything away that DVC can bring back."""
    for name in MODELS:
        shutil.rmtree(workspace.root / "registry" / name)
    for folder in (workspace.root / "data").glob("*/*"):
        shutil.rmtree(folder / "files", ignore_errors=True)
        if folder.parent.name == "datasets" and folder.is_dir():
            shutil.rmtree(folder)


def model_ids(workspace: Workspace) -> dict[str, str]:
    return {name: digest_folder(workspace.root / "registry" / name)[1] for name in MODELS}


def held(workspace: Workspace) -> int:
    folder = workspace.root / ".dvc" / "cache" / "files" / "md5"
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("how", ["graft gc", "dvc gc"])
def test_what_is_promoted_survives(many_models: Workspace, how: str) -> None:
    """After gc, and without one working folder, every promoted model comes back with its digest and the chains are intact."""
    before = model_ids(many_models)
    assert len(set(before.values())) == 4, "the models are to be different ones"
    if how == "graft gc":
        assert collect(many_models).n_free > 0
    else:
        dvc(many_models.root, "gc", "--workspace", "--force")
    without_folders(many_models)
    dvc(many_models.root, "checkout")
    assert model_ids(many_models) == before
    for name in ("known", "grown"):
        assert audit(many_models.recipe(name)).verdict == "intact"
    roll_back(many_models.recipe("known"), "further back")
    assert audit(many_models.recipe("known")).verdict == "intact"


def test_every_version_of_the_data_survives(many_models: Workspace) -> None:
    """Each dataset that a run names can be brought back, file by file, as it was: dvc gc alone would take older ones."""
    versions = {}
    for commit in git(many_models.root, "log", "--format=%H", "--", "data/datasets").split():
        for name in git(many_models.root, "ls-tree", "--name-only", commit, "data/datasets/").split():
            versions[git(many_models.root, "show", f"{commit}:{name}")] = commit, name
    assert len(versions) == 5
    collect(many_models)
    for text, (_, name) in versions.items():
        (many_models.root / name).write_text(text)
        shutil.rmtree((many_models.root / name).with_suffix(""))
        dvc(many_models.root, "checkout", name)
    datasets = {run.predicate.dataset_sha256 for run in many_models.ledger().runs("known")}
    git(many_models.root, "checkout", "--", "data/datasets")
    dvc(many_models.root, "checkout", "data/datasets/known.dvc")
    assert digest_folder(many_models.dataset("known"))[1] in datasets


def test_the_announced_bytes_are_freed(many_models: Workspace) -> None:
    """Looking changes nothing; collecting frees what was announced, to the byte; afterwards there is nothing to free."""
    with check_unchanged(many_models.root):
        announced = find_garbage(many_models)
    assert announced.free_bytes > 0
    assert not announced.freed
    assert (
        sum(need.n_bytes for need in announced.needs) + announced.free_bytes == announced.n_bytes == held(many_models)
    )
    freed = collect(many_models)
    assert freed.freed
    assert freed.free_bytes == announced.free_bytes
    assert held(many_models) == announced.n_bytes - announced.free_bytes
    assert find_garbage(many_models).free_bytes == 0


def test_who_needs_what_is_said(many_models: Workspace) -> None:
    """Champions, the model that a rollback goes to, what a chain grew from, older models, data and candidates by name."""
    needs = {need.kind: need.names for need in find_garbage(many_models).needs}
    assert sorted(needs["champions"]) == ["grown 0001", "known 0002"]
    assert needs["rollbacks"] == ["known 0001"]
    assert needs["earlier models"] == ["known 0003"]
    assert sorted(needs["datasets"]) == ["grown", "known"]
    assert sorted(needs["candidates"]) == ["grown", "known"]


def test_dvc_would_keep_nothing_that_is_freed(many_models: Workspace) -> None:
    """What graft gc frees, dvc gc --workspace would free too."""
    said = dvc(many_models.root, "gc", "--workspace", "--force", "--dry")
    by_dvc = {"".join(Path(line.split()[1]).parts[-2:]) for line in said.splitlines() if line.startswith("Removing")}
    before = set(objects(many_models))
    collect(many_models)
    assert before - set(objects(many_models)) <= by_dvc


def objects(workspace: Workspace) -> list[str]:
    folder = Cache.of(workspace).folder
    return [path.parent.name + path.name for path in folder.glob("*/*")]


def test_what_was_cut_off_goes_and_what_goes_on_stays(promoted: Workspace) -> None:
    """Half files in the cache and checkpoints of a run that is over go; the checkpoint of a run that is not stays."""
    half = next((promoted.root / ".dvc/cache/files/md5").iterdir()) / ".abc.tmp"
    half.write_bytes(bytes(1000))
    checkpoint = promoted.root / ".graft" / "checkpoints" / "known" / "finetune.safetensors"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(bytes(500))
    found = find_garbage(promoted)
    assert found.left_over_bytes == 1500
    pinned = promoted.recipe("known").inputs
    pinned.rename(pinned.with_suffix(".away"))
    assert find_garbage(promoted).left_over_bytes == 1000
    collect(promoted)
    assert checkpoint.is_file()
    assert not half.exists()
    pinned.with_suffix(".away").rename(pinned)
    collect(promoted)
    assert not checkpoint.exists()


def test_a_run_that_goes_on_is_left_alone(promoted: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    """While a recipe is held nothing is freed, and it is said who holds it."""
    from graft_tasks.processes.locks import hold

    cli = CommandLine(promoted.root, capsys)
    with hold(promoted.recipe("known").lock("run"), "known"):
        cli.refuses("gc", "--yes", words=("Another process holds known",), exit_code=1)


def test_an_altered_ledger_or_a_shallow_clone_frees_nothing(
    promoted: Workspace,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where it cannot be told who needs what, nothing is deleted."""
    cli = CommandLine(promoted.root, capsys)
    before = folder_contents(promoted.root / ".dvc" / "cache")
    pointer = promoted.root / "registry" / "known" / "0001.dvc"
    content = pointer.read_bytes()
    pointer.write_bytes(content[:20])
    cli.refuses("gc", "--yes", words=("registry/known/0001.dvc", "restore it with git"), exit_code=1)
    pointer.write_bytes(content)
    entry = promoted.root / "ledger" / "promotions" / "known" / "0001.json"
    entry.write_bytes(entry.read_bytes()[:-20])
    assert cli.run("gc", "--yes").exit_code == 1
    assert folder_contents(promoted.root / ".dvc" / "cache") == before
    git(promoted.root, "checkout", "--", "ledger")
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{promoted.root}", "shallow")
    (tmp_path / "shallow" / ".graft").mkdir()
    CommandLine(tmp_path / "shallow", capsys).refuses("gc", "--yes", words=("git fetch --unshallow",))


def test_the_command_says_and_frees(many_models: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    """graft gc says how much can go and how; --yes frees it; --json gives the same numbers."""
    cli = CommandLine(many_models.root, capsys)
    said = cli.succeeds("gc")
    assert re.search(r"FREE  [\d.]+ MB can be freed", said)
    assert "graft gc --yes" in said
    assert all(len(line) <= 80 and line.isascii() for line in said.splitlines())
    facts = json.loads(cli.succeeds("gc", "--yes", "--json"))
    assert facts["freed"]
    assert "CLEAN" in cli.succeeds("gc")
    assert Garbage(**{**facts, "needs": []}).free_bytes > 0
