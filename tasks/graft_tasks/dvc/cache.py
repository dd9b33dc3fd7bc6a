"""What DVC keeps for a workspace: which objects its pointers name, and which of them lie in its cache, whole.

DVC takes what a remote returns as it comes, and trusts an object in its cache from then on. Here every byte is read.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from graft.errors import TamperError
from graft_tasks.dvc.repro import dvc
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.workspace import Workspace

_MD5 = re.compile(r"^[0-9a-f]{32}(\.dir)?$")


@dataclass(frozen=True)
class Out:
    """One thing that DVC keeps: where it belongs in the workspace, its md5, and under what name DVC is asked for it."""

    path: str
    md5: str
    target: str


def pointed(content: bytes, pointer: str) -> list[Out]:
    """Return what a ``.dvc`` file names.

    Raises:
        TamperError: it is no pointer.
    """
    folder = PurePosixPath(pointer).parent
    return [Out((folder / out["path"]).as_posix(), out["md5"], pointer) for out in _outs(content, pointer)]


def made(entry: dict[str, Any], target: str) -> list[Out]:
    """Return the folders that a stage made last, as its entry in a ``dvc.lock`` names them."""
    outs = entry.get("outs") or []
    named = [Out(out["path"], str(out["md5"]), target) for out in outs if str(out.get("md5", "")).endswith(".dir")]
    for out in named:
        _checked(out.md5, "dvc.lock")
    return named


def last_made(handle: RecipeHandle) -> dict[str, dict[str, Any]]:
    """Return what a recipe's ``dvc.lock`` says of each step that has run; before it has one, what that of all recipes says."""
    own, common = handle.stages.with_name("dvc.lock"), handle.workspace.root / "dvc.lock"
    if own.is_file():
        return stages_in(own.read_bytes(), str(own))
    found = stages_in(common.read_bytes(), str(common)) if common.is_file() else {}
    return {stage.partition("@")[0]: entry for stage, entry in found.items() if stage.partition("@")[2] == handle.name}


def stages_in(content: bytes, where: str) -> dict[str, dict[str, Any]]:
    """Return the entries of a lock file.

    Raises:
        TamperError: it does not name stages, or what they made.
    """
    try:
        lock = yaml.CSafeLoader(content).get_single_data() or {}
        stages: dict[str, dict[str, Any]] = lock.get("stages") or {}
        for stage in stages.values():
            for out in (*(stage.get("outs") or ()), *(stage.get("deps") or ())):
                _path(out)
    except (yaml.YAMLError, ValueError, RecursionError, AttributeError, KeyError, TypeError) as error:
        do = "restore it with git, or graft run RECIPE"
        raise TamperError("dvc.lock does not say what the steps made.", where=where, do=do) from error
    return stages


def _outs(content: bytes, where: str) -> list[dict[str, Any]]:
    try:
        outs = yaml.safe_load(content)["outs"]
        for out in outs:
            _checked(str(out["md5"]), where)
            _path(out)
    except (yaml.YAMLError, ValueError, RecursionError, KeyError, TypeError) as error:
        raise TamperError("This is no pointer of DVC's.", where=where, do="restore it with git") from error
    return list(outs)


def _path(out: dict[str, Any]) -> str:
    """Return the path of an out; raises TypeError where it is no text."""
    if not isinstance(out["path"], str):
        raise TypeError(out["path"])
    return out["path"]


def _checked(md5: str, where: str) -> str:
    if not _MD5.match(md5):
        raise TamperError("A digest of DVC's is not 32 hex digits.", where=where, do="restore it with git")
    return md5


@dataclass
class Cache:
    """DVC's cache, and what has been read of it. What is not what its name says is taken away, and noted in ``damaged``."""

    folder: Path
    sha256: dict[str, str] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    n_bytes: int = 0

    @classmethod
    def of(cls, workspace: Workspace) -> Cache:
        return cls(Path(dvc(workspace.root, "cache", "dir").strip()) / "files" / "md5")

    def path(self, md5: str) -> Path:
        return self.folder / md5[:2] / md5[2:]

    def files(self, out: Out) -> dict[str, str]:
        """Return the md5 of each file of an out by its path in it; empty where that is not known here."""
        if not out.md5.endswith(".dir"):
            return {"": out.md5}
        path = self.path(out.md5)
        if not path.is_file():
            return {}
        try:
            found = {
                str(entry["relpath"]): _checked(str(entry["md5"]), str(path)) for entry in json.loads(path.read_bytes())
            }
        except (ValueError, KeyError, TypeError) as error:
            raise TamperError("A listing of DVC's cannot be read.", where=str(path), do="take it away") from error
        for name in found:
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise TamperError("A listing of DVC's names a path outside its folder.", where=f"{path}: {name}")
        return found

    def lacks(self, out: Out) -> dict[str, str]:
        """Read every object of an out; return where those belong, by md5, that are absent or were damaged."""
        if not self._is_whole(out.md5, out.path):
            return {out.md5: out.path}
        named = ((md5, f"{out.path}/{path}".rstrip("/")) for path, md5 in self.files(out).items())
        return {md5: where for md5, where in named if not self._is_whole(md5, where)}

    def _is_whole(self, md5: str, where: str) -> bool:
        path = self.path(md5)
        if md5 in self.sha256:
            return True
        if not path.is_file():
            return False
        by_md5, by_sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                by_md5.update(block)
                by_sha256.update(block)
                self.n_bytes += len(block)
        if by_md5.hexdigest() != md5.removesuffix(".dir"):
            path.unlink()
            self.damaged[md5] = where
            return False
        self.sha256[md5] = by_sha256.hexdigest()
        return True
