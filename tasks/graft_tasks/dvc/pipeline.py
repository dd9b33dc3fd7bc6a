"""Which step reads whose files, as DVC reads it: a ``dvc.yaml`` and a ``dvc.lock`` for each recipe.

The stages are defined once, in ``stages.yaml`` beside this module. Each run writes those of its recipe where they are not as this
version of Graft knows them, and says so. Workspaces from before had one ``dvc.yaml`` for all recipes, and had it for ever.
Decision 0027.
"""

from __future__ import annotations

import string
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from graft import __version__
from graft.errors import InputError
from graft.records import write_atomic
from graft.records.safe_read import MAX_JSON, read_small
from graft_tasks.dvc.recover import lock_text, whole_stages
from graft_tasks.dvc.repro import commit, dvc_held, lockfile
from graft_tasks.processes.locks import hold, silently
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.steps.context import STEPS
from graft_tasks.workspace import Workspace

TOPMOST = """# Stages of your own may stand here. Those of a recipe stand in data/RECIPE/dvc.yaml, which Graft writes.
stages: {}
"""
"""The ``dvc.yaml`` of a new workspace."""
_FOR_EACH = {"recipe": "${key}", "dataset": "${item.dataset}"}
"""How the stages of all recipes stood in one file."""
_DO = "put what is yours into a dvc.yaml of your own, and take it out there; git has the file as it was"


def bring_forward(handle: RecipeHandle) -> list[str]:
    """Write a recipe's stages as this version of Graft knows them; return what was changed, in sentences.

    Raises:
        InputError: a person has written something into Graft's stages that would be lost.
    """
    changes = _divide(handle.workspace)
    path, text = handle.stages, stages_of(handle.name, handle.load()[0].data.dataset)
    before = read_small(path, MAX_JSON) if path.is_file() else b""
    if before != text.encode():
        if before:
            _check_known(_read(path).get("stages"), yaml.safe_load(text)["stages"], path)
            changes.append(
                f"data/{handle.name}/dvc.yaml was brought forward to Graft {__version__}: what changed is made again."
            )
        write_atomic(path, text.encode())
    return changes


def stages_of(recipe: str, dataset: str) -> str:
    """Return the ``dvc.yaml`` of a recipe."""
    return string.Template(_template()).substitute(recipe=recipe, dataset=dataset)


@cache
def _template() -> str:
    return Path(__file__).with_name("stages.yaml").read_text(encoding="utf-8")


def _divide(workspace: Workspace) -> list[str]:
    """Give each recipe its own file where the stages of all stand in the topmost one, as they did once.

    That file is written last: whatever kills this, the next run does it again, and it ends the same.
    """
    root, path = workspace.root, workspace.root / "dvc.yaml"
    with hold(
        root / ".graft" / "locks" / "pipeline", "the workspace's stages", wait=silently, recovers=True
    ) as was_cut_off:
        stages = {} if path.read_bytes() == TOPMOST.encode() else _read(path).get("stages") or {}
        own = {name: stage for name, stage in stages.items() if name in STEPS and _is_ours(name, stage)}
        if not own and not was_cut_off:
            return []
        names = workspace.params().get("recipes") or {}
        if own:
            known = yaml.safe_load(string.Template(_template()).substitute(_FOR_EACH))["stages"]
            _check_known({name: stage["do"] for name, stage in own.items()}, known, path)
            with dvc_held(root):
                _hand_out(workspace, {name: entry["dataset"] for name, entry in names.items()})
                write_atomic(path, without(path.read_text(encoding="utf-8"), own).encode())
        paths = [f"data/{name}/{file}" for name in names for file in ("dvc.yaml", "dvc.lock")]
        commit(root, f"graft {__version__}: a dvc.yaml for each recipe", ["dvc.yaml", "dvc.lock", *paths])
    return [
        "dvc.yaml was brought forward: each recipe has its stages in data/RECIPE/dvc.yaml now; nothing is made again."
    ]


