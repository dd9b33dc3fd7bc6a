"""A new recipe: what its rows are, which column is what, and the recipe written for them."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.data import (
    IMAGE_COLUMN,
    DataProfile,
    check_kinds,
    check_test_labels,
    columns_of,
    import_data,
    profile_data,
    read_batches,
)
from graft.data.profile.guess import Role
from graft.errors import InputError
from graft.modality import MODALITIES
from graft.recipe import Data, parse_recipe
from graft.recipe.text import recipe_text
from graft_tasks.commands.adopt import adopt, check_free
from graft_tasks.datasets.add import called_as, scratch_folder
from graft_tasks.datasets.times import Ask, settle_times
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.registry import bases

SURE = 0.8
"""A guess below this confidence is not taken unless a person says so."""
_MANY_ROWS, _FEW_VALUES = 100, 0.1
"""A column of so many rows with a smaller share of different values holds categories, not texts."""
_LONGEST = 200


@dataclass(frozen=True)
class NewRecipe:
    """A recipe that was written: its file, the keys that were given or found out, and what its rows are.

    ``times`` says how times are read, where they could be read in two ways.
    """

    recipe: str
    path: str
    values: dict[str, Any]
    look: DataProfile
    times: str


def profile_rows(path: Path, given: dict[str, Any]) -> DataProfile:
    """Return what the rows for a new recipe are.

    Args:
        given: dotted recipe keys.

    Raises:
        InputError: there is nothing that Graft reads, or Graft cannot be trained on it and no column was named.
    """
    found = profile_data(path)
    if found.refusal and not given.keys() & {"data.text", "data.image"}:
        do = "if a column does hold texts, say which: --text COLUMN"
        raise InputError(found.refusal, where=str(path), do=do)
    return found


def guesses(found: DataProfile, given: dict[str, Any]) -> dict[str, Any]:
    """Return a guess for each key that was not given; None where nothing is likely."""

    def best(role: Role, least: float = SURE) -> str | None:
        likely = [c for c in found.columns if c.role == role and c.confidence >= least]
        return max(likely, key=lambda c: c.confidence).name if likely else None

    guessed: dict[str, Any] = {}
    if "data.text" not in given and "data.image" not in given:
        text = best("text", 0)
        guessed |= {"data.text": text} if text or not best("image", 0) else {"data.image": best("image", 0)}
    guessed |= {"data.label": best("label", 0), "data.group": best("group"), "data.id": best("id")}
    sensitive = [column.name for column in found.columns if column.role == "sensitive" and column.confidence >= SURE]
    return {key: value for key, value in {**guessed, "data.sensitive": sensitive}.items() if key not in given}


def new_recipe(
    handle: RecipeHandle,
    files: dict[str, Path],
    values: dict[str, Any],
    found: DataProfile,
    *,
    ask: Ask | None = None,
) -> NewRecipe:
    """Bring rows into the workspace and write a recipe for them.

    Args:
        files: ``train`` and perhaps ``test``.
        values: dotted recipe keys; those without a value are left out.
        found: as ``profile_rows`` returned it.
        ask: asks a person what comes first in a time, where the times do not show it.

    Raises:
        InputError: text or image, or label, is missing; the column of texts holds none; or as ``graft_tasks.commands.init.new``.
    """
    values = {key: value for key, value in values.items() if value not in (None, "")}
    _check_enough(values, handle.name, files, found)
    _check_text(values, files, found)
    values |= _fitting(found, values)
    path = new(handle, files, values, ask=ask)
    return NewRecipe(handle.name, str(path), values, found, _times(handle))


def _check_enough(values: dict[str, Any], name: str, files: dict[str, Path], found: DataProfile) -> None:
    missing = [] if "data.text" in values or "data.image" in values else ["--text"]
    missing += [] if "data.label" in values else ["--label"]
    if missing:
        guessed = guesses(found, values)
        likely = {f"--{key[5:]}": value for key, value in guessed.items() if isinstance(value, str)}
        options = " ".join(f"{option} {shlex.quote(column)}" for option, column in likely.items())
        columns = ", ".join(column.name for column in found.columns)
        raise InputError(
            f"It is not said which column is {' and which '.join(option[2:] for option in missing)}.",
            where=f"columns: {columns if len(columns) <= _LONGEST else f'{columns[: _LONGEST - 3].rstrip()}...'}",
            do=f"graft new {name} --data {shlex.quote(str(files['train']))} {options}".rstrip(),
        )


def _check_text(values: dict[str, Any], files: dict[str, Path], found: DataProfile) -> None:
    """Refuse a column of numbers, times or categories as texts: few different values, each in many rows."""
    column = next((column for column in found.columns if column.name == values.get("data.text")), None)
    if column is None or column.kind == "text" or found.n_examined < _MANY_ROWS:
        return
    if column.kind == "category" and column.n_distinct > found.n_examined * _FEW_VALUES:
        return
    held = "categories" if column.kind in {"category", "boolean", "constant"} else f"the kind {column.kind}"
    raise InputError(
        f'Column "{column.name}" holds no texts but {held}: {column.n_distinct:,} different values in '
        f"{found.n_examined:,} rows.",
        where=str(files["train"]),
        do="name a column of texts; for tables of numbers and categories use for example scikit-learn",
    )


def _fitting(found: DataProfile, values: dict[str, Any]) -> dict[str, Any]:
    """Return what follows from the rows themselves: the modality's defaults and the language."""
    if "data.image" in values:
        if "choose_base.bases" not in values:
            raise InputError(
                "Images need a base that knows images, and Graft brings none.",
                do="--base FOLDER, with config.json, preprocessor_config.json and model.safetensors: docs/first-model.md "
                "says where to get one",
            )
        kinds = {column.name: column.kind for column in found.columns}
        is_path = kinds.get(values["data.image"]) in {"image path", "constant"}
        return {"data.min_similarity": 0.99, **({"data.image": IMAGE_COLUMN} if is_path else {})}
    known = {language: share for language, share in found.languages.items() if language != "unknown"}
    most = max(known, key=lambda language: known[language], default=None)
    return {"validate.language": most} if most and known[most] >= SURE * sum(known.values()) else {}


