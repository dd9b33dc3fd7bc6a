"""What a person wants to know of data before training on it: form, columns and their roles, languages, twins, advice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pandas as pd
from pydantic import Field

from graft.data.labels import strange_labels
from graft.data.profile.advice import advice_on, refusal_of
from graft.data.profile.counts import Tally, spaced, tally
from graft.data.profile.entities import rounded_example
from graft.data.profile.guess import NO_ROLE, SIDE_WORDS, Role, guess_roles, tokens
from graft.data.profile.kinds import BINARY, Kind, Profile, profile
from graft.data.readers.beside import naming_column
from graft.data.readers.dialect import Dialect
from graft.data.readers.folders import find_source, n_columns_of, rows_of
from graft.data.readers.raw import head_of
from graft.data.readers.source import Format, Source
from graft.modality import MODALITIES, TEXT
from graft.modality.text.normalize import content_key
from graft.records import Value, sha256_bytes

MAX_ROWS = 200_000
MAX_COLUMNS = 1_000
"""Columns behind these first ones are counted and not looked at."""
_N_LANGUAGE = 500
_EXAMPLE = 60


class Column(Value):
    """A column: what it holds, what it seems to be for and why. Figures are of the rows that were examined."""

    name: str
    kind: Kind
    n_distinct: int
    n_empty: int
    examples: tuple[str, ...]
    role: Role
    because: str
    confidence: float = Field(ge=0, le=1)


class Split(Value):
    """Rows that belong to one side: "train", "validation", "test", or "all" where no name says which."""

    name: str
    files: tuple[str, ...]
    n_rows: int


class DataProfile(Value):
    """Data as it really is.

    ``n_rows`` and ``class_counts`` are of all rows of the split ``examined``; columns, languages, duplicates and conflicts of
    its ``n_examined`` evenly spaced rows. ``n_duplicates`` counts rows whose content stands in an earlier one, ``n_conflicts``
    contents with more than one label, ``n_crossing`` examined test rows whose content stands in an examined training row.
    Languages are shares; "unknown" are texts too short to tell. ``n_columns`` counts all columns, ``columns`` are at most the
    first ``MAX_COLUMNS``. ``refusal`` says, where Graft cannot be trained on this, why and what to use instead.
    """

    name: str
    format: Format
    dialect: Dialect | None
    encoding: str
    splits: tuple[Split, ...]
    examined: str
    n_rows: int
    n_examined: int
    columns: tuple[Column, ...]
    class_counts: dict[str, int]
    languages: dict[str, float]
    n_duplicates: int
    n_conflicts: int
    n_crossing: int
    fraction_long: float
    oddities: tuple[str, ...]
    advice: tuple[str, ...]
    n_columns: int = 0
    refusal: str = ""

    @property
    def contents(self) -> tuple[str, ...]:
        """The names of the columns that seem to be contents of a modality."""
        return tuple(column.name for column in self.columns if column.role in MODALITIES)

    def columns_with(self, role: Role) -> tuple[str, ...]:
        """Return the names of the columns of a role."""
        return tuple(column.name for column in self.columns if column.role == role)


def profile_data(path: Path, *, max_rows: int = MAX_ROWS) -> DataProfile:
    """Look at a file or folder.

    Args:
        path: what ``bring`` takes: a table, a workbook, a folder with splits, a folder of images by class.
        max_rows: most rows that are examined for more than counting.

    Raises:
        InputError: there is nothing that Graft reads, or it is damaged: with the place and a remedy.

    Cost: every byte is read once; about 5 µs a row for counting and 50 µs a row for examining texts of a tweet's length.
    """
    source = find_source(path)
    tallies = {
        split: tally(rows_of(source, split, mend_twins=True, max_columns=MAX_COLUMNS), max_rows)
        for split in source.splits
    }
    examined = next(iter(tallies))
    counted = tallies[examined]
    pictures = _naming_column(source, counted)
    profiles = [_profile(counted, k, str(name), pictures) for k, name in enumerate(counted.sample)]
    roles = guess_roles(profiles, counted.sample, pictures)
    named: dict[str, str] = {guess.role: name for name, guess in roles.items() if guess.role in {*MODALITIES, "label"}}
    content = next((named[modality] for modality in MODALITIES if modality in named), None)
    texts = counted.sample[named[TEXT.name]] if TEXT.name in named else None
    keys = _keys(counted.sample, content)
    labels = counted.sample[named["label"]] if "label" in named else None
    draft = DataProfile(
        name=path.name,
        format=source.format,
        dialect=source.dialect,
        encoding=_encoding(source),
        splits=tuple(_split(source, split, tallies[split]) for split in source.splits),
        examined=examined,
        n_rows=counted.n_rows,
        n_examined=len(counted.sample),
        columns=tuple(_column(one, roles.get(one.name, NO_ROLE)) for one in profiles),
        class_counts=_class_counts(counted, named.get("label")),
        languages={} if texts is None else _languages(texts),
        n_duplicates=int(keys.duplicated().sum()),
        n_conflicts=_n_conflicts(keys, labels),
        n_crossing=_n_crossing(keys, tallies, content) if examined == "train" else 0,
        fraction_long=0.0 if texts is None else _fraction_long(texts),
        oddities=(*source.oddities, *_odd_columns(profiles, counted), *_strange_labels(tallies, named.get("label"))),
        advice=(),
        n_columns=max(len(profiles), n_columns_of(source) if len(profiles) == MAX_COLUMNS else 0),
    )
    refusal = refusal_of(draft)
    return draft.model_copy(update={"refusal": refusal, "advice": () if refusal else advice_on(draft)})


def _naming_column(source: Source, counted: Tally) -> str | None:
    """Return the column that names images beside the table; those of a table with images in it are in it."""
    has_bytes = any(cell.startswith(BINARY) for name in counted.sample for cell in counted.sample[name].head(100))
    return None if has_bytes else naming_column(source, counted.sample)


def _profile(counted: Tally, k: int, name: str, pictures: str | None) -> Profile:
    one = profile(counted.sample[name], k, counted.sample.shape[1])
    return replace(one, kind="image path") if name == pictures else one


def _strange_labels(tallies: dict[str, Tally], label: str | None) -> list[str]:
    """Return a sentence where the classes of test are none of train's."""
    if label is None or not {"train", "test"} <= tallies.keys():
        return []
    train, test = (Counter[str](tallies[side].counts.get(label, {})) for side in ("train", "test"))
    del train[""], test[""]
    odd_labels = strange_labels(train, test)
    return [odd_labels] if odd_labels else []


