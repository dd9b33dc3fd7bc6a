"""Runs that can be killed: a tiny workspace, ``graft run`` in a process of its own, and what must hold once all is done."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from graft.recipe.text import recipe_text
from graft.records import DecisionRecord, ModelRecord, load_record, sha256_file, sweep
from graft_tasks.commands.adopt import adopt
from graft_tasks.commands.init import init
from graft_tasks.dvc.repro import commit, dvc, git, lockfile
from graft_tasks.processes.environment import environment
from graft_tasks.processes.locks import hold
from graft_tasks.registry.pin import pin
from graft_tasks.steps.context import STEPS, run_step
from graft_tasks.workspace import Workspace
from tests.support.tiny_models import write_trained_base

ROOT = Path(__file__).parents[2]
LETTERS = {"early": "abcdefghijklm", "late": "nopqrstuvwxyz"}
RECIPE = {
    "data.train": "rows.csv",
    "data.text": "text",
    "data.label": "label",
    "choose_base.bases": ["base"],
    "choose_base.n_folds": 2,
    "detect_shift.n_permutations": 199,
    "finetune.strategy": "full",
    "finetune.n_epochs": 2,
    "evaluate.n_bootstrap": 1000,
    "evaluate.margin_probe": 0.2,
    "embed.max_tokens": 48,
}


CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.truncate", "os.link", "subprocess.Popen"}
"""What Python tells of before it does it; so it does of a file that it opens for writing."""


def draw_rows(n: int, seed: int) -> tuple[list[str], list[str]]:
    """Return texts and labels. Two letters of three show the class: a base that was taught can tell, counts of words cannot."""
    rng = random.Random(seed)  # noqa: S311 - the same rows every time
    texts, labels = [], []
    for label, own in LETTERS.items():
        (other,) = (letters for name, letters in LETTERS.items() if name != label)
        for _ in range(n):
            letters = ["".join(rng.choice(own if rng.random() < 0.65 else other) for _ in range(5)) for _ in range(4)]
            texts.append(" ".join(letters))
            labels.append(label)
    return texts, labels


def write_rows(path: Path, n: int = 75, seed: int = 7) -> None:
    """Write rows as a table."""
    rows = (f"{text},{label}" for text, label in zip(*draw_rows(n, seed), strict=True))
    path.write_text("\n".join(["text,label", *rows]) + "\n")


def make_workspace(folder: Path, *names: str) -> Workspace:
    """Make a workspace on a tiny base that was taught the task, with recipes that lead to a promotion."""
    workspace, _ = init(folder / "workspace")
    texts, labels = draw_rows(750, 99)
    write_trained_base(workspace.root / "base", texts, np.array(labels))
    commit(workspace.root, "a base", ["base"])
    write_rows(folder / "rows.csv")
    for seed, name in enumerate(names):
        values = {**RECIPE, "data.dataset": name, "finetune.seed": seed}
        adopt(workspace.recipe(name), {"rows.csv": folder / "rows.csv"}, recipe_text(name, values))
    return workspace


def environment_for(home: Path) -> dict[str, str]:
    """Return an environment without any setting of Prefect, and a home for it that nothing is kept in."""
    plain = {key: value for key, value in environment().items() if not key.startswith(("PREFECT_", "DVC_"))}
    return plain | {"PREFECT_HOME": str(home), "OMP_NUM_THREADS": "1"}


def start_graft(workspace: Workspace, home: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start ``graft`` in a process of its own."""
    return subprocess.Popen(
        ["graft", *arguments],
        cwd=workspace.root,
        env=environment_for(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def killed_at(work: Callable[[], None], point: int) -> bool:
    """Do some work in a process that is killed before its so-many-th change of the disk; return whether it was."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    n_left = point

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal n_left
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if writes or event in CHANGES:
            n_left -= 1
            if n_left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    try:
        sys.addaudithook(count)
        work()
    finally:
        os._exit(0)


def outcome_of(workspace: Workspace, name: str) -> dict[str, object]:
    """Return what must be the same however often a run was cut off: records, models promoted, the number of runs."""
    return {
        "records": {step: sha256_file(workspace.recipe(name).record(step)) for step in STEPS},
        "models": [one.predicate.model_id for one in workspace.ledger().promotions(name)],
        "n_runs": len(list(workspace.ledger().runs(name))),
    }


def copy_workspace(workspace: Workspace, folder: Path) -> Workspace:
    """Return a copy of a workspace in a folder, which is made."""
    shutil.copytree(workspace.root, folder / "workspace", symlinks=True)
    return Workspace(folder / "workspace")


def undisturbed_outcome(workspace: Workspace, home: Path, name: str) -> dict[str, object]:
    """Return the facts of a run that nobody disturbs: each step once, in a process of its own with as many threads as a run."""
    command = [sys.executable, "-m", "tests.support.kill_points", str(workspace.root), name]
    subprocess.run(command, env=environment_for(home), cwd=ROOT, capture_output=True, check=True)
    model = load_record(workspace.recipe(name).record("finetune"), "finetune")
    decision = load_record(workspace.recipe(name).record("decide"), "decide")
    assert isinstance(model, ModelRecord)
    assert isinstance(decision, DecisionRecord)
    assert decision.verdict == "promote", decision.headline
    return outcome_of(workspace, name) | {"models": [model.model_id], "n_runs": 1}


def processes_in(workspace: Workspace, *words: str) -> list[int]:
    """Return the processes that work in a workspace and whose command line holds these words."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            inside = Path(os.readlink(folder / "cwd")).is_relative_to(workspace.root)
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if inside and int(folder.name) != os.getpid() and all(word in command for word in words):
            found.append(int(folder.name))
    return found


def check_intact(workspace: Workspace, *names: str) -> None:
    """Check that nothing half-written, locked, running or open is left, and that git and, for these recipes, DVC are content."""
    root = workspace.root
    assert sweep(root) == [], "a temporary file was left"
    assert [path for path in root.rglob("*.tmp") if path.parts[-2] != "tmp"] == []
    for path in (root / ".dvc" / "cache" / "files" / "md5").glob("*/*"):
        md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        assert md5 == path.parent.name + path.name.removesuffix(".dir"), f"{path} is half a file"
    for lock in [*(root / ".graft" / "locks").iterdir(), root / ".dvc" / "tmp" / "lock"]:
        with hold(lock, lock.name):
            pass
    assert not any(json.loads((root / ".dvc" / "tmp" / "rwlock").read_bytes()).values())
    for name in names:
        assert json.loads(dvc(root, "status", "--json", f"data/{name}/dvc.yaml") or "{}") == {}
        lock, its_copy = lockfile(root, name)
        assert lock.read_bytes() == its_copy.read_bytes()
    assert git(root, "status", "--porcelain") == "", "something is not committed"
    assert processes_in(workspace) == [], "a process is left"
    with sqlite3.connect(workspace.prefect_home / "prefect.db") as database:
        for table in ("flow_run", "task_run"):
            found = database.execute(f"select distinct state_type from {table}").fetchall()  # noqa: S608 - two constants
            assert {state for (state,) in found} <= {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}, table


if __name__ == "__main__":
    pin(Workspace(Path(sys.argv[1])).recipe(sys.argv[2]))
    for step in STEPS:
        run_step(Workspace(Path(sys.argv[1])).recipe(sys.argv[2]), step)
