"""What follows from a profile: short sentences for who is about to train."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graft.modality import IMAGE, MODALITIES

if TYPE_CHECKING:
    from graft.data.profile.profile import DataProfile

_FEW_ROWS = 200
_TINY = 10
_UNEVEN = 5.0
_SURE = 0.7


def advice_on(profile: DataProfile) -> tuple[str, ...]:
    """Return what to do or to know, what matters most first."""
    return (*_on_columns(profile), *_on_classes(profile), *_on_rows(profile), *_on_languages(profile))


def refusal_of(profile: DataProfile) -> str:
    """Return why Graft cannot be trained on this and what can be; an empty text where it can."""
    if profile.contents or _short_texts(profile):
        return ""
    kinds = {column.kind for column in profile.columns if column.role not in {"id", "time"}} - {"empty", "constant"}
    numbers = kinds <= {"integer", "number"}
    if numbers and profile.columns_with("time"):
        return f"{_TASK} This is a series of measurements: use for example sktime or statsmodels."
    held = "numbers" if numbers else "categories" if kinds <= {"category", "boolean"} else "numbers and categories"
    return f"{_TASK} This is a table of {held}: use for example scikit-learn's HistGradientBoostingClassifier."


def _short_texts(profile: DataProfile) -> list[str]:
    """Return the columns of words that mostly differ from row to row: names, say, which a person may well want classified."""
    return [
        column.name
        for column in profile.columns
        if column.kind == "category"
        and column.role in {"none", "id"}
        and column.confidence < _SURE
        and column.n_distinct > 0.5 * profile.n_examined
        and all(sum(map(str.isalpha, value)) >= 0.8 * len(value) for value in column.examples)
    ]


_TASK = "Graft trains on texts and images, one label per row."
_ABSENT = "they are not beside the table. Put them there, or give the folder that holds both"


def _on_columns(profile: DataProfile) -> list[str]:
    sentences = []
    if not profile.contents:
        names = ", ".join(f'"{_short(name)}"' for name in _short_texts(profile)[:3])
        sentences.append(f"No column looks like texts: if {names} holds them, say so.")
    if not profile.columns_with("label"):
        sentences.append("No column looks like a label: name it.")
    for column in profile.columns:
        if column.role in {*MODALITIES, "label"} and column.confidence < _SURE:
            sentences.append(
                f'That "{column.name}" is the {column.role} is a guess ({column.because}): say so, or name another.'
            )
        if column.role == IMAGE.name and column.kind == "image path":
            consequence = "the images themselves are put into the table" if column.confidence >= _SURE else _ABSENT
            sentences.append(f'"{column.name}" names image files: {consequence}.')
        if column.role == "leaks_label":
            sentences.append(f'"{column.name}" gives the label away ({column.because}): no model may see it.')
        if column.role == "group":
            sentences.append(
                f'"{column.name}" ties rows together ({column.because}): use it as group, so that none is on both sides.'
            )
        if column.role == "time":
            sentences.append(
                f'"{column.name}" holds times: test on the latest rows where the model will meet later ones.'
            )
        if column.role == "sensitive":
            sentences.append(f'"{column.name}" may be sensitive: name it, and groups are compared.')
    return sentences


def _on_classes(profile: DataProfile) -> list[str]:
    counts = profile.class_counts
    if len(counts) < 2:
        return ["All rows have one label: there is nothing to learn."] if len(counts) == 1 else []
    sentences = []
    most, fewest = max(counts, key=lambda name: counts[name]), min(counts, key=lambda name: counts[name])
    if counts[most] >= _UNEVEN * counts[fewest]:
        share = counts[most] / sum(counts.values())
        sentences.append(
            f'Classes are uneven: "{_short(most)}" has {share:.0%} of the rows, "{_short(fewest)}" {counts[fewest]:,} rows. '
            "Judge by macro F1, not by accuracy."
        )
    tiny = [name for name, n in counts.items() if n < _TINY]
    if tiny:
        names = ", ".join(_short(name) for name in tiny[:5]) + (" ..." if len(tiny) > 5 else "")
        sentences.append(f"Classes with fewer than {_TINY} rows: {len(tiny)} ({names}). Add rows or merge them.")
    return sentences


def _short(name: str) -> str:
    return name if len(name) <= 30 else name[:29] + "…"


def _rows(n: int) -> str:
    return "1 row" if n == 1 else f"{n:,} rows"


def _on_rows(profile: DataProfile) -> list[str]:
    sentences = []
    if profile.n_rows < _FEW_ROWS:
        sentences.append(f"Only {_rows(profile.n_rows)}: intervals will be wide.")
    if profile.n_duplicates:
        sentences.append(
            f"{_rows(profile.n_duplicates)} of {profile.n_examined:,} repeat another: repeats are not trained on."
        )
    if profile.n_conflicts:
        sentences.append(f"Contents that stand with two labels: {profile.n_conflicts:,}. Look at them.")
    if profile.n_crossing:
        sentences.append(f"{_rows(profile.n_crossing)} of test also stand in train: these are not trained on.")
    if profile.fraction_long > 0.05:
        sentences.append(
            f"{profile.fraction_long:.0%} of the texts have more than 500 characters, about 128 tokens: raise max_tokens."
        )
    sides = {split.name: split.n_rows for split in profile.splits}
    if {"validation", "test"} <= set(sides):
        sentences.append(f"The validation split ({_rows(sides['validation'])}) stays out: there is a test split.")
    return sentences


def _on_languages(profile: DataProfile) -> list[str]:
    shares = {name: share for name, share in profile.languages.items() if name != "unknown"}
    if not shares or sum(shares.values()) < 0.5:
        return []
    main = max(shares, key=lambda name: shares[name])
    others = [f"{name} {share:.0%}" for name, share in shares.items() if name != main and share >= 0.05]
    if others:
        return [
            f"Texts are in several languages ({main} {shares[main]:.0%}, {', '.join(others)}): take a multilingual base."
        ]
    return [] if main == "en" else [f'Texts are in "{main}": take a base that knows it.']
