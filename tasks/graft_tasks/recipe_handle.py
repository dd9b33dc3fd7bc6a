"""A recipe of a workspace, and where all that is made of it lies. Each path was checked, as the workspace checks its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from graft.recipe import Recipe, check_name, load_recipe
from graft.records.safe_read import MAX_JSON, check_small

if TYPE_CHECKING:  # a workspace gives out its recipes
    from graft_tasks.workspace import Workspace

ROWS, PREDICTIONS, MISTAKES, HELD_OUT = "rows.parquet", "predictions.parquet", "mistakes.json", "held_out.safetensors"


@dataclass(frozen=True)
class RecipeHandle:
    """A workspace's recipe by its name: what functions pass on. The recipe itself is read by ``load``.

    Raises:
        InputError: no recipe can have this name; from each path: it, or a folder on the way, is a link.
    """

    workspace: Workspace
    name: str

    def __post_init__(self) -> None:
        check_name(self.name, "recipe")

    @property
    def path(self) -> Path:
        """The recipe's file."""
        return self.workspace.own("recipes", f"{self.name}.yaml")

    def load(self) -> tuple[Recipe, str]:
        """Return the recipe and the sha256 of its file."""
        return load_recipe(self.path)

    def step(self, step: str) -> Path:
        """Return the folder that a step writes to: ``record.json``, ``cost.json`` and what ``files/`` holds."""
        return self.workspace.with_inside(self._data(step))

    def record(self, step: str) -> Path:
        return self.step(step) / "record.json"

    def files(self, step: str) -> Path:
        return self.workspace.with_inside(self.step(step) / "files")

    @property
    def rows(self) -> Path:
        """The file of rows that ``ingest`` wrote."""
        return self.files("ingest") / ROWS

    @property
    def model(self) -> Path:
        """The candidate's model folder, as ``finetune`` writes it."""
        return self.files("finetune") / "model"

    @property
    def inputs(self) -> Path:
        """The pin: what the last run depends on beside the recipe."""
        path = self._data("inputs.json")
        check_small(path, MAX_JSON)
        return path

    @property
    def stages(self) -> Path:
        """The file with the recipe's stages, as DVC reads them; its ``dvc.lock`` lies beside it."""
        return self._data("dvc.yaml")

    @property
    def pages(self) -> Path:
        return self.workspace.own("pages", self.name)

    @property
    def report_page(self) -> Path:
        return self.pages / "report.html"

    @property
    def chain_page(self) -> Path:
        return self.pages / "chain.html"

    @property
    def monitor(self) -> Path:
        """The folder of the recipe's batches: one folder with ``record.json`` for each."""
        folder = self.workspace.with_inside(self._data("monitor"))
        for batch in folder.glob("*/"):
            self.workspace.with_inside(batch)
        return folder

    @property
    def registry(self) -> Path:
        """The folder of the recipe's promoted models, by number."""
        return self.workspace.with_inside(self.workspace.own("registry", self.name))

    def pointer(self, number: str) -> Path:
        """Return the file by which DVC finds a promoted model."""
        return self.registry / f"{number}.dvc"

    @property
    def features(self) -> Path:
        """The folder with the features that the last embedding made: a cache, which git ignores."""
        return self.workspace.own(".graft", "cache", "features", self.name)

    @property
    def findings(self) -> Path:
        """The folder with the rows of all findings: they are here alone, and git ignores it."""
        return self.workspace.own(".graft", "findings", self.name)

    @property
    def logs(self) -> Path:
        """The folder with the logs of the recipe's runs: one file each, the newest alone, and git ignores it."""
        return self.workspace.own(".graft", "logs", self.name)

    @property
    def cells(self) -> Path:
        """The folder with what the recipe's curve has measured so far: it is here alone, and git ignores it."""
        return self.workspace.with_inside(self.workspace.own(".graft", "curve", self.name))

    def lock(self, what: str) -> Path:
        """Return the lock of one thing that is done to the recipe: a step's name, or ``run``."""
        return self.workspace.own(".graft", "locks", f"{self.name}.{what}")

    def _data(self, *parts: str) -> Path:
        return self.workspace.own("data", self.name, *parts)
