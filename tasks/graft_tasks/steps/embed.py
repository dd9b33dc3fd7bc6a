"""embed: where does the data lie in each base's space? Rows in, features out."""

from __future__ import annotations

import platform
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from graft import __version__
from graft.errors import InputError
from graft.modality import MODALITIES
from graft.model.checkpoint import training_key
from graft.model.encoder import embed
from graft.model.feature_cache import FeatureCache, keep_only
from graft.records import Base, EmbeddingRecord, digest_folder
from graft_tasks.processes.disk import Writing
from graft_tasks.registry.bases import locate
from graft_tasks.steps.context import VERSIONS, Context
from graft_tasks.steps.rows import EMBEDDED, FEATURES, read_rows

N_CHUNK = 1024
"""Rows of a file that are embedded together: fewer, and more of each batch is padding; more, and a kill costs more."""


def run(context: Context) -> EmbeddingRecord:
    """Embed the rows of all sides, in their order, with every candidate base."""
    rows = read_rows(context, *EMBEDDED, content=True)
    settings, modality = context.recipe.embed, context.recipe.data.modality
    features, unusable, n_cut, used = {}, dict[str, InputError](), 0, set[str]()
    for base in context.pinned.bases:
        try:
            features[base.id], n_cut = embed(
                locate(context.workspace, base),
                rows["content"].tolist(),
                modality=modality,
                max_tokens=settings.max_tokens,
                chunks=_chunks(rows["row"].tolist()),
                cache=_cache(context, base, used),
                progress=context.progress,
            )
            _check_finite(base, features)
        except InputError as error:
            unusable[base.id] = error
    if not features:
        raise next(iter(unusable.values()))
    keep_only(context.handle.features, used)
    with Writing(context.files / FEATURES):
        save_file(features, context.files / FEATURES)
    files, _ = digest_folder(context.files)
    return EmbeddingRecord(
        step="embed",
        recipe=context.recipe.name,
        passed=True,
        summary=f"{len(rows):,} rows{_cut(n_cut, settings.max_tokens)} with {', '.join(features)}",
        inputs=context.digests,
        n_rows=len(rows),
        dimensions={name: array.shape[1] for name, array in features.items()},
        n_truncated=n_cut,
        max_tokens=settings.max_tokens if MODALITIES[modality].has_tokens else None,
        files=files,
        unusable={name: error.what for name, error in unusable.items()},
    )


def _check_finite(base: Base, features: dict[str, npt.NDArray[np.float32]]) -> None:
    """Take a base's features out where some are no numbers: nothing can be learned or measured with them."""
    n_wrong = int((~np.isfinite(features[base.id]).all(axis=1)).sum())
    if n_wrong:
        del features[base.id]
        raise InputError(f"Base {base.id} gives {n_wrong:,} rows features that are not finite.", do="give another base")


def _cut(n_cut: int, max_tokens: int) -> str:
    """Return how many contents are longer than what is read of them, in words."""
    return f", {n_cut:,} cut to {max_tokens:,} tokens," if n_cut else ""


def _chunks(names: list[str]) -> list[slice]:
    """Return the rows that are embedded together: of each file ``N_CHUNK`` after ``N_CHUNK``, dropped ones counted.

    So a row's chunk is the same when other files come, or when rows elsewhere in its file get a label or are dropped.
    """
    parts = [(file, (int(number) - 1) // N_CHUNK) for file, _, number in (name.rpartition(" row ") for name in names)]
    starts = [k for k in range(len(parts)) if k == 0 or parts[k] != parts[k - 1]]
    return [slice(start, end) for start, end in pairwise([*starts, len(parts)])]


def _cache(context: Context, base: Base, used: set[str]) -> FeatureCache:
    """Return where a base's features are kept from one run of the step to the next."""
    facts = {
        "graft": __version__,
        "step": VERSIONS["embed"],
        "machine": platform.machine(),
        "base": base.folder_sha256,
        "modality": context.recipe.data.modality,
        "max_tokens": context.recipe.embed.max_tokens,
    }
    return FeatureCache(context.handle.features, training_key(facts), used)
