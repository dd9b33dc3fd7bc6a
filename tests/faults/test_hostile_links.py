"""Links that lead out of a workspace: refused before anything is read or written through them, wherever they lie."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from graft.errors import GraftError
from graft_tasks.registry.pin import pin
from graft_tasks.workspace import Workspace
from tests.support.bad_files import GOOD_CSV
from tests.support.cli_runner import NEW_OPTIONS, CommandLine, check_error, check_unchanged
from tests.support.refusals import refused

COMMANDS = (
    ("status",), ("status", "known"), ("run", "known"), ("validate", "known"), ("validate", "known", "--fix"),
    ("add", "known", "{rows}"), ("new", "fresh", "--data", "{rows}", *NEW_OPTIONS), ("monitor", "known", "{rows}"),
    ("audit", "known"),
    ("promote", "known", "--reason", "x"), ("rollback", "known", "--reason", "x"), ("step", "ingest", "known"),
)  # fmt: skip


@pytest.fixture
def cli_copy(cli: CommandLine, tmp_path: Path) -> CommandLine:
    """A workspace of one's own, to be spoilt, with a folder beside it that nothing may touch."""
    shutil.copytree(cli.root, tmp_path / "around" / "workspace", symlinks=True)
    (tmp_path / "around" / "outside").mkdir()
    (tmp_path / "around" / "outside" / "secret.txt").write_text("secret")
    pin(Workspace(tmp_path / "around" / "workspace").recipe("known"))
    (tmp_path / "rows.csv").write_bytes(GOOD_CSV + b"m99,another message about a card,card\n")
    return CommandLine(tmp_path / "around" / "workspace", cli.capsys)


