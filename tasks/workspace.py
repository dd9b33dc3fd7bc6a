"""Where everything lies in a workspace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from graft.errors import InputError
from graft.ledger import Keyring, Ledger
from graft.recipe import Recipe, check_name, load_recipe


@dataclass(frozen=True)
class Workspace:
    """A git repository with recipes, datasets and a ledger."""

    root: Path

    @classmethod
    def find(cls, start: Path) -> Workspace:
        """Return the workspace that a folder lies in.

        Raises:
            InputError: neither the folder nor any above it has a ``dvc.yaml`` beside ``recipes/``.
        """
        for folder in (start.resolve(), *start.resolve().parents):
            if (folder / "dvc.yaml").is_file() and (folder / "recipes").is_dir():
                return cls(folder)
        raise InputError(
            "This folder is not in a workspace.", where=str(start.resolve()), do="graft init DIR    makes one"
        )

    def recipe_path(self, name: str) -> Path:
        return self.root / "recipes" / f"{check_name(name, 'recipe')}.yaml"

    def recipe(self, name: str) -> tuple[Recipe, str]:
        """Return a recipe and the sha256 of its file."""
        return load_recipe(self.recipe_path(name))

    def recipes(self) -> list[str]:
        """Return the names of all recipes, sorted."""
        return sorted(path.stem for path in (self.root / "recipes").glob("*.yaml"))

    def dataset(self, name: str) -> Path:
        return self.root / "data" / "datasets" / check_name(name, "dataset")

    def step(self, recipe: str, step: str) -> Path:
        """Return the folder that a step writes to: ``record.json``, ``cost.json`` and what ``files/`` holds."""
        return self.root / "data" / check_name(recipe, "recipe") / step

    def record(self, recipe: str, step: str) -> Path:
        return self.step(recipe, step) / "record.json"

    def files(self, recipe: str, step: str) -> Path:
        return self.step(recipe, step) / "files"

    def model(self, recipe: str) -> Path:
        """Return the candidate's model folder, as ``finetune`` writes it."""
        return self.files(recipe, "finetune") / "model"

    def inputs(self, recipe: str) -> Path:
        return self.root / "data" / check_name(recipe, "recipe") / "inputs.json"

    def pages(self, recipe: str) -> Path:
        return self.root / "pages" / check_name(recipe, "recipe")

    def monitor(self, recipe: str) -> Path:
        return self.root / "data" / check_name(recipe, "recipe") / "monitor"

    def registry(self, recipe: str) -> Path:
        return self.root / "registry" / check_name(recipe, "recipe")

    @property
    def private_key(self) -> Path:
        """The signing key: inside ``.graft``, which git ignores."""
        return self.root / ".graft" / "signing-key.pem"

    @property
    def trusted_keys(self) -> Path:
        """Public keys that entries may be signed by: in git, where a change of them can be reviewed."""
        return self.root / "keys"

    def ledger(self) -> Ledger:
        return Ledger(self.root / "ledger", Keyring(self.trusted_keys))

    def lock(self, recipe: str, what: str) -> Path:
        """Return the lock of one thing that is done to a recipe: a step's name, or ``run``."""
        return self.root / ".graft" / "locks" / f"{check_name(recipe, 'recipe')}.{what}"
