"""CPU time of commands that have nothing to do, as recipes and runs grow: ``graft status``, of one recipe, and ``graft run``.

    python -m benchmarks.history --dir DIR [--rounds 5] [--source ROOT ...]

Three workspaces are made in DIR where they are absent: 2 recipes and 10 runs, 200 recipes and 10 runs, 2 recipes and 5,000
runs. One recipe is really run, on a tiny base with random weights; the other recipes are copies of it under other names, and the
other runs are written straight into the ledger, each with a real signature, twelve records of its own, and every tenth with a
promotion. Then the commands are started in turn, one round unmeasured; time is that of the process and all its children, from the
kernel. ``--source`` names checkouts to compare, each run by this interpreter; without it, the one that this file is of. *Cold* is
a command without the index of verified entries, which is taken away before it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from graft.ledger import Ledger, Run, Signer
from graft.recipe.text import recipe_text
from graft_tasks.commands.init import adopt, init
from graft_tasks.dvc.repro import commit
from graft_tasks.steps.context import STEPS
from graft_tasks.workspace import Workspace
from tests.support.tiny_models import write_tiny_base

ROOT = Path(__file__).parents[1]
NAME = "mail-0001"
FEW, MANY = (2, 10), (200, 5000)
"""Recipes and runs."""
WORKSPACES = {"2 recipes, 10 runs": FEW, "200 recipes": (MANY[0], FEW[1]), "5,000 runs": (FEW[0], MANY[1])}
COMMANDS = {"status": ["status"], "status RECIPE": ["status", NAME], "run RECIPE": ["run", NAME]}
KEYS = {
    "data.dataset": NAME, "data.train": "rows.csv", "data.text": "text", "data.label": "intent", "choose_base.bases": ["base"],
    "choose_base.n_folds": 2, "detect_shift.n_permutations": 199, "evaluate.n_bootstrap": 1000, "embed.max_tokens": 32,
    "finetune.strategy": "head",
}  # fmt: skip


def graft(root: Path, *arguments: str, source: Path = ROOT) -> str:
    """Run a command as a checkout has it, in a workspace; return what it printed."""
    code = "import sys; sys.argv[0] = 'graft'; from graft_cli.entry import main; main()"
    path = os.pathsep.join(str(source / folder) for folder in ("cli", "flows", "tasks", ""))
    command = [sys.executable, "-c", code, *arguments]
    variables = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=root, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def begin(folder: Path) -> None:
    """Make a workspace whose recipe ``NAME`` was really run, and has a champion."""
    workspace, _ = init(folder)
    write_tiny_base(folder / "base")
    commit(folder, "a base", ["base"])
    table = pd.read_csv(ROOT / "data/datasets/support/messages.csv", dtype=str, keep_default_na=False)
    rows = folder.with_suffix(".csv")
    table[table["intent"].isin(["cancel", "delivery"])].groupby("intent").head(40).to_csv(rows, index=False)
    adopt(workspace.recipe(NAME), {"rows.csv": rows}, recipe_text(NAME, KEYS))
    graft(folder, "run", NAME)
    if not workspace.ledger().promotions(NAME):
        graft(folder, "promote", NAME, "--reason", "the first")


def make(folder: Path, n_recipes: int, n_runs: int) -> None:
    """Give a copy of that workspace a history and more recipes; then its recipe is really run again."""
    first = folder.with_name("first")
    if not first.exists():
        begin(first)
    shutil.copytree(first, folder, symlinks=True)
    workspace = Workspace(folder)
    (real,) = workspace.ledger().runs(NAME)
    add_runs(workspace, real, n_runs)
    add_recipes(workspace, real, n_recipes)
    commit(folder, "a history", ["."])
    graft(folder, "run", NAME)
    assert json.loads(graft(folder, "run", NAME, "--json"))["ran"] is False
    subprocess.run(["git", "gc", "--quiet"], cwd=folder, check=True)


def keep(ledger: Ledger, content: bytes) -> str:
    """Write a blob without waiting for the disk; return its digest."""
    digest = sha256(content).hexdigest()
    path = Path(ledger.objects.where(f"blobs/{digest}"))
    path.write_bytes(content)
    return digest


def add_runs(workspace: Workspace, real: Run, n_runs: int) -> None:
    """Append runs like the real one until there are two less than so many, every tenth promoted, then go back to the first."""
    ledger, signer, said = workspace.ledger(), Signer(workspace.private_key), real.predicate
    records = {step: ledger.blob(digest) for step, digest in said.records.items()}
    inputs, (last,), previous = ledger.blob(said.inputs_sha256), ledger.promotions(NAME), real.entry
    first = last
    for k in range(n_runs - 2):
        mark = f"{k:016b}\n".translate({ord("0"): " ", ord("1"): "\t"}).encode()  # says nothing in JSON
        update: dict[str, Any] = {
            "records": {step: keep(ledger, content.rstrip() + mark) for step, content in records.items()},
            "inputs_sha256": keep(ledger, inputs.rstrip() + mark),
            "model_id": sha256(b"model %d" % k).hexdigest(),
            "previous": (previous,),
            "parents": (last.entry,),
            "verdict": "promote" if k % 10 == 9 else "hold",
        }
        run = ledger.add_run(said.model_copy(update=update), signer)
        previous = run.entry
        if k % 10 == 9:
            number = f"{int(last.predicate.number) + 1:04d}"
            update = {"number": number, "model_number": number, "model_id": run.predicate.model_id, "run": run.entry,
                      "parent": last.entry, "overrides": False, "reason": f"model {k}"}  # fmt: skip
            last = ledger.add_promotion(last.predicate.model_copy(update=update), signer)
    if last is not first:
        update = {"number": f"{int(last.predicate.number) + 1:04d}", "action": "rollback", "parent": last.entry}
        ledger.add_promotion(first.predicate.model_copy(update=update), signer)


def add_recipes(workspace: Workspace, real: Run, n_recipes: int) -> None:
    """Copy the recipe that was run under other names of the same length, each with its run and its champion in the ledger."""
    root, ledger, signer = workspace.root, workspace.ledger(), Signer(workspace.private_key)
    first, params = ledger.promotions(NAME)[0], workspace.params()
    files = [
        root / "recipes" / f"{NAME}.yaml",
        root / "data" / "datasets" / f"{NAME}.dvc",
        root / "registry" / NAME / "0001.dvc",
    ]
    files += [*(root / "data" / NAME).glob("*.*"), *(root / "data" / NAME).glob("*/*.json")]
    update: dict[str, Any]
    for k in range(2, n_recipes + 1):
        name = f"mail-{k:04d}"
        for path in files:
            copy = root / str(path.relative_to(root)).replace(NAME, name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(path.read_text().replace(NAME, name))
        shutil.copytree(workspace.dataset(NAME), workspace.dataset(name))
        params["recipes"][name] = {"dataset": name}
        records = {step: keep(ledger, workspace.recipe(name).record(step).read_bytes()) for step in STEPS}
        update = {
            "recipe": name,
            "records": records,
            "inputs_sha256": keep(ledger, workspace.recipe(name).inputs.read_bytes()),
        }
        run = ledger.add_run(real.predicate.model_copy(update={**update, "parents": (), "previous": ()}), signer)
        update = {"recipe": name, "run": run.entry, "parent": None}
        ledger.add_promotion(first.predicate.model_copy(update=update), signer)
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=True))


def cpu_seconds(root: Path, arguments: list[str], source: Path) -> float:
    """Return the CPU time of a command and everything that it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    graft(root, *arguments, source=source)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def forget(root: Path) -> None:
    """Take the index of verified entries away."""
    shutil.rmtree(root / ".graft" / "cache" / "ledger", ignore_errors=True)