def _is_ours(name: str, stage: Any) -> bool:
    """Return whether a stage of the topmost file is one that Graft wrote there for all recipes."""
    if not isinstance(stage, dict) or set(stage) != {"foreach", "do"} or not isinstance(stage["do"], dict):
        return False
    return stage["foreach"] == "${recipes}" and stage["do"].get("cmd") == f"graft step {name} ${{key}}"


def _hand_out(workspace: Workspace, datasets: dict[str, str]) -> None:
    """Write each recipe's stages, and what the lock file of all says of them, into files of its own."""
    root = workspace.root
    stages = whole_stages(root, "dvc.lock", root / ".graft" / "dvc.lock")
    for name, dataset in datasets.items():
        path, (lock, _) = workspace.recipe(name).stages, lockfile(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, stages_of(name, dataset).encode())
        mine = {step: stages.pop(f"{step}@{name}") for step in STEPS if f"{step}@{name}" in stages}
        if mine and not lock.exists():
            write_atomic(lock, lock_text(mine))
    if stages:
        write_atomic(root / "dvc.lock", lock_text(stages))
    else:
        (root / "dvc.lock").unlink(missing_ok=True)


def _check_known(found: Any, known: dict[str, Any], path: Path) -> None:
    """Refuse stages with something in them that this version of Graft does not know: a person wrote it, or a later version."""
    more = list(_more(found, known, "")) if isinstance(found, dict) else ["stages"]
    if more:
        what = f"The stages of Graft's have something in them that Graft {__version__} does not know: {more[0]}."
        raise InputError(what, where=str(path), do=_DO)


def _more(found: Any, known: Any, at: str) -> Iterable[str]:
    """Yield where something stands that does not stand in what is known; what is absent is no matter."""
    if isinstance(found, dict) and isinstance(known, dict):
        for key, value in found.items():
            yield from (
                _more(value, known[key], f"{at}.{key}".strip(".")) if key in known else [f"{at}.{key}".strip(".")]
            )
    elif isinstance(found, list) and isinstance(known, list):
        named = {key: entry[key] for entry in known if isinstance(entry, dict) for key in entry}
        for entry in found:
            if isinstance(entry, dict):
                yield from _more(entry, named, at)
            elif entry not in known:
                yield f"{at}: {entry}"
    elif found != known:
        yield at


def without(text: str, own: Iterable[str]) -> str:
    """Return a ``dvc.yaml`` without these stages; what else stands there stays as it is written, comments too."""
    rest = yaml.safe_load(text)
    rest["stages"] = {name: stage for name, stage in rest["stages"].items() if name not in set(own)}
    if rest == {"stages": {}}:
        return TOPMOST
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)  # noqa: S101 - its stages were read just now
    (stages,) = (value for key, value in root.value if key.value == "stages")
    gone = {
        line
        for key, stage in stages.value
        if key.value in set(own)
        for line in range(key.start_mark.line, _last_line(stage) + 1)
    }
    remaining = "".join(line for k, line in enumerate(text.splitlines(keepends=True)) if k not in gone)
    if not rest["stages"]:
        remaining = remaining.replace("stages:", "stages: {}", 1)
    try:
        is_right = yaml.safe_load(remaining) == rest
    except yaml.YAMLError:
        is_right = False
    return remaining if is_right else yaml.safe_dump(rest, sort_keys=False)


def _last_line(node: yaml.Node) -> int:
    """Return the line where a value ends; the mark of a block stands behind the comments that follow it."""
    if not isinstance(node, yaml.CollectionNode) or not node.value or node.flow_style:
        return int(node.end_mark.line - (node.end_mark.column == 0))
    last = node.value[-1]
    return _last_line(last[1] if isinstance(node, yaml.MappingNode) else last)


def _read(path: Path) -> dict[str, Any]:
    try:
        read = yaml.safe_load(read_small(path, MAX_JSON))
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{path.name} is no YAML.", where=str(path), do="restore it with git") from error
    return read if isinstance(read, dict) else {}
