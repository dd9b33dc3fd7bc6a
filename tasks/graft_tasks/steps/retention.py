"""What the candidate still knows of each model that it grew from: rows and models of the chain in, retention out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from graft.errors import TamperError
from graft.model.bases import WEIGHTS
from graft.model.classifier import Classifier
from graft.model.encoder import load_encoder
from graft.model.folder import load_model
from graft.model.reference import load_trained_on
from graft.model.retention import Features, against_base, measure_retention
from graft.records import Ancestor, Base, Retention, sha256_file
from graft.rows import TEST, TRAIN
from graft_tasks.registry.models import open_model
from graft_tasks.steps.context import Context
from graft_tasks.steps.rows import ROWS

MAX_TEST, MAX_TRAIN = 500, 1000
"""Rows of an ancestor's task that are embedded, at most, those with the least keys."""
MIN_TEST = 10
PRETRAINING = "what it was pretrained on is outside this ledger"


def retention(
    context: Context, base: Base, folder: Path, candidate: Classifier, before: Features, after: Features, keys: set[str]
) -> tuple[Retention, ...]:
    """Return what is kept of every ancestor, nearest first, or how far the candidate went from a pretrained base.

    Args:
        folder: the base's.
        before, after: features of the candidate's own test rows, the base's and its own.
        keys: content keys of all rows that the candidate was trained on.

    Raises:
        TamperError: an ancestor's folder or rows are not those that were pinned.
    """
    chain = context.pinned.ancestors.get(base.id, ())
    if not chain:
        settings = context.recipe.data.modality, context.recipe.embed.max_tokens
        encoder = load_encoder(folder, settings[0], max_tokens=settings[1])
        return (against_base(base.id, encoder, candidate.encoder, before, after, because=PRETRAINING),)
    here = [model for model in chain if (_folder(context, model) / WEIGHTS).is_file()]
    trained_on = keys.union(*(load_trained_on(_folder(context, model)) for model in here))
    found, lost = [], ""
    for model in chain:
        found.append(_of_ancestor(context, model, candidate, trained_on, lost))
        lost = lost or ("" if model in here else _name(model))
    return tuple(found)


def _of_ancestor(
    context: Context, ancestor: Ancestor, candidate: Classifier, trained_on: set[str], lost: str
) -> Retention:
    """Return what is kept of an ancestor.

    Args:
        seen: content keys of all rows that the models of the chain were trained on, as far as they are here.
        lost: the model between it and the candidate that is not here; empty for none.
    """
    name, folder = _name(ancestor), _folder(context, ancestor)
    if not (folder / WEIGHTS).is_file():
        return Retention(ancestor=name, n=0, because=f"its model is not here: dvc pull registry/{ancestor.recipe}")
    handle = context.workspace.recipe(ancestor.recipe)
    open_model(handle, ancestor.number, ancestor.model_id)
    if lost:
        return Retention(ancestor=name, n=0, because=f"which rows {lost} was trained on is not known here")
    path = handle.rows
    if ancestor.rows_sha256 is None or not path.is_file():
        return Retention(ancestor=name, n=0, because=f"its rows are not here: graft fetch {ancestor.recipe}")
    if sha256_file(path) != ancestor.rows_sha256:
        raise TamperError(
            f"The rows of {ancestor.recipe} changed while this run went on.",
            where=str(path),
            do=f"graft run {context.recipe.name}, once that recipe is done",
        )
    context.digests[f"{ancestor.recipe}/{ROWS}"] = ancestor.rows_sha256
    rows = pd.read_parquet(path, columns=["key", "side", "label", "content"]).sort_values("key", kind="stable")
    train = rows[rows["side"] == TRAIN].head(MAX_TRAIN)
    test = rows[(rows["side"] == TEST) & ~rows["key"].isin(trained_on)].head(MAX_TEST)
    enough = train.groupby("label")["key"].transform("size") >= 2
    train = train[enough]
    if len(test) < MIN_TEST or train["label"].nunique() < 2:
        return Retention(
            ancestor=name, n=len(test), because=f"{len(test)} test rows that no model of the chain was trained on"
        )
    sides = [(side["content"].tolist(), side["label"].to_numpy(dtype=str)) for side in (train, test)]
    return measure_retention(
        name,
        load_model(folder),
        candidate.encoder,
        sides[0],
        sides[1],
        rng=np.random.default_rng(0),
        n_bootstrap=context.recipe.evaluate.n_bootstrap,
        progress=context.progress,
    )


def _name(ancestor: Ancestor) -> str:
    return f"{ancestor.recipe} {ancestor.number}"


def _folder(context: Context, ancestor: Ancestor) -> Path:
    return context.workspace.recipe(ancestor.recipe).registry / ancestor.number
