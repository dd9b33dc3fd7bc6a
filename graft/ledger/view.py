"""A ledger each of whose entries is read and verified once: by this process, or by an earlier one that noted it in an index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

from graft.ledger.dsse import Keyring
from graft.ledger.entries import PromotionPredicate
from graft.ledger.index import Index
from graft.ledger.store import Ledger, Promotion, Run, RunSummary, by_number, is_hidden, summary_of

E = TypeVar("E")
Marked = dict[str, tuple[str, E]]
"""What entries say, by name, each with the mark that its file had when it was read."""
MAX_RUNS = 256
"""So many runs are kept whole in memory; of all others their summaries."""


class LedgerView(Ledger):
    """A ledger that remembers what it has verified.

    Entries are never changed, so what was verified counts as long as the place says that the same file is there; a file that was
    written since is read and verified again. What earlier processes noted stands for most entries of a long history: which runs
    there are, and who was champion before. It does not stand for the last promotion, which says who is champion, nor for a run
    of which more is asked than its summary: these are read and verified by every process.

    Args:
        index: what earlier processes have noted; None: there is nothing, and nothing is noted.
    """

    def __init__(self, place: Path | str, keyring: Keyring, index: Index | None = None) -> None:
        super().__init__(place, keyring)
        self.place = place
        self._runs: dict[str, Run] = {}
        self._summaries = _Entries[RunSummary](index, self._summary, list, _summary_of_note)
        self._promotions = _Entries[Promotion](index, self._promotion, _note_of_promotion, _promotion_of_note)

    def run(self, recipe: str, entry: str) -> Run:
        """Return one run of a recipe; a process reads its file once.

        Raises:
            TamperError: absent, not what was signed, or of another recipe.
        """
        found = self._runs.get(entry)
        if found is None or found.predicate.recipe != recipe:
            found = super().run(recipe, entry)
            if len(self._runs) >= MAX_RUNS:
                self._runs.clear()
            self._runs[entry] = found
        return found

    def summaries(self, recipe: str) -> list[RunSummary]:
        """Return what is asked of every run of a recipe, in no order. Reads the files of those that are not known yet.

        Raises:
            TamperError: as ``runs`` does, for the files that are read.
        """
        prefix = f"runs/{recipe}/"
        return list(self._summaries.listed(prefix, self._marks(prefix)).values())

    def _summary(self, name: str) -> RunSummary:
        _, recipe, file = self._known(name).split("/")
        return summary_of(super().run(recipe, file.removesuffix(".json")))

    def _numbered(self, recipe: str) -> Iterator[tuple[str, Promotion]]:
        prefix = f"promotions/{recipe}/"
        marks = self._marks(prefix)
        found = self._promotions.listed(prefix, marks, always=max(marks, key=by_number, default=""))
        yield from ((name, found[name]) for name in sorted(found, key=by_number))

    def _marks(self, prefix: str) -> dict[str, str]:
        return {name: mark for name, mark in self.objects.marks(prefix) if not is_hidden(name)}


class _Entries(Generic[E]):
    """The verified entries of one kind, by the prefix of their names.

    Args:
        verify: reads and verifies the entry of a name.
        to_note, of_note: an entry as JSON, and back.
    """

    def __init__(
        self, index: Index | None, verify: Callable[[str], E], to_note: Callable[[E], Any], of_note: Callable[[Any], E]
    ) -> None:
        self._index = index
        self._verify = verify
        self._to_note = to_note
        self._of_note = of_note
        self._known: dict[str, Marked[E]] = {}
        self._read: set[str] = set()

    def listed(self, prefix: str, marks: dict[str, str], always: str = "") -> dict[str, E]:
        """Return the entries of names with these marks; those are read that are not known, and the one of the name ``always``."""
        # Of what is read in any case there is nothing to note.
        index = self._index if len(marks) > bool(always) else None
        if prefix not in self._known:
            noted = index.read(prefix) if index else {}
            self._known[prefix] = {name: (mark, self._of_note(says)) for name, (mark, says) in noted.items()}
        known = self._known[prefix]
        due = {name for name, mark in marks.items() if name not in known or known[name][0] != mark}
        due |= {always} - self._read - {""}
        if due or len(marks) != len(known):
            verified = {name: (marks[name], self._verify(name)) for name in marks if name in due}
            now = {name: verified.get(name) or known[name] for name in marks}
            if index and now != known:
                index.write(prefix, {name: (mark, self._to_note(entry)) for name, (mark, entry) in now.items()})
            self._read |= due
            self._known[prefix] = known = now
        return {name: entry for name, (_, entry) in known.items()}


def _summary_of_note(says: list[Any]) -> RunSummary:
    entry, finished_at, previous, *rest = says
    return RunSummary(entry, finished_at, tuple(previous), *rest)


def _note_of_promotion(promotion: Promotion) -> list[Any]:
    return [promotion.entry, promotion.keyid, promotion.predicate.model_dump(mode="json")]


def _promotion_of_note(says: list[Any]) -> Promotion:
    entry, keyid, predicate = says
    return Promotion(entry, keyid, PromotionPredicate.model_validate(predicate))
