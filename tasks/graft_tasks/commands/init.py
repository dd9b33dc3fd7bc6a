"""Makes a workspace, or adds to a clone what git does not carry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from graft.errors import InputError
from graft.recipe.json_schema import SCHEMA_FILE, schema_text
from graft.records import write_atomic
from graft_tasks.dvc.pipeline import TOPMOST
from graft_tasks.dvc.repro import commit, dvc, git
from graft_tasks.registry.keys import own_key
from graft_tasks.workspace import Workspace

GITIGNORE = """# What DVC keeps is not for git; records are.
# The brackets matter: DVC reads "/registry/*/*/" as ignoring registry/NAME/ itself, and then neither pushes nor keeps models.
/.graft/
/pages/
/data/datasets/[a-z0-9]*/
/data/*/*/*
!/data/*/*/record.json
!/data/*/*/report.json
!/data/*/monitor/*/
/data/*/monitor/*/*
!/data/*/monitor/*/record.json
/registry/*/[0-9]*/
# What is being written is not there yet.
.*.part
"""
DVCIGNORE = "__pycache__\n.venv\n.graft\npages\n"
SCHEMA = f"recipes/{SCHEMA_FILE}"
"""What editors know recipes by; renewed by each version's ``init``."""
_CARRIED = {"support": "data/datasets/support", "support.yaml": "recipes/support.yaml"}


def carried(name: str) -> Path:
    """Return a file or folder that Graft carries: inside the package in a wheel, beside it in a checkout."""
    inside = Path(__file__).parents[1] / "bundled" / name
    return inside if inside.exists() else Path(__file__).parents[3] / _CARRIED[name]


def init(folder: Path) -> tuple[Workspace, list[str]]:
    """Make a workspace, or add what one lacks (a clone has no signing key). Returns it and what was added.

    Raises:
        InputError: the folder holds other things and is no git repository.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder.name} is a file.", where=str(folder), do="name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / ".git").exists():
        raise InputError(
            f"{folder.name} holds other things and is no git repository.", where=str(folder), do="name an empty folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    workspace = Workspace(folder.resolve())
    added = []
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch", "main")
        added.append(".git")
    if not (folder / ".dvc").exists():
        dvc(folder, "init", "--quiet")
        write_atomic(folder / ".dvc" / "config", b"[core]\n    analytics = false\n    check_update = false\n")
        added.append(".dvc")
    texts = {
        ".gitignore": GITIGNORE,
        ".dvcignore": DVCIGNORE,
        "dvc.yaml": TOPMOST,
        "params.yaml": params_text({"recipes": {}}),
        "recipes/.gitkeep": "",
        SCHEMA: schema_text(),
    }
    for name, text in texts.items():
        path = folder / name
        is_old = name == SCHEMA and path.is_file() and path.read_bytes() != text.encode()
        if not path.exists() or is_old or (name == ".dvcignore" and ".dvc" in added):
            write_atomic(path, text.encode())
            added.append(name)
    key, is_new = own_key(workspace)
    if is_new:
        added.append(key)
    commit(
        workspace.root, "graft init", [".gitignore", ".dvc", ".dvcignore", "dvc.yaml", "params.yaml", "recipes", key]
    )
    return workspace, added


def params_text(values: dict[str, Any]) -> str:
    """Return params.yaml as it is written."""
    head = "# Every recipe, with the folder of its dataset.\n"
    return head + yaml.safe_dump(values, sort_keys=True)
