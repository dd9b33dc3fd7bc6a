"""The pinned world of one run: everything outside the recipe that a run depends on, written before the first step."""

from __future__ import annotations

from pydantic import Field

from graft.records.values import FileDigest, Sha256, Value


class Dataset(Value):
    """A dataset version: its folder's name and the digest of its file list."""

    name: str
    sha256: Sha256
    files: tuple[FileDigest, ...]


class Base(Value):
    """A candidate base model: where it comes from, and what it is.

    ``sha256`` is the digest of ``model.safetensors``, or of the list of the shards in its place; ``folder_sha256`` of the list
    of all its files: tokenizer, settings and card too. ``licence`` is ``unknown`` unless the base's own card names one.
    """

    id: str
    revision: str
    sha256: Sha256
    folder_sha256: Sha256
    n_parameters: int = Field(ge=0)
    licence: str


class Champion(Value):
    """The champion at the time of the pin: its promotion's number and entry, the model it made live and where that lies."""

    number: str = Field(pattern=r"^[0-9]{4,}$")
    entry: Sha256
    model_id: Sha256
    base_sha256: Sha256
    folder: str = Field(pattern=r"^registry/[a-z0-9-]{1,63}/[0-9]{4,9}$")


class BestChampion(Champion):
    """The best champion so far, where another is in force, and how many candidates were compared with it since."""

    n_compared: int = Field(ge=0)


class Ancestor(Value):
    """A promoted model that a base grew from, or that it is, and the rows of its recipe as they are now; None: not here."""

    recipe: str
    number: str = Field(pattern=r"^[0-9]{4,9}$")
    model_id: Sha256
    rows_sha256: Sha256 | None


class Inputs(Value):
    """What a run was started from. Steps depend on single keys of it, so a new champion reruns only what compares with it."""

    schema_version: int = 1
    recipe: str
    recipe_sha256: Sha256
    dataset: Dataset
    bases: tuple[Base, ...]
    champion: Champion | None
    best: BestChampion | None = Field(default=None, description="null: it is the champion, or there is none")
    rolled_back: tuple[Sha256, ...]
    ancestors: dict[str, tuple[Ancestor, ...]] = Field(
        default_factory=dict, description="by base of the form graft:, the base itself first"
    )
    n_looks: int = Field(default=0, ge=0, description="of pins written before looks were counted by row")
    looks: dict[str, str] = Field(
        default_factory=dict,
        description="by model evaluated on this dataset, of any recipe: sha256 of the record that names its test rows",
    )
    cards: dict[str, Sha256] = Field(default_factory=dict, description="domain card by base, where there is one")
    steps: dict[str, int] = Field(description="version of each step's code; a new version reruns the step")
