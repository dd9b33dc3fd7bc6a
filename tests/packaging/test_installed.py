"""The built wheel in an environment of its own, used from a folder outside the clone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from graft import __version__
from graft_tasks.processes.environment import QUIET
from tests.packaging.conftest import ROOT, Dist

PACKAGES = ("graft", "graft_tasks", "graft_flows", "graft_cli")
TEAM = ("flows", "tasks")
"""Packages of a team that has Graft in the same environment."""
CLASSES = ["cancel", "delivery", "fault", "refund"]
Run = Callable[..., str]


@pytest.fixture(scope="module")
def environment(dist: Dist, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel, a team's packages ``flows`` and ``tasks``, and the dependencies of this one."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(folder, symlinks=True, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(dist.wheel)], check=True, env=_variables(folder))
    packages = next((folder / "lib").glob("python*/site-packages"))
    for name in TEAM:
        (packages / name).mkdir()
        (packages / name / "__init__.py").write_text('OWNER = "team"\n')
    # A path file of a folder that is named in a path file is not read: this clone's editable install stays out.
    shared = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    (packages / "dependencies.pth").write_text("\n".join(sorted(shared)) + "\n")
    return folder


def _variables(folder: Path) -> dict[str, str]:
    """Return the variables of a shell in which this environment is active, and nothing leads to the clone."""
    variables = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PREFECT_API_URL")}
    variables["PATH"] = os.pathsep.join(
        [str(folder / "bin"), str(Path(shutil.which("git") or "git").parent), os.defpath]
    )
    return {**variables, **QUIET, "VIRTUAL_ENV": str(folder), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def run(environment: Path) -> Run:
    """Run a command of that environment in a folder and return what it printed."""

    def run(*command: str | Path, at: Path) -> str:
        name, *arguments = map(str, command)
        done = subprocess.run(
            [str(environment / "bin" / name), *arguments],
            cwd=at,
            env=_variables(environment),
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


@pytest.fixture(scope="module")
def workspace(run: Run, tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that the installed command made, with a first champion of a tiny base."""
    folder = tmp_path_factory.mktemp("outside")
    table = pd.read_csv(ROOT / "data" / "datasets" / "support" / "messages.csv", dtype=str, keep_default_na=False)
    rows = table[table["intent"].isin(CLASSES)].groupby("intent").head(40)
    rows.to_csv(folder / "messages.csv", index=False)
    run("graft", "init", "models", at=folder)
    workspace = folder / "models"
    shutil.copytree(tiny_base, workspace / "base")
    columns = ("--text", "text", "--label", "intent", "--group", "customer_id", "--sensitive", "variety")
    data = ("--data", "../messages.csv", "--base", "base", "--strategy", "head")
    run("graft", "new", "support", *data, *columns, at=workspace)
    run("graft", "run", "support", at=workspace)
    run("graft", "promote", "support", "--reason", "random weights, for a test", at=workspace)
    return workspace


def test_only_the_wheel_is_imported(run: Run, environment: Path, tmp_path: Path) -> None:
    """Every package of Graft comes from the environment, and its version is that of the distribution."""
    lines = [
        f"import importlib.metadata, {', '.join(PACKAGES)}",
        *(f"print({name}.__file__)" for name in PACKAGES),
        "print(importlib.metadata.distribution('graft-mlops')._path)",
        "print(importlib.metadata.version('graft-mlops'))",
    ]
    *places, version = run("python", "-c", "\n".join(lines), at=tmp_path).split()
    assert [place for place in places if not place.startswith(f"{environment}/")] == []
    assert version == __version__
    assert run("graft", "--version", at=tmp_path) == f"graft {__version__}\n"


def test_a_team_keeps_its_own_flows_and_tasks(run: Run, tmp_path: Path) -> None:
    """Graft installs no package of these names, so those of a team are the ones that are imported."""
    printed = run("python", "-c", "import flows, tasks, graft; print(flows.OWNER, tasks.OWNER)", at=tmp_path)
    assert printed == "team team\n"


@pytest.mark.slow
def test_a_model_is_trained_and_promoted(run: Run, workspace: Path) -> None:
    """Init, new, run and promote work outside the clone, beside a team's ``flows`` and ``tasks``; the audit finds all intact."""
    assert "INTACT" in run("graft", "audit", "support", at=workspace)
    assert (workspace / "registry" / "support" / "0001" / "graft.json").is_file()
    assert (workspace / "pages" / "support" / "report.html").is_file()


@pytest.mark.slow
def test_the_library_page_runs(run: Run, workspace: Path) -> None:
    """The lines of docs/library.md run in the workspace by the installed library; only the data has another file name here."""
    page = (
        (ROOT / "docs" / "library.md").read_text(encoding="utf-8").replace("support/messages.csv", "support/train.csv")
    )
    code = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    script = workspace.parent / "page.py"
    script.write_text("\n".join([*code, "import json", "print(json.dumps([labels.tolist(), tally.n_promotions]))"]))
    labels, n_promotions = json.loads(run("python", script, at=workspace).splitlines()[-1])
    assert set(labels) <= set(CLASSES)
    assert n_promotions == 1


@pytest.mark.long
def test_the_demo_runs(run: Run, minilm: Path, tmp_path: Path) -> None:
    """``graft demo`` needs nothing but the wheel and its extra ``minilm``: it ends with a champion and an intact audit."""
    printed = run("graft", "demo", "--dir", "demo", at=tmp_path)
    assert "PROMOTE" in printed
    assert "INTACT" in printed
    assert (tmp_path / "demo" / "pages" / "support" / "chain.html").is_file()
