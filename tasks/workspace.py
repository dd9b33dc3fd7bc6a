"""Where everything lies in a workspace. Each path that is given out was looked at: no link leads there, what is read is small."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.errors import InputError
from graft.ledger import Keyring, Ledger
from graft.recipe import Recipe, check_name, load_recipe
from graft.records.plain import MAX_JSON, MAX_YAML, check_small, read_small, read_yaml

_BUCKET = re.compile(r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_.-]+)*/?$")
_OTHER = re.compile(r"[^A-Za-z0-9_-]+")
ROWS, HELD_OUT = "rows.parquet", "held_out.safetensors"
_OWN = ("recipes", "data", "registry", "ledger", "keys", "pages", "cards", ".graft", "params.yaml", "dvc.yaml")


def as_file_name(text: str) -> str:
    """Return a text with letters, digits, ``-`` and ``_`` alone; empty where it has none."""
    return _OTHER.sub("-", text).strip("-")


@dataclass(frozen=True)
class Workspace:
    """A git repository with recipes, datasets and a ledger."""

    root: Path

    @classmethod
    def find(cls, start: Path) -> Workspace:
        """Return the workspace that a folder lies in.

        Raises:
            InputError: neither the folder nor any above it has a ``dvc.yaml`` beside ``recipes/``, or what every command uses
                is a link.
        """
        for folder in (start.resolve(), *start.resolve().parents):
            if (folder / "dvc.yaml").is_file() and (folder / "recipes").is_dir():
                workspace = cls(folder)
                for name in _OWN:
                    workspace._own(name)
                return workspace
        raise InputError(
            "This folder is not in a workspace.", where=str(start.resolve()), do="graft init DIR    makes one"
        )

    def recipe_path(self, name: str) -> Path:
        return self._own("recipes", f"{check_name(name, 'recipe')}.yaml")

    def recipe(self, name: str) -> tuple[Recipe, str]:
        """Return a recipe and the sha256 of its file."""
        return load_recipe(self.recipe_path(name))

    def recipes(self) -> list[str]:
        """Return the names of all recipes, sorted."""
        return sorted(path.stem for path in (self.root / "recipes").glob("*.yaml"))

    def dataset(self, name: str) -> Path:
        return self._own("data", "datasets", check_name(name, "dataset"))

    def step(self, recipe: str, step: str) -> Path:
        """Return the folder that a step writes to: ``record.json``, ``cost.json`` and what ``files/`` holds."""
        return self._with_inside(self._own("data", check_name(recipe, "recipe"), step))

    def record(self, recipe: str, step: str) -> Path:
        return self.step(recipe, step) / "record.json"

    def files(self, recipe: str, step: str) -> Path:
        return self._with_inside(self.step(recipe, step) / "files")

    def rows(self, recipe: str) -> Path:
        """Return the file of rows that ``ingest`` wrote."""
        return self.files(recipe, "ingest") / ROWS

    def model(self, recipe: str) -> Path:
        """Return the candidate's model folder, as ``finetune`` writes it."""
        return self.files(recipe, "finetune") / "model"

    def inputs(self, recipe: str) -> Path:
        path = self._own("data", check_name(recipe, "recipe"), "inputs.json")
        check_small(path, MAX_JSON)
        return path

    def pages(self, recipe: str) -> Path:
        return self._own("pages", check_name(recipe, "recipe"))

    def monitor(self, recipe: str) -> Path:
        """Return the folder of a recipe's batches: one folder with ``record.json`` for each."""
        folder = self._with_inside(self._own("data", check_name(recipe, "recipe"), "monitor"))
        for batch in folder.glob("*/"):
            self._with_inside(batch)
        return folder

    @property
    def cards(self) -> Path:
        """Return the folder of the domain cards that were made here."""
        return self._with_inside(self._own("cards"))

    def registry(self, recipe: str) -> Path:
        """Return the folder of a recipe's promoted models, by number."""
        return self._with_inside(self._own("registry", check_name(recipe, "recipe")))

    @property
    def private_key(self) -> Path:
        """The signing key: inside ``.graft``, which git ignores."""
        return self._own(".graft", "signing-key.pem")

    @property
    def trusted_keys(self) -> Path:
        """Public keys that entries may be signed by: in git, where a change of them can be reviewed."""
        return self._with_inside(self._own("keys"))

    def params(self) -> dict[str, Any]:
        """Return what ``params.yaml`` says: ``recipes`` with their dataset folders, and perhaps ``ledger``, where that lies.

        Raises:
            InputError: it is not plain YAML, or holds no keys.
        """
        path = self._own("params.yaml")
        if not path.is_file():
            return {}
        plain = read_yaml(read_small(path, MAX_YAML), path) or {}
        if not isinstance(plain, dict) or not isinstance(plain.get("recipes") or {}, dict):
            raise InputError(
                "params.yaml does not say what recipes there are.", where=str(path), do="restore it with git"
            )
        return plain

    def ledger(self) -> Ledger:
        """Return the ledger, with the keys that are trusted here."""
        return Ledger(self.ledger_place(), Keyring(self.trusted_keys))

    def ledger_place(self) -> Path | str:
        """Return where the ledger lies: ``ledger/``, or what ``params.yaml`` says: ``s3://BUCKET/PREFIX`` or another folder.

        Raises:
            InputError: params.yaml names what is neither.
        """
        named = self.params().get("ledger")
        if named is None:
            return self._own("ledger")
        if not isinstance(named, str) or not named.isprintable() or (":" in named and not _BUCKET.match(named)):
            raise InputError(
                f"params.yaml names no place for a ledger: {named!r}.",
                where=str(self.root / "params.yaml"),
                do="give s3://BUCKET/PREFIX or a folder",
            )
        return named if _BUCKET.match(named) else (self.root / named).resolve()

    def features(self, recipe: str) -> Path:
        """Return the folder with the features that a recipe's last embedding made: a cache, which git ignores."""
        return self._own(".graft", "cache", "features", check_name(recipe, "recipe"))

    def cells(self, recipe: str) -> Path:
        """Return the folder with what a recipe's curve has measured so far: it is kept here alone, and git ignores it."""
        return self._with_inside(self._own(".graft", "curve", check_name(recipe, "recipe")))

    def lock(self, recipe: str, what: str) -> Path:
        """Return the lock of one thing that is done to a recipe: a step's name, or ``run``."""
        return self._own(".graft", "locks", f"{check_name(recipe, 'recipe')}.{what}")

    def _own(self, *parts: str) -> Path:
        """Return a path below the workspace's folder.

        Raises:
            InputError: it, or a folder on the way, is a link: what is read or written would lie elsewhere.
        """
        path = self.root
        for part in parts:
            path = path / part
            if path.is_symlink():
                raise InputError(
                    f"{path.relative_to(self.root)} is a link; Graft reads and writes only what lies in the workspace.",
                    where=str(path),
                    do="put the file or folder itself there",
                )
        return path

    def _with_inside(self, folder: Path) -> Path:
        """Return a folder of the workspace whose own entries are no links, and whose JSON is small enough to be a record."""
        for path in folder.iterdir() if folder.is_dir() else ():
            self._own(*path.relative_to(self.root).parts)
            if path.suffix == ".json":
                check_small(path, MAX_JSON)
        return folder