def _encoding(source: Source) -> str:
    if source.format in {"Parquet", "Excel", "Hugging Face dataset", "folder of images by class"}:
        return ""
    first = next(iter(source.splits.values()))[0]
    return "UTF-8 with a byte order mark" if head_of(first).startswith(b"\xef\xbb\xbf") else "UTF-8"


def _split(source: Source, split: str, counted: Tally) -> Split:
    files = tuple(path.relative_to(source.root).as_posix() for path in source.splits[split][:20])
    return Split(name=split, files=files, n_rows=counted.n_rows)


def _column(one: Profile, guess: tuple[Role, str, float]) -> Column:
    role, because, confidence = guess
    common = [value for value, _ in one.counts.most_common(3)]
    shown = (value.lstrip(BINARY).rsplit(" ", 1)[0] if value.startswith(BINARY) else value for value in common)
    examples = tuple(value if len(value) <= _EXAMPLE else value[: _EXAMPLE - 1] + "…" for value in shown)
    return Column(
        name=one.name,
        kind=one.kind,
        n_distinct=one.n_distinct,
        n_empty=one.n_empty,
        examples=examples,
        role=role,
        because=because,
        confidence=confidence,
    )


def _class_counts(counted: Tally, label: str | None) -> dict[str, int]:
    """Return the rows of each class, most first; classes are at most 1,000, so that all rows were counted."""
    counts = counted.counts.get(label, Counter()) if label is not None else Counter[str]()
    return {value: int(n) for value, n in sorted(counts.items(), key=lambda one: (-one[1], one[0])) if value}


def _keys(sample: pd.DataFrame, content: str | None) -> pd.Series:
    """Return what names the content of each row that has any: equal images have equal digests."""
    if content is None:
        return pd.Series(dtype="str")
    cells = sample[content]
    cells = cells[cells != ""]
    return cells.map(lambda cell: cell if cell.startswith(BINARY) else content_key(cell))


def _n_conflicts(keys: pd.Series, labels: pd.Series | None) -> int:
    if labels is None or keys.empty:
        return 0
    labelled = labels[keys.index]
    return int((labelled[labelled != ""].groupby(keys).nunique() > 1).sum())


def _n_crossing(keys: pd.Series, tallies: dict[str, Tally], content: str | None) -> int:
    test = tallies.get("test")
    if test is None or content not in test.sample:
        return 0
    return int(_keys(test.sample, content).isin(set(keys)).sum())


def _languages(texts: pd.Series) -> dict[str, float]:
    """Return the share of each language among at most 500 evenly spaced texts, most first."""
    from graft.modality.text.language import COUNTED, identify_languages  # its model takes 0.3 s

    given = texts[texts != ""]
    found = identify_languages([given.iloc[k] for k in spaced(len(given), _N_LANGUAGE)], COUNTED)
    counts = Counter(language or "unknown" for language in found.tolist())
    return {name: round(n / counts.total(), 4) for name, n in sorted(counts.items(), key=lambda one: (-one[1], one[0]))}


def _fraction_long(texts: pd.Series) -> float:
    """Return the share of texts above 500 characters, about 128 tokens of English."""
    return float((texts.str.len() > 500).mean())


def _odd_columns(profiles: list[Profile], counted: Tally) -> list[str]:
    odd = []
    first_of: dict[str, str] = {}
    for one in profiles:
        twin, _, number = one.name.rpartition(" (")
        if number == "2)":
            odd.append(f'two columns are called "{twin}"')
        if one.kind == "binary":
            odd.append(f'column "{one.name}" holds bytes that are no image')
        if one.counts and {value.lower() for value in one.counts} <= SIDE_WORDS:
            odd.append(f'column "{one.name}" says which split a row belongs to')
        is_id = bool(tokens(one.name) & {"id", "uid", "key"}) or one.name.lower().endswith("id")
        rounded = rounded_example(one.counts, is_id=is_id) if one.kind == "number" else ""
        if rounded:
            odd.append(
                f'column "{one.name}" holds long numbers that a spreadsheet has rounded ({rounded}): {one.n_distinct:,} '
                f"different ones are left in {one.n_rows:,} rows, and none names a row any more. Where they are ids, export "
                "them again as text"
            )
        if one.kind in {"empty", "constant"}:
            continue
        cells = pd.util.hash_pandas_object(counted.sample[one.name], index=False).to_numpy().tobytes()
        first = first_of.setdefault(sha256_bytes(cells), one.name)
        if first != one.name:
            odd.append(f'column "{one.name}" repeats column "{first}"')
    return odd
