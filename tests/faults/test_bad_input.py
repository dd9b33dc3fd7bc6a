"""Bad rows and bad options: one sentence that says what, where and what to do, exit 2, and not a byte changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.bad_files import BAD_FILES, GOOD_CSV, BadFile
from tests.support.cli_runner import MESSAGES, NEW_OPTIONS, CommandLine, csv_bytes

ONE_CLASS = csv_bytes([(name, text, "card") for name, text, _ in MESSAGES])
LONELY = csv_bytes([*MESSAGES, ("m99", "a message about a house", "house")])
NO_TEXTS = csv_bytes([(name, "", label) for name, _, label in MESSAGES])


@pytest.mark.parametrize("what", BAD_FILES)
def test_files_that_are_no_rows(cli: CommandLine, tmp_path: Path, what: str) -> None:
    """``graft new`` and ``graft profile`` refuse a file that is no table of rows: the same words, nothing written anywhere."""
    source = BAD_FILES[what].write(tmp_path)
    cli.refuses("new", "fresh", "--data", source, *NEW_OPTIONS, words=BAD_FILES[what].words, source=tmp_path)
    if what not in {"two columns of a name"}:  # look shows what is odd about such a file
        cli.refuses("profile", source, words=BAD_FILES[what].words, source=tmp_path)


OPTIONS: dict[str, tuple[bytes, tuple[str, ...], tuple[str, ...]]] = {
    "a column misspelt": (GOOD_CSV, ("--text", "txt", "--label", "label"),
                          ("code column-missing", '"txt"', "did you mean 'text'?")),
    "a label misspelt": (GOOD_CSV, ("--text", "text", "--label", "lable"),
                         ("code column-missing", '"lable"', "did you mean 'label'?")),
    "a column in capitals": (GOOD_CSV, ("--text", "TEXT", "--label", "label"), ("did you mean 'text'?",)),
    "an id in capitals": (GOOD_CSV, (*NEW_OPTIONS, "--id", "ID"), ("code column-missing", '"ID"', "did you mean 'id'?")),
    "a column in small letters": (
        GOOD_CSV.replace(b"text", b"Text", 1), ("--text", "text", "--label", "label"), ("did you mean 'Text'?",)
    ),
    "a column that is like none": (GOOD_CSV, ("--text", "wholly-other", "--label", "label"), ("header: id, text, label",)),
    "a blank before a name": (GOOD_CSV.replace(b"text", b" text", 1), NEW_OPTIONS, ("did you mean ' text'?",)),
    "a sensitive column that is not there": (GOOD_CSV, (*NEW_OPTIONS, "--sensitive", "gender"),
                                             ("code column-missing", '"gender"')),
    "a group that is not there": (GOOD_CSV, (*NEW_OPTIONS, "--group", "customer"), ("code column-missing", '"customer"')),
    "a time that is not there": (GOOD_CSV, (*NEW_OPTIONS, "--time", "when"), ("code column-missing", '"when"')),
    "a time that is none": (GOOD_CSV, (*NEW_OPTIONS, "--time", "text"),
                            ("Row 1 of ", "code time-unreadable", "24.02.2015 11:35")),
    "label and text the same": (GOOD_CSV, ("--text", "text", "--label", "text"), ("data.label", "data.text")),
    "text and image both": (GOOD_CSV, (*NEW_OPTIONS, "--image", "text", "--base", "x"), ("either data.text or data.image",)),
    "neither text nor label": (GOOD_CSV, (), ("It is not said which column is text and which label.", "graft new")),
    "no label": (GOOD_CSV, ("--text", "text"), ("It is not said which column is label.",)),
    "one class": (ONE_CLASS, NEW_OPTIONS, ("holds one class, 'card'", "needs two")),
    "no class": (csv_bytes([(name, text, "") for name, text, _ in MESSAGES]), NEW_OPTIONS, ("holds no class",)),
    "a class of one row": (LONELY, NEW_OPTIONS, ("Class 'house' has one row", "add rows of it")),
    "a label as long as a book": (
        csv_bytes([(n, t, f"{k}" * 10**5) for k, (n, t, _) in enumerate(MESSAGES)]), NEW_OPTIONS, ("has one row",)
    ),
    "all texts empty": (NO_TEXTS, NEW_OPTIONS, ('Every text in column "text" is empty.',)),
    "a strategy of its own": (GOOD_CSV, (*NEW_OPTIONS, "--strategy", "magic"), ("finetune.strategy",)),
    "one row a class": (GOOD_CSV, (*NEW_OPTIONS, "--rows-per-class", "1"), ("data.rows_per_class",)),
    "a test file that is not there": (GOOD_CSV, (*NEW_OPTIONS, "--test", "gone.csv"), ("code file-missing", "gone.csv")),
    "a column of an image that is text": (GOOD_CSV, ("--image", "text", "--label", "label", "--base", "b"), ("text",)),
    "control characters for a name": (
        GOOD_CSV.replace(b"text", b"t\x1b[31mext", 1), NEW_OPTIONS, ("code column-missing", '"text"')
    ),
    "two thousand columns": (
        csv_bytes([tuple("abc"[k % 3] * 3 for k in range(2000))] * 3, ",".join(f"column number {k}" for k in range(2000))),
        NEW_OPTIONS, ("code column-missing", '"text"'),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", OPTIONS)
def test_rows_that_cannot_be_learned_from(cli: CommandLine, tmp_path: Path, what: str) -> None:
    """Wrong columns, classes and options are named, the nearest right one beside them."""
    content, options, words = OPTIONS[what]
    source = BadFile("rows.csv", content, ()).write(tmp_path)
    cli.refuses("new", "fresh", "--data", source, *options, words=words, source=tmp_path)


NAMES = {
    "a path upwards": "../fresh",
    "an absolute path": "/tmp/fresh",  # noqa: S108 - never written
    "upper case": "Fresh",
    "a line feed": "fresh\n",
    "64 characters": "a" * 64,
    "a dot": ".",
    "nothing": "",
    "a blank": "a b",
    "a hyphen at the end": "fresh-",
    "letters of other alphabets": "fräsch",
    "an escape": "a\x1b[31m",
}


@pytest.mark.parametrize("what", NAMES)
def test_names_that_cannot_be_folders(cli: CommandLine, tmp_path: Path, what: str) -> None:
    """A recipe's name is letters, digits and hyphens inside: no path leads out by it, for any command."""
    source = BadFile("rows.csv", GOOD_CSV, ()).write(tmp_path)
    words = ("code name-unusable", "a-z, 0-9 and hyphens inside")
    cli.refuses("new", NAMES[what], "--data", source, *NEW_OPTIONS, words=words)
    cli.refuses("add", NAMES[what], source, words=words)
    cli.refuses("run", NAMES[what], words=words)
    cli.refuses("monitor", NAMES[what], source, words=words)


