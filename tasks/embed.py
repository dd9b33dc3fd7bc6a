"""embed: where does the data lie in each base's space? Rows in, features out."""

from __future__ import annotations

from safetensors.numpy import save_file

from graft.data import TEST, TRAIN
from graft.model.encoder import embed
from graft.records import EmbeddingRecord, digest_folder
from tasks.bases import locate
from tasks.disk import Writing
from tasks.rows import FEATURES, read_rows
from tasks.steps import Context


def run(context: Context) -> EmbeddingRecord:
    """Embed train and test rows, in that order, with every candidate base."""
    rows = read_rows(context, TRAIN, TEST, content=True)
    settings = context.recipe.embed
    features, n_cut = {}, 0
    for base in context.pinned.bases:
        folder = locate(context.workspace, base)
        features[base.id], n_cut = embed(
            folder,
            rows["content"].tolist(),
            modality=context.recipe.data.modality,
            max_tokens=settings.max_tokens,
            progress=context.progress,
        )
    with Writing(context.files / FEATURES):
        save_file(features, context.files / FEATURES)
    files, _ = digest_folder(context.files)
    return EmbeddingRecord(
        step="embed",
        recipe=context.recipe.name,
        passed=True,
        summary=f"{len(rows):,} rows with {', '.join(features)}",
        inputs=context.digests,
        n_rows=len(rows),
        dimensions={name: array.shape[1] for name, array in features.items()},
        n_truncated=n_cut,
        max_tokens=settings.max_tokens if context.recipe.data.modality == "text" else None,
        files=files,
    )
