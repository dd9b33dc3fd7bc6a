"""Domain cards of a workspace: made by ``graft card``, found by the digest of their base."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graft.data import import_data, read_table
from graft.errors import InputError
from graft.modality import MODALITIES
from graft.model.encoder import Progress, embed
from graft.shift.card_rows import write_domain
from graft.shift.domain_card import N_ROWS, SUFFIX, Card
from graft_tasks.datasets.add import scratch_folder
from graft_tasks.dvc.repro import commit
from graft_tasks.registry import bases
from graft_tasks.steps.context import report_progress
from graft_tasks.workspace import Workspace, as_file_name

SEED = 60_000
MAX_TOKENS = 128
_OF_A_WORD = "“"
"""How the name of a property begins that is the share of rows with one word; a person is shown the others."""


@dataclass(frozen=True)
class MadeCard:
    """A card that was made, and where it lies in the workspace. ``properties`` are means over its rows."""

    base: str
    base_sha256: str
    source: str
    is_proxy: bool
    modality: str
    n_rows: int
    path: str
    properties: dict[str, float]


def make_card(
    workspace: Workspace,
    base: str,
    file: Path,
    *,
    column: str,
    modality: str,
    source: str,
    is_proxy: bool,
    progress: Progress = report_progress,
) -> MadeCard:
    """Make a base's domain card from a file with contents of its domain; the workspace keeps it in ``cards``.

    Args:
        column: with the contents.
        modality: what they are, a key of ``MODALITIES``.
        source: what the rows are, for people: name and licence.
        is_proxy: whether the rows only stand for what the base was trained on.

    Raises:
        InputError: no such base, no such column, or fewer than ten rows.
    """
    pinned = bases.pin(workspace, base, modality)
    contents = _read(workspace, file, column)
    chosen = np.sort(np.random.default_rng(SEED).permutation(len(contents))[:N_ROWS])
    drawn = [contents[i] for i in chosen]
    folder = bases.locate(workspace, pinned)
    features, _ = embed(folder, drawn, modality=modality, max_tokens=MAX_TOKENS, progress=progress)
    card = Card(
        base=base,
        base_sha256=pinned.folder_sha256,
        source=source,
        is_proxy=is_proxy,
        modality=modality,
        n_rows=len(drawn),
        profile=MODALITIES[modality].profile(drawn, folder),
    )
    path = workspace.cards / f"{as_file_name(base)}-{pinned.folder_sha256[:12]}{SUFFIX}"
    write_domain(path, card, features)
    relative = path.relative_to(workspace.root).as_posix()
    commit(workspace.root, f"card of {base}: {card.title}", [relative])
    return MadeCard(
        path=relative,
        properties={
            name: measured.mean for name, measured in card.profile.properties.items() if not name.startswith(_OF_A_WORD)
        },
        **card.model_dump(exclude={"profile"}),
    )


def _read(workspace: Workspace, file: Path, column: str) -> list[str | bytes]:
    """Return a file's contents, without the empty ones."""
    with scratch_folder(workspace) as scratch:
        brought = import_data(file, scratch, role="added")
        contents = [
            value
            for path in brought.values()
            for value in read_table(path, [column])[column].tolist()
            if isinstance(value, str | bytes) and value.strip()
        ]
    if len(contents) < 10:
        raise InputError(
            f"{file.name} has {len(contents)} rows in {column}.", where=str(file), do="a card needs 10, better 2,000"
        )
    return contents
