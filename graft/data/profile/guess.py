"""What a column is for: guesses, each with its reason and how sure it is."""

from __future__ import annotations

import math
import re
from functools import partial
from typing import Literal, NamedTuple

import pandas as pd

from graft.data.profile.entities import strength_as_group
from graft.data.profile.kinds import Profile
from graft.data.times import is_epoch, order_of
from graft.leak import MIN_SHARE, names_unit, share_given_away
from graft.rows import MISSING

Role = Literal["text", "image", "label", "group", "time", "id", "sensitive", "leaks_label", "none"]

_CODES = {"category", "boolean", "integer", "number"}
_TOKEN = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")

_TEXT = {
    "text", "sentence", "message", "tweet", "comment", "review", "content", "body", "question", "utterance", "document",
}  # fmt: skip
_LABEL = {
    "label", "labels", "class", "category", "target", "intent", "sentiment", "toxicity", "toxic", "spam", "topic",
    "emotion", "diagnosis", "outcome", "y",
}  # fmt: skip
_GROUP = {
    "patient", "user", "author", "customer", "client", "subject", "speaker", "session", "conversation", "thread", "writer",
    "account", "group",
}  # fmt: skip
_TIMES = {"date", "time", "timestamp", "datetime", "created", "day"}
_ID = {"id", "uid", "uuid", "guid", "key", "index", "idx", "nr", "number", "rowid"}
_SENSITIVE = {
    "sex", "gender", "race", "ethnicity", "ethnic", "age", "religion", "nationality", "citizenship", "disability",
    "orientation", "geschlecht", "alter",
}  # fmt: skip
_WOMEN = {"female", "woman", "women", "weiblich"}  # letters do not tell: F and M are felony and misdemeanour elsewhere
_MEN = {"male", "man", "men", "männlich"}
SIDE_WORDS = frozenset({"train", "training", "test", "dev", "val", "valid", "validation"})
_COUNTED = {"count", "score", "num", "n", "votes", "rank", "offset"}


class Guess(NamedTuple):
    """A role, its reason in a phrase, and how sure it is, in [0, 1]."""

    role: Role
    because: str
    confidence: float


_SHORT = 30  # characters: names of people are as short
_NARROW = 5  # columns: label first and text after it is how tables without a header are written
NO_ROLE = Guess("none", "", 0.0)


def tokens(name: str) -> frozenset[str]:
    """Return the words of a column's name: ``patientID`` and ``patient_id`` have the same."""
    return frozenset(token.lower() for token in _TOKEN.findall(name))


def guess_roles(profiles: list[Profile], sample: pd.DataFrame, pictures: str | None = None) -> dict[str, Guess]:
    """Return the role of each column, one column at most for text, image, label, group and time.

    Args:
        profiles: one for each column of ``sample``, in its order.
        sample: strings.
        pictures: the column that names images which lie beside the table.
    """
    roles = dict.fromkeys((column.name for column in profiles), NO_ROLE)
    for column in profiles:
        roles[column.name] = _sensitive(column) or _id(column) or NO_ROLE
    for find in (partial(_image, pictures=pictures), _text, _time, _label, _group):
        free = [column for column in profiles if roles[column.name].role in {"none", "id"} or find is _text]
        found = find(free)
        if found is not None:
            roles[found[0]] = found[1]
    label = next((name for name, guess in roles.items() if guess.role == "label"), None)
    labelled = sample[sample[label] != ""] if label is not None else sample.head(0)
    codes = pd.factorize(labelled[label] if label is not None else labelled.index)[0]
    for column in profiles if len(labelled) else ():
        judged = column.kind in _CODES and roles[column.name] is NO_ROLE
        share = share_given_away(labelled[column.name], codes) if judged else 0.0
        if share >= MIN_SHARE:
            roles[column.name] = Guess("leaks_label", f"its value determines {label} on {share:.1%} of rows", share)
    return roles


def _sensitive(column: Profile) -> Guess | None:
    if column.kind in {"empty", "constant", "text"}:
        return None
    values = {value.casefold() for value in column.counts}
    if values & _WOMEN and values & _MEN and len(values) <= 6:
        return Guess("sensitive", "its values are genders", 0.95)
    named = tokens(column.name) & _SENSITIVE
    return Guess("sensitive", f"called {sorted(named)[0]}", 0.9) if named and column.kind != "date/time" else None


def _id(column: Profile) -> Guess | None:
    if not column.is_unique or column.kind not in {"integer", "category", "image path"}:
        return None
    words = tokens(column.name)
    if words & _TIMES or _is_years(column):
        return None
    if words & _ID or column.name.lower().endswith("id") or column.name.startswith("Unnamed"):
        return Guess("id", "named like an id, and no value comes twice", 0.95)
    if column.kind == "integer":
        numbers = sorted(map(int, column.values))
        if numbers[-1] - numbers[0] == len(numbers) - 1:
            return Guess("id", "counts the rows", 0.8)
        return None
    worded = any(" " in value for value in column.counts)
    return None if worded else Guess("id", "no value comes twice", 0.6)


