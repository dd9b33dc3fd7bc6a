"""Makes a workspace, and recipes in it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from graft.data import read_table
from graft.errors import InputError
from graft.ledger import make_key
from graft.recipe_text import recipe_text
from graft.records import write_atomic
from tasks.versions import commit, dvc, git
from tasks.workspace import Workspace

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
"""
DVCIGNORE = "__pycache__\n.venv\n.graft\npages\n"
_CARRIED = {"support": "data/datasets/support", "support.yaml": "recipes/support.yaml", "dvc.yaml": "dvc.yaml"}


def carried(name: str) -> Path:
    """Return a file or folder that Graft carries: inside the package in a wheel, beside it in a checkout."""
    inside = Path(__file__).parent / "bundled" / name
    return inside if inside.exists() else Path(__file__).parents[1] / _CARRIED[name]


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
        dvc(folder, "config", "core.analytics", "false")
        dvc(folder, "config", "core.check_update", "false")
        added.append(".dvc")
    texts = {
        ".gitignore": GITIGNORE,
        ".dvcignore": DVCIGNORE,
        "dvc.yaml": carried("dvc.yaml").read_text(encoding="utf-8"),
        "params.yaml": _params({}),
        "recipes/.gitkeep": "",
    }
    for name, text in texts.items():
        if not (folder / name).exists() or (name == ".dvcignore" and ".dvc" in added):
            write_atomic(folder / name, text.encode())
            added.append(name)
    if not workspace.private_key.is_file():
        keyid = make_key(workspace.private_key, workspace.trusted_keys)
        added.append(f"keys/{keyid[:16]}.pem")
    commit(
        workspace.root, "graft init", [".gitignore", ".dvc", ".dvcignore", "dvc.yaml", "params.yaml", "recipes", "keys"]
    )
    return workspace, added


def new(workspace: Workspace, name: str, files: dict[str, Path], values: dict[str, Any]) -> Path:
    """Write a recipe for files with labelled rows, and bring them into the workspace. Returns the recipe's path.

    Args:
        files: ``train`` and perhaps ``test``.
        values: dotted recipe keys.

    Raises:
        InputError: the recipe exists, or a file or column is not there. Nothing is written then.
    """
    columns = [values["data.text"], values["data.label"], *values.get("data.sensitive", [])]
    columns += [values["data.group"]] if values.get("data.group") else []
    for file in files.values():
        read_table(file, columns)
    named = {f"{role}{file.suffix}": file for role, file in files.items()}
    roles = {f"data.{role}": f"{role}{file.suffix}" for role, file in files.items()}
    return adopt(workspace, name, named, recipe_text(name, {**values, **roles, "data.dataset": name}))


def adopt(workspace: Workspace, name: str, files: dict[str, Path], text: str) -> Path:
    """Bring files into the workspace as the dataset of a recipe, and the recipe's text beside them.

    Args:
        files: name in the dataset's folder to file.

    Raises:
        InputError: recipe or dataset exist. Nothing is written then.
    """
    path, folder = workspace.recipe_path(name), workspace.dataset(name)
    if path.exists():
        raise InputError(f"There is a recipe {name} already.", where=str(path), do="edit it, or choose another name")
    if folder.exists():
        raise InputError(f"There is a dataset {name} already.", where=str(folder), do="choose another name")
    part = folder.with_name(f".{name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for target, file in files.items():
        shutil.copyfile(file, part / target)
    part.rename(folder)
    dvc(workspace.root, "add", "--quiet", f"data/datasets/{name}")
    write_atomic(path, text.encode())
    known = (yaml.safe_load((workspace.root / "params.yaml").read_bytes()) or {}).get("recipes") or {}
    write_atomic(workspace.root / "params.yaml", _params({**known, name: {"dataset": name}}).encode())
    commit(workspace.root, f"{name}: a recipe", [f"recipes/{name}.yaml", "params.yaml", f"data/datasets/{name}.dvc"])
    return path


def _params(recipes: dict[str, Any]) -> str:
    head = "# Every recipe that dvc.yaml makes stages for, with the folder of its dataset.\n"
    return head + yaml.safe_dump({"recipes": recipes}, sort_keys=True)
