"""What look guesses of public data, beside what is true of it: docs/guesses.md is written from here."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from graft.data.profile.profile import DataProfile, profile_data
from graft.errors import InputError
from tests.conftest import ROOT

ROLES = ("text", "image", "label", "group", "time", "id", "sensitive")
PAGE = ROOT / "docs" / "guesses.md"


class Truth(NamedTuple):
    """What is true of a dataset: its form, or the kind by which it is refused, and the columns of each role."""

    form: str
    text: str = ""
    image: str = ""
    label: str = ""
    group: str = ""
    time: str = ""
    id: str = ""
    sensitive: str = ""


TABLE = {
    "text/banking77": Truth("CSV", text="text", label="category"),
    **{
        f"text/tweeteval/{task}": Truth("text and label files", text="text", label="label")
        for task in ("emotion", "hate", "irony", "offensive")
    },
    **{
        f"text/umsab_multilingual/{language}": Truth("text and label files", text="text", label="label")
        for language in ("english", "french", "german", "spanish")
    },
    "text/sst2": Truth("TSV, no header", text="column_1", label="column_2"),
    "text/amazon_multidomain/amazon_reviews.csv": Truth("CSV", text="text", label="label"),
    "text/imdb/imdb_unsup_25k.parquet": Truth("Parquet", text="text", id="id"),
    "text/sms_spam/SMSSpamCollection.tsv": Truth("TSV, no header", text="column_2", label="column_1"),
    "bias/davidson/labeled_data.csv": Truth("CSV", text="tweet", label="class", id="Unnamed: 0"),
    "bias/jigsaw_unintended/bias_madlibs_77k.csv": Truth("CSV", text="Text", label="Label"),
    "bias/jigsaw_unintended/de_sentence_templates.csv": Truth("CSV", text="phrase", label="toxicity"),
    "bias/jigsaw_unintended/toxicity_fuzzed_testset.csv": Truth("CSV", text="comment", label="toxic", id="rev_id"),
    "bias/jigsaw_unintended/toxicity_nonfuzzed_testset.csv": Truth("CSV", text="comment", label="toxic", id="rev_id"),
    "bias/crows_pairs/crows_pairs_anonymized.csv": Truth(
        "CSV",
        text="sent_more",
        label="stereo_antistereo",
        group="anon_writer",
        id="Unnamed: 0",
        sensitive="bias_type",
    ),
    "bias/winogender/all_sentences.tsv": Truth("TSV", text="sentence", id="sentid"),
    "image/cifar10_jpeg": Truth("Parquet", image="jpeg", label="label"),
    "image/mnist/train-images-idx3-ubyte.gz": Truth("refused: a gzip archive"),
    "image/usps/usps16.npz": Truth("refused: a NumPy archive"),
    "image/pneumoniamnist/pneumoniamnist.npz": Truth("refused: a NumPy archive"),
    "image/xray_hannover/images_256.parquet": Truth("Parquet", image="jpeg", id="image_id"),
    "image/xray_hannover/metadata.csv": Truth("CSV", group="patient_id", id="image_id", sensitive="sex"),
    "tabular/compas/compas-scores-two-years.csv": Truth(
        "CSV",
        label="two_year_recid",
        time="compas_screening_date",
        id="id",
        sensitive="sex, age, age_cat, race",
    ),
    "tabular/german_credit/german.csv": Truth("CSV, no header", label="column_21", sensitive="column_9, column_13"),
    "bias/winogender/occupations-stats.tsv": Truth("TSV", id="occupation"),
    "drift/elec2/elec.csv": Truth("CSV", label="class"),
    "drift/nab/nyc_taxi.csv": Truth("CSV", time="timestamp"),
}


def form_of(seen: DataProfile) -> str:
    """A format and what is not plain about it."""
    headless = seen.dialect is not None and not seen.dialect.header
    unquoted = seen.dialect is not None and seen.dialect.quote is None
    return seen.format + (", no header" if headless else "") + (", no quotes" if unquoted else "")


def guess_of(path: Path) -> Truth:
    """What look says of a file or folder."""
    try:
        seen = profile_data(path)
    except InputError as error:
        return Truth(f"refused: {error.what.split(' is ', 1)[1].split(',', 1)[0]}")
    return Truth(form_of(seen), *(", ".join(seen.columns_with(role)) for role in ROLES))


def page_of(guesses: dict[str, Truth]) -> tuple[str, dict[str, int]]:
    """The page, and how many datasets each question was answered right for."""
    fields = Truth._fields
    right = {field: sum(_is_right(guesses[name], TABLE[name], field) for name in TABLE) for field in fields}
    lines = [
        "# What `graft profile` guesses of public data",
        "",
        f"The form and the columns of each role, as guessed for {len(TABLE)} datasets; a wrong guess is followed by the truth.",
        "Nothing is done on a guess alone: it fills in what a person confirms. The rules were written with most of these",
        "datasets at hand, so expect them to do worse on others. `tests/unit/data/profile/test_guess_table.py` writes this page.",
        "",
        f"| dataset | form | {' | '.join(ROLES)} |",
        "|---|" + "---|" * len(fields),
    ]
    for name, truth in TABLE.items():
        cells = [_cell(getattr(guesses[name], field), getattr(truth, field)) for field in fields]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    there = {field: [name for name in TABLE if getattr(TABLE[name], field)] for field in fields}
    found = {field: sum(_is_right(guesses[name], TABLE[name], field) for name in there[field]) for field in fields}
    lines.append(f"| **found where there is one** | {' | '.join(f'{found[f]} of {len(there[f])}' for f in fields)} |")
    amiss = {field: len(TABLE) - len(there[field]) - (right[field] - found[field]) for field in fields}
    absent = (f"{amiss[field]} of {len(TABLE) - len(there[field])}" for field in fields)
    lines.append(f"| **guessed where there is none** | {' | '.join(absent)} |")
    return "\n".join(lines) + "\n", right


def _is_right(guess: Truth, truth: Truth, field: str) -> bool:
    return bool(getattr(guess, field) == getattr(truth, field))


def _cell(guessed: str, true: str) -> str:
    return guessed or "-" if guessed == true else f"**wrong**: {guessed or 'none'}; it is {true or 'none'}"


def test_a_wrong_guess_is_shown() -> None:
    """A guess that differs from the truth stands on the page as wrong, and is not counted as right."""
    guesses = TABLE | {"text/banking77": Truth("CSV", text="text", label="text")}
    page, right = page_of(guesses)
    assert page.count("**wrong**: text; it is category") == 1
    assert (right["label"], right["text"]) == (len(TABLE) - 1, len(TABLE))


@pytest.mark.realdata
@pytest.mark.slow
def test_guesses_of_public_data(shared_data: Path, request: pytest.FixtureRequest) -> None:
    """The form is right always, each role for nine datasets in ten; the page of right and wrong guesses is up to date."""
    page, right = page_of({name: guess_of(shared_data / name) for name in TABLE})
    if request.config.getoption("--update-goldens"):
        PAGE.write_text(page, encoding="utf-8")
    assert right["form"] == len(TABLE)
    assert min(right.values()) >= 0.9 * len(TABLE)
    assert page == PAGE.read_text(encoding="utf-8"), "docs/guesses.md changed: run with --update-goldens and look at it"