def _times(handle: RecipeHandle) -> str:
    """Return how times are read and which rows are test rows by them, in a sentence; empty where they can be read in one way."""
    data = handle.load()[0].data
    if data.time_format is None:
        return ""
    latest = f"; rows from {data.test_from} on are the test rows" if data.test_from else ""
    return f'Times in "{data.time}" are read {data.time_format}{latest}.'


def new(handle: RecipeHandle, sources: dict[str, Path], values: dict[str, Any], *, ask: Ask | None = None) -> Path:
    """Bring labelled rows into the workspace and write a recipe for them. Returns the recipe's path.

    Args:
        sources: ``train`` and perhaps ``test``, in any form that ``graft.data.import_data`` takes.
        values: dotted recipe keys.
        ask: asks a person what comes first in a time, where the times do not show it.

    Raises:
        InputError: the recipe exists, a file or column is not there or cannot be read, or a value is wrong. Nothing is written
            then.
    """
    workspace, name = handle.workspace, handle.name
    check_free(handle)
    with scratch_folder(workspace) as scratch:
        files: dict[str, Path] = {}
        for role, source in sources.items():
            brought = import_data(source, scratch, role=role)
            files |= brought if role == "train" else {role: brought[role]}
        if values.get("data.image") == IMAGE_COLUMN and IMAGE_COLUMN not in columns_of(files["train"]):
            what = f"{sources['train'].name} leads to no images."
            raise InputError(what, where=str(sources["train"]), do="give paths relative to the table's folder")
        roles: dict[str, Any] = {f"data.{role}": path.name for role, path in files.items()}
        with called_as({path: sources.get(role, sources["train"]) for role, path in files.items()}):
            roles |= settle_times(files, values, ask)
            text = recipe_text(name, {**values, **roles, "data.dataset": name})
            recipe = parse_recipe(name, text)
            counts = {role: _check_rows(path, recipe.data) for role, path in files.items()}
            check_test_labels(counts, recipe.data.label, files)
        for base in recipe.choose_base.bases:
            bases.pin(workspace, base, recipe.data.modality)
        return adopt(handle, {path.name: path for path in files.values()}, text)


def _check_rows(path: Path, data: Data) -> Counter[str]:
    """Read every row once before anything is written: nothing can be learned from no contents, one class, or a class of one row.

    Returns:
        the rows of each class.
    """
    counts: Counter[str] = Counter()
    n_filled = 0
    for batch in read_batches(path, [*data.columns, data.label]):
        check_kinds(path, batch, data)
        contents = batch[data.content]
        if not n_filled:
            MODALITIES[data.modality].content_keys(
                contents[:1], [f"row 1 of {path.name}"]
            )  # what no content is, is refused
        counts.update(batch[data.label].str.strip())
        n_filled += sum(bool(content and content.strip()) for content in contents)
    del counts[""]
    if not n_filled:
        raise InputError(
            f'Every {data.modality} in column "{data.content}" is empty.', where=str(path), do="name another column"
        )
    if len(counts) < 2:
        held = f"one class, {_short(next(iter(counts)))!r}" if counts else "no class"
        raise InputError(
            f'Column "{data.label}" holds {held}; a classifier needs two.', where=str(path), do="name another column"
        )
    lonely = sorted(label for label, n in counts.items() if n == 1)
    if lonely and data.test is None:
        more = f" and {len(lonely) - 1} more" if len(lonely) > 1 else ""
        raise InputError(
            f"Class {_short(lonely[0])!r}{more} has one row; it can be taught or tested, not both.",
            where=f'{path}, column "{data.label}"',
            do="add rows of it, join it to another class, or take it out",
        )
    return counts


def _short(label: str) -> str:
    return label if len(label) <= 60 else f"{label[:60]} ..."
