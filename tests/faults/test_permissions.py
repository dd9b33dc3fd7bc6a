"""A disk that may only be read, and permissions that were lost: every command says so in a sentence, and changes nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from graft_tasks.processes.environment import environment
from tests.support.cli_runner import CommandLine, check_error, folder_contents
from tests.support.registry_workspace import learnable_rows
from tests.support.small_disk import MakeSmallDisk

pytestmark = pytest.mark.slow
OTHER = 65534
CODE = """
import json, sys
from graft_cli.main import main
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["graft", *arguments]
    try:
        main()
    except SystemExit as end:
        print(f"exit {end.code or 0}", file=sys.stderr, flush=True)
"""
COMMANDS = {
    "run": ("run", "grown"),
    "add": ("add", "known", "more.csv"),
    "new": ("new", "fresh", "--data", "more.csv", "--text", "text", "--label", "label"),
    "validate": ("validate", "known", "--fix"),
    "promote": ("promote", "grown", "--reason", "because"),
    "rollback": ("rollback", "known", "--reason", "because"),
    "monitor": ("monitor", "known", "more.csv"),
    "fetch": ("fetch", "known"),
    "gc": ("gc", "--yes"),
}


def _arguments(name: str, folder: Path) -> list[str]:
    return [str(folder / "more.csv") if part == "more.csv" else part for part in COMMANDS[name]]


def test_a_disk_that_may_only_be_read(
    small_disk: MakeSmallDisk,
    many_models_once: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every command that writes says so in one sentence, and changes nothing; status and gc still answer."""
    (tmp_path / "more.csv").write_bytes(learnable_rows(40, 9))
    workspace = small_disk(many_models_once, 2**20)
    subprocess.run(["mount", "-o", "remount,ro", str(workspace.root.parent)], check=True)
    cli = CommandLine(workspace.root, capsys)
    for name in COMMANDS:
        words = ("The disk may only be read.", "mount it for writing")
        cli.refuses(*_arguments(name, tmp_path), words=words, exit_code=1)
    cli.succeeds("status")


@pytest.mark.parametrize(
    "lost",
    ["the whole workspace", "ledger", ".dvc/cache", "registry"],
)
def test_permissions_that_were_lost(
    many_models_once: Path, tmp_path_factory: pytest.TempPathFactory, lost: str
) -> None:
    """Another user, to whom the workspace or a part of it does not belong: one sentence, exit 1, nothing changed."""
    folder = tmp_path_factory.mktemp("other")
    (folder / "more.csv").write_bytes(learnable_rows(40, 9))
    workspace = Path(shutil.copytree(many_models_once, folder / "workspace", symlinks=True))
    for place in [*reversed(folder.parents[:3]), folder]:
        place.chmod(place.stat().st_mode | 0o055)
    if lost != "the whole workspace":
        subprocess.run(["chown", "-R", f"{OTHER}:{OTHER}", str(workspace)], check=True)
        subprocess.run(["chown", "-R", "0:0", str(workspace / lost)], check=True)
    names = [name for name in COMMANDS if name != "gc"] if lost == "the whole workspace" else ["promote"]
    before = folder_contents(workspace)
    _, *done = _as_other_user(folder, workspace, [["status"], *(_arguments(name, folder) for name in names)])
    for name, err in zip(names, done, strict=True):
        *lines, end = err.splitlines()
        assert end == "exit 1", (name, err)
        check_error("\n".join(lines), ())
        assert "may not be used" in lines[0] or "ermission denied" in err, (name, err)
    if lost == "the whole workspace":
        assert folder_contents(workspace) == before


def _as_other_user(folder: Path, workspace: Path, commands: list[list[str]]) -> list[str]:
    """Run commands as somebody else, one after the other; return what each said and how it ended."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("no command can be run as another user here")
    home = folder / "home"
    home.mkdir(exist_ok=True)
    shutil.chown(home, OTHER, OTHER)
    variables = environment() | {
        "HOME": str(home),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    other = ["setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--clear-groups", sys.executable, "-c", CODE]
    command = [*other, json.dumps(commands)]
    done = subprocess.run(command, cwd=workspace, env=variables, capture_output=True, text=True, check=False)
    if not done.stderr.startswith("exit 0\n"):  # of the first command, which only reads
        pytest.skip(f"no command can be run as another user here: {done.stderr[-300:]}")
    return re.findall(r"(.*?^exit [0-9]+)$\n", done.stderr, re.DOTALL | re.MULTILINE)
