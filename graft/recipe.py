"""The recipe: what a team decides about one model, written down once, in ``recipes/NAME.yaml``.

Recipes are fully expanded: every key stands in the file, because DVC watches single keys and a missing one is an error.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from graft.errors import InputError
from graft.records import Policy, Value, sha256_bytes
from graft.records.plain import MAX_YAML, read_small, read_yaml

NAME = re.compile(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
"""Names of recipes and datasets: they become folders, stage names and ledger paths."""
_NUMBER = re.compile(r"[0-9]+e[0-9]+|0o[0-7]+")  # of YAML 1.2; those of YAML 1.1 too are written in quotes
_DEVICE = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9]")

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_. -]{0,99}$")]
"""A file in the dataset's folder: no path leads out of it."""


Modality = Literal["text", "image"]
BaseName = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029`]{1,500}$")]
"""A base: it stands in messages, model cards and pages, in one line."""


class Data(Value):
    """Which rows, and what their columns mean."""

    dataset: str = Field(description="folder below data/datasets", pattern=NAME.pattern)
    train: FileName = Field(description="file of the dataset with the rows to train on (CSV, TSV, JSONL or Parquet)")
    test: FileName | None = Field(description="file with the test rows; null: a share of the rows is set aside")
    text: str | None = Field(description="column with the text; null: the rows are images")
    image: str | None = Field(description="column with the image's bytes (Parquet); null: the rows are texts")
    label: str = Field(description="column with the class")
    id: str | None = Field(description="column that names a row for ever: late labels are joined by it; null: none")
    group: str | None = Field(description="column whose rows stay together on one side (customer, patient); null: none")
    time: str | None = Field(description="column with the time of a row, ISO 8601; null: none")
    test_from: str | None = Field(description="rows of this time or later are the test rows; null: chosen by hash")
    sensitive: tuple[str, ...] = Field(description="columns whose groups must be served equally well")
    fraction_test: float = Field(description="share of rows set aside by hash", gt=0, lt=1)
    min_similarity: float = Field(
        description="rows at least so alike never lie on two sides; 1: equal ones only", ge=0.5, le=1
    )
    rows_per_class: int | None = Field(
        description="train on only so many rows per class, chosen by hash; null: all", ge=2
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Data:
        if (self.text is None) == (self.image is None):
            raise ValueError("name either data.text or data.image")
        if self.label == self.content:
            raise ValueError(f"data.{self.modality} and data.label are one column, {self.label!r}")
        if self.test_from is not None and self.time is None:
            raise ValueError("data.test_from needs data.time")
        if self.test_from is not None and self.test is not None:
            raise ValueError("name either data.test or data.test_from")
        return self

    @property
    def modality(self) -> Modality:
        """What the rows are."""
        return "text" if self.image is None else "image"

    @property
    def content(self) -> str:
        """The column that is classified."""
        return self.text or self.image or ""

    @property
    def columns(self) -> list[str]:
        """Every column that the recipe names, but for the label."""
        named = (self.content, self.id, self.group, self.time, *self.sensitive)
        return list(dict.fromkeys(column for column in named if column))


class Validate(Value):
    """What data may not be trained on."""

    max_fraction_damaged: float = Field(description="share of texts with encoding damage", ge=0, le=1)
    max_fraction_duplicates: float = Field(description="share of rows that repeat another", ge=0, le=1)
    max_fraction_conflicts: float = Field(description="share of texts that stand with two labels", ge=0, le=1)
    max_fraction_unlabelled: float = Field(description="share of rows without a label", ge=0, le=1)
    min_rows_per_class: int = Field(description="training rows that each class needs", ge=2)
    language: str | None = Field(
        description="language that the texts are in, two letters; null: the most frequent", pattern="^[a-z]{2}$"
    )
    expectations: tuple[dict[str, Any], ...] = Field(
        description="further Great Expectations: {type, column, ..., max_fraction}"
    )

    @field_validator("expectations")
    @classmethod
    def _asks_nobody(cls, expectations: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        if not all(ref.startswith("#") for ref in _references(expectations)):
            raise ValueError("a $ref may name a place in the same schema only: it would be fetched")
        return expectations


def _references(value: Any) -> Iterator[str]:
    """Yield every ``$ref`` in plain values: JSON schemas have them, and what one names may be an address."""
    if isinstance(value, dict):
        for key, inside in value.items():
            if key in ("$ref", "$dynamicRef"):
                yield str(inside)
            yield from _references(inside)
    elif isinstance(value, list | tuple):
        for inside in value:
            yield from _references(inside)


class Embed(Value):
    """How texts become vectors."""

    max_tokens: int = Field(description="longer texts are cut to so many tokens", ge=8, le=8192)


class DetectShift(Value):
    """When a sample counts as shifted: significant and large, both."""

    alpha: float = Field(description="level of the permutation test", gt=0, lt=1)
    max_auc: float = Field(description="largest AUC of a classifier that tells the samples apart", ge=0.5, le=1)
    n_permutations: int = Field(description="permutations of the test", ge=99)
    max_rows: int = Field(description="rows taken of each side at most", ge=50)

    @model_validator(mode="after")
    def _can_be_significant(self) -> DetectShift:
        if 1 / (self.n_permutations + 1) >= self.alpha:
            raise ValueError(f"{self.n_permutations} permutations can never give a p below {self.alpha:g}; take more")
        return self


class ChooseBase(Value):
    """How candidate bases are scored before money is spent."""

    bases: tuple[BaseName, ...] = Field(
        description="candidates: pkg:NAME, a local folder, graft:RECIPE@champion", min_length=1
    )
    n_folds: int = Field(description="folds of the cross-validated probe", ge=2)
    max_rows: int = Field(description="rows that the probe is scored on at most", ge=50)


class Finetune(Value):
    """How the candidate is trained."""

    strategy: Literal["head", "full"] = Field(description="head: a classifier on frozen features; full: all layers")
    n_epochs: int = Field(description="passes over the training rows (full only)", ge=1)
    batch_size: int = Field(description="rows per step (full only)", ge=1)
    learning_rate: float = Field(description="peak of the schedule (full only)", gt=0)
    seed: int = Field(description="seed of order and dropout", ge=0)


class Evaluate(Value):
    """What counts as good enough."""

    margin_champion: float = Field(description="accuracy a candidate may lose to the champion", ge=0, le=1)
    margin_probe: float = Field(description="accuracy a candidate may lose to the frozen probe", ge=0, le=1)
    min_accuracy: float = Field(description="accuracy below which nothing is promoted", ge=0, le=1)
    n_bootstrap: int = Field(description="bootstrap samples of each interval", ge=1000)


class MeasureBias(Value):
    """How much worse a group may be served."""

    max_gap: float = Field(description="accuracy a group may lie below all others", ge=0, le=1)
    min_rows: int = Field(description="a smaller slice is called insufficient, never fair", ge=1)


class Decide(Value):
    """What *cannot tell* does, by kind of check: hold the candidate back, or note it."""

    shift: Policy = Field(description="domain shift between the samples compared")
    transfer: Policy = Field(description="candidate against the frozen probe and training from scratch")
    champion: Policy = Field(description="candidate against the champion")
    slices: Policy = Field(description="gaps of sensitive groups")


class Recipe(Value):
    """One model's recipe. ``name`` is the file's name and is not written in it."""

    name: str = Field(pattern=NAME.pattern)
    data: Data
    validate_: Validate = Field(alias="validate")
    embed: Embed
    detect_shift: DetectShift
    choose_base: ChooseBase
    finetune: Finetune
    evaluate: Evaluate
    measure_bias: MeasureBias
    decide: Decide


def check_name(name: str, kind: str) -> str:
    """Return the name if it may become a folder.

    Raises:
        InputError: it has other characters than a-z, 0-9 and inner hyphens, is longer than 63, a number to DVC,
            or no folder on Windows.
    """
    if not NAME.fullmatch(name):
        raise InputError(
            f"{name!r} cannot be the name of a {kind}.", do="use a-z, 0-9 and hyphens inside, 63 characters at most"
        )
    if _NUMBER.fullmatch(name):
        raise InputError(f"{name!r} is a number to DVC, which reads it in params.yaml.", do="begin with a letter")
    if _DEVICE.fullmatch(name):
        raise InputError(f"{name!r} is the name of a device on Windows.", do="choose another name")
    return name


def load_recipe(path: Path) -> tuple[Recipe, str]:
    """Return the recipe in a file and the sha256 of the file's bytes.

    Raises:
        InputError: the file is absent, is not plain YAML, or has an unknown, missing or wrong key.
    """
    name = check_name(path.stem, "recipe")
    if not path.is_file():
        there = sorted(p.stem for p in path.parent.glob("*.yaml"))
        raise InputError(
            f"There is no recipe {name}.",
            where=str(path),
            do=f"recipes here: {', '.join(there)}"
            if there
            else "graft new NAME --data FILE --text COLUMN --label COLUMN",
        )
    content = read_small(path, MAX_YAML)
    return parse_recipe(name, content, where=path), sha256_bytes(content)


def parse_recipe(name: str, content: str | bytes, *, where: Path | None = None) -> Recipe:
    """Return the recipe in a text.

    Raises:
        InputError: the text is not plain YAML, or has an unknown, missing or wrong key.
    """
    path = where or Path(f"{name}.yaml")
    plain = read_yaml(content, path)
    if not isinstance(plain, dict):
        raise InputError(
            f"{path.name} is not a recipe: it holds no keys.", where=str(path), do="docs/recipe.md explains every key"
        )
    if "name" in plain:
        raise InputError(
            f'{path.name} has an unknown key "name".', where=str(path), do="take it out: the file's name is it"
        )
    try:
        return Recipe.model_validate({**plain, "name": name})
    except ValidationError as error:
        raise _explain(error, path) from error


def _explain(error: ValidationError, path: Path) -> InputError:
    """Return the first validation error as one sentence, with the nearest known key where a key is unknown."""
    first = min(
        error.errors(), key=lambda one: one["type"] != "extra_forbidden"
    )  # a misspelt key is also a missing one
    keys = [str(part) for part in first["loc"]]
    dotted = ".".join(keys)
    if first["type"] == "extra_forbidden":
        known = known_keys() if len(keys) > 1 else {key.split(".")[0]: "" for key in known_keys()}
        near = difflib.get_close_matches(dotted, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else "take the key out"
        return InputError(f'{path.name} has an unknown key "{dotted}".', where=str(path), do=hint)
    if first["type"] == "missing":
        return InputError(
            f'{path.name} lacks the key "{dotted}".', where=str(path), do=f"add {dotted}; see docs/recipe.md"
        )
    why = first["msg"].removeprefix("Value error, ")
    return InputError(f'{path.name} has a wrong value at "{dotted}": {why}.', where=str(path), do="mend that value")


def known_keys() -> dict[str, str]:
    """Return every key of a recipe, dotted, with its description."""
    keys = {}
    for section, field in Recipe.model_fields.items():
        model = field.annotation
        if isinstance(model, type) and issubclass(model, Value):
            for key, inner in model.model_fields.items():
                keys[f"{field.alias or section}.{key}"] = inner.description or ""
    return keys