def redirect(path: Path, outside: Path, how: str) -> None:
    """Move what lies at a path outside and put a link there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    target = outside / path.name.lstrip(".")
    if path.exists():
        path.rename(target)
    elif not path.suffix:
        target.mkdir()
    path.symlink_to(
        target
        if how == "absolute"
        else Path(*[".."] * len(path.parent.relative_to(outside.parent).parts)) / "outside" / target.name
    )
    assert path.resolve() == target


@pytest.mark.parametrize("how", ["absolute", "relative"])
@pytest.mark.parametrize("name", ["recipes", "data", "registry", "ledger", "keys", "pages", ".graft", "params.yaml"])
def test_a_folder_of_the_workspace_is_a_link(cli_copy: CommandLine, tmp_path: Path, name: str, how: str) -> None:
    """No command reads or writes through a link in the place of a folder, not even where it leads to the very same files."""
    outside = tmp_path / "around" / "outside"
    redirect(cli_copy.root / name, outside, how)
    with check_unchanged(cli_copy.root), check_unchanged(outside):
        for command in COMMANDS:
            arguments = [part.format(rows=tmp_path / "rows.csv") for part in command]
            said = cli_copy.run(*arguments)
            assert said.exit_code == 2, (command, said)
            assert f"error: {name} is a link; Graft reads and writes only what lies in the workspace." in said.err


PLACES = {
    "a recipe": ("recipes/known.yaml", ("run known", "validate known", "status known", "add known {rows}")),
    "a dataset": ("data/datasets/known", ("run known", "validate known", "add known {rows}")),
    "all datasets": ("data/datasets", ("run known", "validate known", "add known {rows}", "new fresh --data {rows}")),
    "a recipe's folder": ("data/known", ("run known", "step ingest known")),
    "a pin": ("data/known/inputs.json", ("run known", "step ingest known")),
    "a step": ("data/known/ingest", ("step ingest known",)),
    "a step's files": ("data/known/ingest/files", ("step ingest known",)),
    "a record": ("data/known/ingest/record.json", ("step ingest known",)),
    "a lock": (".graft/locks/known.ingest", ("step ingest known",)),
    "all locks": (".graft/locks", ("step ingest known",)),
    "the registry of a recipe": ("registry/known", ()),
    "a promoted model": ("registry/known/0001", ()),
    "a batch": ("data/known/monitor/batch-1", ("status known",)),
    "a key": ("keys/evil.pem", ("status known", "audit known", "run known")),
    "pages": ("pages/known", ()),
    "a new dataset's name": ("data/datasets/fresh", ("new fresh --data {rows}",)),
    "a new recipe's name": ("recipes/fresh.yaml", ("new fresh --data {rows}",)),
    "parameters": ("params.yaml", ("run known", "new fresh --data {rows}")),
}


@pytest.mark.parametrize("what", PLACES)
def test_links_that_are_hard_to_see(cli_copy: CommandLine, tmp_path: Path, what: str) -> None:
    """A link anywhere below is refused by whatever would go through it, with its path, and nothing changes on either side."""
    name, commands = PLACES[what]
    outside = tmp_path / "around" / "outside"
    redirect(cli_copy.root / name, outside, "relative" if len(what) % 2 else "absolute")
    space = Workspace(cli_copy.root)
    paths = {
        "registry": lambda: space.recipe("known").registry,
        "pages": lambda: space.recipe("known").pages,
        "data": lambda: (space.dataset("known"), space.dataset("fresh"), space.recipe("known").files("ingest"),
                         space.recipe("known").inputs, space.recipe("known").monitor),
        "recipes": lambda: (space.recipe("known").path, space.recipe("fresh").path),
        ".graft": lambda: space.recipe("known").lock("ingest"),
        "keys": lambda: space.trusted_keys,
        "params.yaml": space.params,
    }  # fmt: skip
    with check_unchanged(cli_copy.root), check_unchanged(outside):
        with refused("workspace-link") as caught:
            paths[name.split("/")[0]]()
        assert caught.value.where == str(cli_copy.root / name)
        for command in commands:
            arguments = [
                *command.format(rows=tmp_path / "rows.csv").split(),
                *(NEW_OPTIONS if "new" in command else ()),
            ]
            said = cli_copy.run(*arguments)
            assert said.exit_code == 2, (command, said)
            check_error("\n".join(line for line in said.err.splitlines() if not line.startswith("  kind")), ())
            assert said.error_code == "workspace-link", (command, said)


LOOPS = ("data/known/inputs.json", "data/datasets/known", "recipes/known.yaml", ".graft", "params.yaml", "data")


@pytest.mark.parametrize("name", LOOPS)
def test_links_that_lead_nowhere(cli_copy: CommandLine, tmp_path: Path, name: str) -> None:
    """A link to itself, around a circle or to nothing is a link: named, never followed."""
    path = cli_copy.root / name
    for target in (path.name, "circle", "nothing-at-all"):
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
        if target == "circle":
            (path.parent / "circle").symlink_to(path.name)
        with check_unchanged(cli_copy.root):
            said = cli_copy.run("run", "known")
            assert said.exit_code == 2, said
            check_error(said.err, (name,))
            assert said.error_code == "workspace-link", said


@pytest.mark.parametrize("how", ["a file", "a folder", "a file beside"])
def test_links_inside_a_dataset(cli_copy: CommandLine, tmp_path: Path, how: str) -> None:
    """A link among the files of a dataset is refused when the dataset is digested: when it is pinned, added to and read."""
    folder, outside = cli_copy.root / "data" / "datasets" / "known", tmp_path / "around" / "outside"
    if how == "a folder":
        (folder / "more").symlink_to(outside)
    elif how == "a file beside":
        (folder / "more.csv").symlink_to(outside / "secret.txt")
    else:
        (folder / "rows.csv").rename(outside / "rows.csv")
        (folder / "rows.csv").symlink_to(outside / "rows.csv")
    with check_unchanged(cli_copy.root / "data"), check_unchanged(outside):
        said = cli_copy.run("run", "known")
    assert said.exit_code != 0
    assert said.error_code == "folder-not-plain", said
    assert "Traceback" not in said.err


def test_a_workspace_that_is_itself_reached_by_a_link(cli_copy: CommandLine, tmp_path: Path) -> None:
    """The way to a workspace may be a link: it is the person's own."""
    (tmp_path / "way").symlink_to(cli_copy.root)
    assert Workspace.find(tmp_path / "way").root == cli_copy.root
    assert CommandLine(tmp_path / "way", cli_copy.capsys).succeeds("status", "--json")


@pytest.fixture
def promoted(cli_copy: CommandLine) -> Path:
    """A folder in the registry that looks like a promoted model."""
    folder = cli_copy.root / "registry" / "known" / "0001"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.parametrize(
    "revision", ["../../../outside", "/etc", "", "0001/../../..", "1", "0001\n", "\u0660\u0660\u0660\u0661"]
)
def test_a_pinned_number_leads_nowhere_else(cli_copy: CommandLine, promoted: Path, revision: str) -> None:
    """A pin that says another folder in the place of a promotion's number is not followed."""
    from graft.records import Base
    from graft_tasks.registry.bases import locate

    base = Base(
        id="graft:known@champion",
        revision=revision,
        sha256="0" * 64,
        folder_sha256="0" * 64,
        n_parameters=0,
        licence="unknown",
    )
    with pytest.raises(GraftError, match="is no promotion's number"):
        locate(Workspace(cli_copy.root), base)
