"""What putting rows on sides did to them: what was dropped and why, which labels came later."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from graft.data.gather import CHANGED
from graft.data.sides import ACROSS, ALIKE, GROUP, LACKS_LABEL, NO_TIME, REPAIRED, REPEAT, WAITING, Sides
from graft.data.updates import Updates
from graft.records import Finding, Severity
from graft.rows import DROPPED, UNLABELLED

_N_NAMED = 20
_DROPPED: tuple[tuple[int, str, Severity, str], ...] = (
    (LACKS_LABEL, "rows without a label", "warning", "label them, or take them out"),
    (WAITING, "rows that wait for their label", "note", "graft add RECIPE LABELS"),
    (NO_TIME, "rows without a time", "warning", "give each row its time"),
    (ACROSS, "rows that also stand on the other side", "note", ""),
    (ALIKE, "rows that resemble one on the other side", "note", ""),
    (GROUP, "rows whose group stands on the other side", "note", ""),
    (REPEAT, "training rows that repeat another", "note", ""),
    (REPAIRED, "rows that a repair took out", "note", ""),
)


def side_findings(
    index: pd.DataFrame,
    sides: Sides,
    updates: Updates,
    name: Callable[[int], str],
    whole: Callable[[str, Iterable[str]], None] | None = None,
) -> list[Finding]:
    """Return what was done to rows, kind by kind; only what was found.

    Args:
        index: as ``gather`` returns it.
        sides: as ``assign_sides`` and ``drop_by_label`` left them.
        name: a row's name for people.
        whole: called with each finding's name and the names of all its rows; the findings name the first twenty.
    """

    def found(title: str, rows: list[int], done: str, severity: Severity = "note", do: str = "") -> Finding:
        named = tuple(name(row) for row in rows[:_N_NAMED])
        if whole is not None and rows:
            whole(title, map(name, rows))
        return Finding(name=title, n_rows=len(rows), rows=named, severity=severity, done=done, do=do)

    def rows(which: npt.NDArray[np.bool_]) -> list[int]:
        return np.flatnonzero(which & ~updates.is_update).tolist()

    findings = [
        found(title, rows((sides.because == reason) & sides.on(DROPPED)), "dropped", severity, do)
        for reason, title, severity, do in _DROPPED
    ]
    findings += [
        found("rows that are learned from without a label", rows(sides.on(UNLABELLED)), "kept"),
        found("labels that came late", [update for update, _ in updates.late], "joined by id"),
        found("labels that were corrected", [update for update, _ in updates.corrected], "the last one counts"),
        found(
            "rows that a repair mended", rows((index["repaired"] == CHANGED).to_numpy()), "on the side where they were"
        ),
    ]
    return [finding for finding in findings if finding.n_rows]