def test_a_name_that_begins_like_an_option(cli: CommandLine, tmp_path: Path) -> None:
    """A leading hyphen is taken for an option, and behind -- for the bad name that it is."""
    source = BadFile("rows.csv", GOOD_CSV, ()).write(tmp_path)
    said = cli.run("new", "-fresh", "--data", str(source), *NEW_OPTIONS)
    assert said.exit_code == 2
    assert "No such option" in said.err
    cli.refuses("new", "--data", source, *NEW_OPTIONS, "--", "-fresh", words=("code name-unusable",))


def test_a_recipe_that_is_there(cli: CommandLine, tmp_path: Path) -> None:
    """A recipe's name is taken once, whatever the rows."""
    source = BadFile("rows.csv", GOOD_CSV, ()).write(tmp_path)
    cli.refuses("new", "known", "--data", source, *NEW_OPTIONS, words=("code recipe-exists", "known"))


@pytest.mark.parametrize("kind", ["an empty folder", "a folder of notes", "a device", "a pipe"])
def test_what_is_no_file_of_rows(cli: CommandLine, tmp_path: Path, kind: str) -> None:
    """A folder without rows, a device and a pipe are refused at once; nothing waits for them."""
    source = tmp_path / "source"
    if kind == "a device":
        source = Path("/dev/zero")
    elif kind == "a pipe":
        os.mkfifo(source)
    else:
        source.mkdir()
        if kind == "a folder of notes":
            (source / "notes.md").write_text("# nothing\n")
    words = ("code nothing-readable" if source.is_dir() else "code file-missing",)
    cli.refuses("new", "fresh", "--data", source, *NEW_OPTIONS, words=words)
    cli.refuses("profile", source, words=words)


def test_a_file_that_may_not_be_read(cli: CommandLine, tmp_path: Path) -> None:
    """A file without read permission is named, with what to do."""
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    source = BadFile("rows.csv", GOOD_CSV, ()).write(tmp_path)
    source.chmod(0)
    words = ("rows.csv may not be read.", "chmod")
    cli.refuses("new", "fresh", "--data", source, *NEW_OPTIONS, words=words)
    cli.refuses("profile", source, words=words)


def test_a_test_file_that_is_bad(cli: CommandLine, tmp_path: Path) -> None:
    """What holds for rows to train on holds for test rows: a damaged or other file is refused before anything is written."""
    source = BadFile("rows.csv", GOOD_CSV, ()).write(tmp_path)
    for content, word in ((b"%PDF-1.7", "is a PDF"), (b"id,text\na,b\n", 'no column "label"')):
        other = BadFile("test.csv", content, ()).write(tmp_path)
        cli.refuses("new", "fresh", "--data", source, "--test", other, *NEW_OPTIONS, words=(word,), source=tmp_path)


def test_what_files_say_cannot_steer_a_terminal(cli: CommandLine, tmp_path: Path) -> None:
    """Control characters and a megabyte from a file reach nobody's terminal: the sentence is cut and plain."""
    header = f"id,{'x' * 10**6},\x1b[2J\x1b]0;owned\x07,label"
    source = BadFile("rows.csv", csv_bytes([(*row[:2], "", row[2]) for row in MESSAGES], header), ()).write(tmp_path)
    said = cli.refuses(
        "new", "fresh", "--data", source, *NEW_OPTIONS, words=("code column-missing", '"text"', "(4 columns)")
    )
    assert "\x1b" not in said
    twice = csv_bytes(MESSAGES, f"{'x' * 10**6},{'x' * 10**6},label")
    cli.refuses(
        "new", "fresh", "--data", BadFile("rows.csv", twice, ()).write(tmp_path), *NEW_OPTIONS, words=("two columns",)
    )