def main() -> None:
    """Make what is lacking, measure, print medians."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--dir", type=Path, required=True)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--source", type=Path, nargs="+", default=[ROOT])
    given = arguments.parse_args()
    roots = {title: (given.dir / f"{recipes}-{runs}").absolute() for title, (recipes, runs) in WORKSPACES.items()}
    for title, root in roots.items():
        if not (root / ".git").exists():
            make(root, *WORKSPACES[title])
            print(f"made {root}", flush=True)
    sources = [source.absolute() for source in given.source]
    warm: dict[tuple[Path, str, str], list[float]] = {}
    for k in range(given.rounds + 1):
        for (command, words), source, (title, root) in product(COMMANDS.items(), sources, roots.items()):
            seconds = cpu_seconds(root, words, source)
            if k:
                warm.setdefault((source, command, title), []).append(seconds)
    for source in sources:
        print(f"{source.name}: CPU seconds, median of {given.rounds} (least to most), over that of few; cold, once")
        for (command, words), (title, root) in product(COMMANDS.items(), roots.items()):
            values, few = warm[source, command, title], warm[source, command, next(iter(roots))]
            forget(root)
            cold, median = cpu_seconds(root, words, source), statistics.median(values)
            spread = f"{median:6.2f} ({min(values):.2f} to {max(values):.2f})"
            print(f"  {command:<14} {title:<20} {spread}  x{median / statistics.median(few):.2f}  cold {cold:.2f}")


if __name__ == "__main__":
    main()