def _is_years(column: Profile) -> bool:
    return column.kind == "integer" and all(1900 <= int(value) <= 2100 for value in column.values)


def _image(free: list[Profile], pictures: str | None) -> tuple[str, Guess] | None:
    if pictures is not None:
        return pictures, Guess("image", "names the images beside it", 0.95)
    found = [column for column in free if column.kind == "image"]
    if found:
        return found[0].name, Guess("image", "holds images", 0.95 if len(found) == 1 else 0.7)
    paths = [column for column in free if column.kind == "image path"]
    return (paths[0].name, Guess("image", "names image files, none of which is here", 0.3)) if paths else None


def _text(free: list[Profile]) -> tuple[str, Guess] | None:
    texts = [column for column in free if column.kind == "text"]
    if not texts:
        return None

    def score(column: Profile) -> float:
        return (
            1.0 * bool(tokens(column.name) & _TEXT) + math.log10(1 + column.mean_chars) - column.n_empty / column.n_rows
        )

    highest = max(map(score, texts))
    best = next(text for text in texts if score(text) > highest - 0.05)
    others = [text for text in texts if text is not best and score(text) > score(best) - 0.3]
    because = f"{best.mean_chars:,.0f} characters on average" + (f"; {others[0].name} is alike" if others else "")
    return best.name, Guess("text", because, 0.5 if others else 0.95)


def _time(free: list[Profile]) -> tuple[str, Guess] | None:
    times = [column for column in free if _holds_times(column) and column.n_empty <= 0.05 * column.n_rows]
    if not times:
        return None
    best = max(times, key=lambda column: (bool(tokens(column.name) & _TIMES), -column.n_empty, -column.position))
    order = order_of(value for value in best.counts if value.casefold() not in MISSING)
    how = order.time_format or "" if order.is_clear else "whether day or month comes first is not clear"
    because = f"dates or times{f', {how}' if how else ''}"
    return best.name, Guess("time", because, 0.9 if len(times) == 1 else 0.5)


def _holds_times(column: Profile) -> bool:
    is_named = not tokens(column.name).isdisjoint(_TIMES | {"epoch", "ts"})
    return column.kind == "date/time" or (column.kind == "integer" and is_named and all(map(is_epoch, column.counts)))


def _group(free: list[Profile]) -> tuple[str, Guess] | None:
    short = [
        column
        for column in free
        if column.kind in {"category", "integer"} or (column.mean_chars <= _SHORT and column.kind == "text")
    ]
    judged = [(strength_as_group(column.name, column.counts), -column.position, column) for column in short]
    if not judged or max(judged)[0] == 0:
        return None
    strength, _, best = max(judged)
    mean = best.counts.total() / best.n_distinct
    named = next((unit for unit in sorted(_GROUP) if unit in best.name.lower()), "name")
    return best.name, Guess("group", f"one {named} has {mean:.1f} rows on average", strength)


def _label(free: list[Profile]) -> tuple[str, Guess] | None:
    scored = sorted(
        ((_label_score(column), -column.position, column) for column in free if _may_be_label(column)), reverse=True
    )
    if not scored or scored[0][0] < 2.5:
        return None
    score, _, best = scored[0]
    because = "named like a label" if tokens(best.name) & _LABEL else "few values, each often"
    ahead = score - (scored[1][0] if len(scored) > 1 else 0)
    return best.name, Guess("label", f"{because}: {best.n_distinct:,}", round(min(0.95, 0.5 + 0.15 * ahead), 2))


def _may_be_label(column: Profile) -> bool:
    if column.kind not in _CODES or set(map(str.lower, column.counts)) <= SIDE_WORDS or _is_years(column):
        return False
    return 2 <= column.n_distinct <= min(1000, max(2, column.counts.total() // 2)) and column.mean_chars <= 60


def _label_score(column: Profile) -> float:
    """Return how much a column looks like the label: 2.5 is the least that is believed.

    Most for the very name and its words; something for the last place (the first of a narrow table without a header), for words
    as values, few values and many rows a value; less for empty cells and for names of counts, groups and ids.
    """
    words = tokens(column.name)
    score = 4.0 * (column.name.lower() in _LABEL) + 2.0 * bool(words & _LABEL) + 1.0 * bool(words & {"is", "has"})
    score -= 2.0 * bool(words & (_COUNTED | _GROUP | _ID) or names_unit(column.name))
    first = (
        re.fullmatch(r"column_\d+", column.name) is not None and column.position == 0 and column.n_columns <= _NARROW
    )
    score += 1.5 * (first or column.position == column.n_columns - 1)
    score += 1.0 * (column.kind in {"category", "boolean"}) - 1.0 * (column.kind == "number")
    score += 0.5 * (column.n_distinct <= 20) + 0.5 * (column.counts.total() >= 20 * column.n_distinct)
    return score - 3.0 * column.n_empty / column.n_rows
