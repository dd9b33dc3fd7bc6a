"""``graft run`` stopped as it trains, at a terminal or by a signal: it keeps where it stood, and the same command goes on."""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from safetensors import safe_open

from graft.model.checkpoint import TrainingState
from graft.recipe.text import recipe_text
from graft.records import sha256_file
from graft_tasks.commands.adopt import adopt
from graft_tasks.commands.init import init
from graft_tasks.dvc.repro import commit
from graft_tasks.workspace import Workspace
from tests.support.kill_points import (
    RECIPE,
    ROOT,
    check_intact,
    copy_workspace,
    environment_for,
    processes_in,
    start_graft,
    write_rows,
)
from tests.support.tiny_models import write_tiny_base

pytestmark = pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="looks for processes in /proc")
KEYS = {**RECIPE, "data.dataset": "tiny", "finetune.n_epochs": 60}
FINETUNE = (
    "from pathlib import Path; from graft_tasks.steps.context import *; "
    "run_step(Workspace(Path({!r})).recipe('tiny'), 'finetune')"
)


def make_priced(folder: Path) -> Workspace:
    """Make a workspace whose training takes a few seconds, on a machine that costs 3,600 an hour."""
    workspace, _ = init(folder / "workspace")
    write_tiny_base(workspace.root / "base")
    write_rows(folder / "rows.csv")
    adopt(workspace.recipe("tiny"), {"rows.csv": folder / "rows.csv"}, recipe_text("tiny", KEYS))
    params = workspace.params() | {"cost": {"price_per_hour": 3600, "currency": "EUR"}}
    (workspace.root / "params.yaml").write_text(yaml.safe_dump(params))
    commit(workspace.root, "a price", ["base", "params.yaml"])
    return workspace


def run_and_stop(workspace: Workspace, home: Path, how: str) -> tuple[int, str]:
    """Run on a terminal and stop as soon as a loss with what remains is shown; return exit code and what was shown.

    Args:
        how: ``keyboard``, which reaches every process in front, or the signal that the command alone is sent.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's; what is started in the background ignores Ctrl-C
        os.chdir(workspace.root)
        os.execvpe("graft", ["graft", "run", "tiny"], {**environment_for(home), "TERM": "xterm", "COLUMNS": "80"})  # noqa: S606
    said, is_stopped = b"", False
    try:
        while more := os.read(terminal, 65536):
            said += more
            if not is_stopped and re.search(rb"loss [^\r\n]* left", said):
                is_stopped = True
                if how == "keyboard":
                    os.write(terminal, b"\x03")
                else:
                    os.kill(pid, signal.Signals[how])
    except OSError:  # how Linux says that nobody holds the other side any more
        pass
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode())


def undisturbed(workspace: Workspace, home: Path) -> str:
    """Return the digest of the record of a finetune that begins anew and that nobody stops."""
    shutil.rmtree(workspace.root / ".graft" / "checkpoints")
    command = [sys.executable, "-c", FINETUNE.format(str(workspace.root))]
    subprocess.run(command, env=environment_for(home), cwd=ROOT, capture_output=True, check=True)
    return sha256_file(workspace.recipe("tiny").record("finetune"))


def n_done(workspace: Workspace) -> int:
    """Return after which step of the training its checkpoint was written."""
    (checkpoint,) = (workspace.root / ".graft" / "checkpoints" / "tiny").iterdir()
    with safe_open(checkpoint, framework="pt") as file:
        return TrainingState.model_validate_json(file.metadata()["stand"]).n_done


@pytest.mark.slow
def test_a_run_that_is_stopped_goes_on(tmp_path: Path) -> None:
    """By Ctrl-C, or by SIGINT or SIGTERM to the command alone: exit code 130 and a sentence, and no process is left; the step of
    the training that it was in is kept each time, and the model has the same bits."""
    workspace, home = make_priced(tmp_path), tmp_path / "prefect"
    stands = [0]
    for how in ("keyboard", "SIGINT", "SIGTERM"):
        code, shown = run_and_stop(workspace, home, how)
        assert code == 130, shown
        assert "Traceback" not in shown, shown
        assert shown.rstrip().endswith("stopped; the same command goes on from here")
        assert "finetune      stopping  at the end of what it does" in shown
        assert re.search(r"epoch \d+ of 60, loss \d\.\d+ +\d+s left, \d+\.\d\d of \d+\.\d\d EUR", shown), shown
        assert processes_in(workspace) == [], "a process is left"
        assert not workspace.recipe("tiny").files("finetune").exists()
        stands.append(n_done(workspace))
        assert stands[-1] > stands[-2]
    expected = undisturbed(copy_workspace(workspace, tmp_path / "undisturbed"), home)

    said, _ = start_graft(workspace, home, "run", "tiny").communicate(timeout=300)
    assert f"goes on after step {stands[-1]:,}" in said
    assert re.search(r"steps +\d+s, .* Wh, (estimated|measured), \d+\.\d\d EUR", said), said
    assert sha256_file(workspace.recipe("tiny").record("finetune")) == expected
    check_intact(workspace, "tiny")
