"""What is odd about rows: each finding finds its own oddity, and nothing where there is none."""

# ruff: noqa: RUF001 - damaged and unusual letters are what is tested

from __future__ import annotations

from io import BytesIO
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from graft.modality import MODALITIES
from graft.modality.image.pictures import content_key as image_key
from graft.modality.text.normalize import content_key
from graft.recipe import Validate
from graft.records import Finding
from graft.validate.compact import gather
from graft.validate.findings import findings as all_findings

BOUNDS = {
    **{f"max_fraction_{kind}": 1.0 for kind in ("damaged", "duplicates", "conflicts", "unlabelled")},
    "min_rows_per_class": 2,
    "expectations": (),
}
WORDS = ("the", "card", "was", "refused", "at", "till", "again", "today", "why", "did", "you", "take", "money", "twice")


def plain_texts(n: int, seed: int = 0) -> list[str]:
    """Return n different texts without any oddity."""
    rng = np.random.default_rng(seed)
    return [f"{' '.join(rng.choice(WORDS, 9))} {k}." for k in range(n)]


def found(
    contents: list[Any],
    *,
    modality: Literal["text", "image"] = "text",
    language: str | None = None,
    is_batch: bool = False,
    **columns: Any,
) -> dict[str, Finding]:
    frame = pd.DataFrame({"content": contents, "label": "x", "side": "train"})
    frame = frame.assign(id="", group="", time="", near="", because="")
    frame["row"] = [f"row {k}" for k in range(1, len(frame) + 1)]
    frame["key"] = [content_key(one) if modality == "text" else image_key(one, "") for one in contents]
    frame = frame.assign(**columns)
    rows = gather(lambda: iter([frame]), MODALITIES[modality], set())
    bounds = Validate.model_validate({**BOUNDS, "language": language})
    findings = all_findings(rows, modality=MODALITIES[modality], bounds=bounds, is_batch=is_batch)
    assert len({finding.name for finding in findings}) == len(findings)
    return {finding.name: finding for finding in findings}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("caf\ufffd", "Texts with replacement characters"),
        ("OrbÃ¡n has vowed", "Texts decoded with the wrong encoding"),
        ("send messageðŸ‘‰now", "Texts decoded with the wrong encoding"),
        ("that\x92s the way", "Texts decoded with the wrong encoding"),
        ("a bell \x07 rings", "Texts with control characters"),
        ("\ufeffa mark", "Texts with control characters"),
        ("fish &amp; chips", "Texts with HTML entities"),
        ("&#8220;so&#x201D;", "Texts with HTML entities"),
        ("one.<br /><br />two", "Texts with HTML tags"),
        ('a <a href="x">link</a>', "Texts with HTML tags"),
        ("one\ntwo", "Texts with line breaks"),
        ("thanks @user for it", "Texts with placeholders for names or links"),
        ("see <URL> or [email]", "Texts with placeholders for names or links"),
        ("blank behind ", "Texts with blanks at the ends"),
        ("\u00a0blank before", "Texts with blanks at the ends"),
    ],
)
def test_each_oddity_of_a_text(text: str, name: str) -> None:
    """One odd text among plain ones is found under its name, and is the only thing found."""
    assert found(["plain one", text, "plain two"]).keys() == {name}
    assert found(["plain one", text, "plain two"])[name].rows == ("row 2",)


@pytest.mark.parametrize(
    "text",
    [
        "AT&T; R&D; a & b; Q&A",
        "if a < b and c > d then",
        "I <3 you <333",
        "<so> said @username of http://example.org",
        "naïve café, Ærøskøbing, Ünter Straße, ¿qué?",
        "Ça va très bien, à bientôt",
        "日本語のテキスト",
        "Привет, как дела",
        "family 👨‍👩‍👧 emoji",
    ],
)
def test_plain_texts_are_not_odd(text: str) -> None:
    """Signs and letters that look like damage to a careless eye are not found."""
    assert found(["plain one", text]) == {}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("e-mail addresses", "write to jane.doe+x@mail.example.co.uk now"),
        ("telephone numbers", "call +49 7721 9167016 today"),
        ("telephone numbers", "call (202) 225-2915"),
        ("telephone numbers", "ring 0808 145 4742"),
        ("telephone numbers", "ring 09061701461 to claim"),
        ("IBANs", "pay to DE89 3704 0044 0532 0130 00"),
        ("IBANs", "GB82WEST12345698765432"),
        ("payment card numbers", "my card 4111 1111 1111 1111 fails"),
        ("payment card numbers", "amex 378282246310005"),
        ("IP addresses", "from 192.168.1.245 it fails"),
        ("US social security numbers", "ssn 219-09-9999"),
    ],
)
def test_personal_data(kind: str, text: str) -> None:
    """Each kind of personal data is found, with the row's name and nothing of the text."""
    finding = found(["plain one", text])[f"Texts with {kind}"]
    assert (finding.n_rows, finding.rows, finding.severity) == (1, ("row 2",), "warning")
    assert not any(word in finding.model_dump_json() for word in text.split() if any(c.isdigit() for c in word))


@pytest.mark.parametrize(
    "text",
    [
        "@someone thanks @other",
        "a@b is no address",
        "order 1234567890123 came",
        "DE89 3704 0044 0532 0130 01",
        "4111 1111 1111 1112",
        "0000 0000 0000 0000",
        "version 2.0.1.3 of it",
        "999.1.1.1",
        "666-09-9999",
        "from 2019-2020 about 1,000,000 and 3.14159265358",
        "pi 1 2 3 4 5 6 7 8 9",
        "ISBN 0195215672",
        "on 01/02/2024 at 10:30",
    ],
)
def test_numbers_that_are_no_personal_data(text: str) -> None:
    """A wrong checksum, a date, a version, an order's number and a book's are nobody's data."""
    assert found(["plain one", text]) == {}


def test_cut_texts() -> None:
    """Texts of one largest length, most without an end, look cut; whole ones of many lengths, or with an end, do not."""
    rng = np.random.default_rng(0)
    long = [" ".join(rng.choice(WORDS, 60)) for _ in range(200)]
    lengths = rng.integers(40, 140, 200)
    whole = [f"{text[:n]}." for text, n in zip(long, lengths, strict=True)]
    cut = [text[:140].rstrip() + "x" * (140 - len(text[:140].rstrip())) for text in long[:30]]
    finding = found(whole + cut)["Texts that look cut"]
    assert finding.n_rows >= 30
    assert "140 characters" in finding.done
    assert "Texts that look cut" not in found(whole)
    assert "Texts that look cut" not in found(whole + [f"{text[:139]}." for text in cut])


ENGLISH = "I would like to know why my card was refused at the supermarket yesterday, please help me number"
GERMAN = "Ich möchte gerne wissen, warum meine Karte gestern im Supermarkt abgelehnt wurde, bitte helfen Sie mir"


def test_languages() -> None:
    """The main language is a note; a few others are named; against the recipe's language, the others are a warning."""
    texts = [f"{ENGLISH} {k}" for k in range(30)] + [f"{GERMAN} {k}" for k in range(2)] + ["ok", "danke"]
    seen = found(texts)
    assert seen["Texts in the language en"].n_rows == 30
    assert (seen["Texts in another language than en"].n_rows, seen["Texts in another language than en"].severity) == (
        2,
        "note",
    )
    expected = found(texts, language="en")
    assert expected["Texts in another language than en"].rows == ("row 31", "row 32")
    assert expected["Texts in another language than en"].severity == "warning"
    assert "Texts in the language en" not in expected
    assert found(texts, language="de")["Texts in another language than de"].n_rows == 30
    half = texts[:10] + [f"{GERMAN} {k}" for k in range(9)]
    assert found(half)["Texts in several languages"].n_rows == 9


@pytest.mark.parametrize("learned", ["train", "unlabelled"])
def test_near_duplicates(learned: str) -> None:
    """A row that resembles an earlier one is named unless it repeats it; one across the border is named as such."""
    texts = ["how do I pay", "how do I pay now", "How do I pay?", "other", "other one"]
    seen = found(texts, near=["", "row 1", "row 1", "", "row 4"], side=["train", "train", "train", learned, "test"])
    assert seen["Texts that resemble another"].rows == ("row 2", "row 5")
    assert seen["Test texts that resemble one in train"].rows == ("row 5",)
    assert "Test texts that also stand in train" not in seen


@pytest.mark.parametrize("learned", ["train", "unlabelled"])
def test_leakage(learned: str) -> None:
    """A test row whose twin was dropped from train is a warning; whose twin is still there, an error."""
    dropped = found(["a b", "c d", "A b!"], side=["dropped", "train", "test"], because=["also", "", ""])
    assert dropped["Test texts that also stand in train"].severity == "warning"
    kept = found(["a b", "c d", "A b!"], side=[learned, "train", "test"])["Test texts that also stand in train"]
    assert (kept.severity, kept.rows) == ("error", ("row 3",))


def test_classes() -> None:
    """Tiny classes, and classes on one side only, are found with their names."""
    labels = ["a"] * 30 + ["b"] * 3 + ["c"] + ["a", "d"]
    seen = found(plain_texts(36), label=labels, side=["train"] * 34 + ["test"] * 2)
    assert seen["Training rows of classes below 2 rows"].rows == ("row 34",)
    assert seen["Test rows of classes that train lacks"].rows == ("row 36",)
    assert seen["Training rows of classes that test lacks"].n_rows == 4
    assert "'b', 'c'" in seen["Training rows of classes that test lacks"].done
    assert "30 rows" in seen["Training rows of the rarest class, far from balance"].done
    balanced = found(plain_texts(8), label=["a", "b"] * 4, side=["train"] * 4 + ["test"] * 4)
    assert not [name for name in balanced if "class" in name]


def test_numbers_as_labels() -> None:
    """A number that one file has as 1 and another as 1.0 is one class in two spellings; 1, 10 and 1.5 are not."""
    seen = found(plain_texts(6), label=["1", "1.0", "10", "1.5", "-1", "2"])
    assert seen["Labels of one class written in several ways"].rows == ("row 1", "row 2")


def test_spelling_of_labels() -> None:
    """Stand-ins for no label, and one class in two spellings, are found; different classes are not."""
    seen = found(plain_texts(7), label=["Refund", "refund", "re-fund", "N/A", "?", "late_card", "late card"])
    assert seen["Labels of one class written in several ways"].rows == ("row 1", "row 2", "row 6", "row 7")
    assert seen["Labels that stand for none"].rows == ("row 4", "row 5")


@pytest.mark.parametrize("column", ["rating", "code"])
def test_a_column_that_gives_the_label_away(column: str) -> None:
    """A rating that the label was made from, and a code of the label, are found; a column that says little is not."""
    rng = np.random.default_rng(0)
    rating = rng.choice([1, 2, 3, 4, 7, 8, 9, 10], 400)
    label = ["pos" if stars > 5 else "neg" for stars in rating]
    values = {"rating": rating.astype(str), "code": np.where(rating > 5, "P", "N")}[column]
    noise = {"column.length": rng.integers(0, 999, 400).astype(str), "column.channel": rng.choice(["a", "b"], 400)}
    seen = found(plain_texts(400), label=label, **{f"column.{column}": values}, **noise)
    finding = seen[f'Column "{column}" gives the label away']
    assert (finding.severity, finding.n_rows) == ("error", 400)
    assert sum("gives the label away" in name for name in seen) == 1


def test_a_measure_that_gives_the_label_away() -> None:
    """A number with a different value in each row is judged in bins; a row's own number is not."""
    rng = np.random.default_rng(1)
    score = rng.normal(size=2_000)
    label = np.where(score > 0, "a", "b")
    number = [str(k) for k in range(2_000)]
    seen = found(plain_texts(2_000), label=label, **{"column.score": score.astype(str), "column.number": number})
    assert [name for name in seen if "gives" in name] == ['Column "score" gives the label away']


def test_a_majority_is_no_leak() -> None:
    """Where nine rows in ten have one class anyway, a column that says nothing is not accused."""
    seen = found(plain_texts(200), label=["a"] * 185 + ["b"] * 15, **{"column.channel": ["x", "y"] * 100})
    assert not [name for name in seen if "gives" in name]


@pytest.mark.parametrize("name", ["patient_id", "customerId", "User", "whatever"])
@pytest.mark.parametrize("learned", ["train", "unlabelled"])
def test_groups_across_the_border(name: str, learned: str) -> None:
    """A column that looks like a customer's or patient's key and stands on both sides is named, by name or by its values."""
    values = [f"C{1000 + k % 20 + 20 * (k < 20)}" for k in range(60)]
    sides = ["train"] * 20 + [learned] * 20 + ["test"] * 20
    finding = found(plain_texts(60), side=sides, **{f"column.{name}": values})[
        f'Test rows whose "{name}" also stands in train'
    ]
    assert finding.n_rows == 20
    assert finding.do == f"set data.group: {name}"


def test_what_is_no_group() -> None:
    """Unique keys, keys on one side each, ages, channels, and any column where the recipe names a group are left alone."""
    sides = ["train"] * 40 + ["test"] * 20
    columns = {
        "column.user_id": [f"C{1000 + k}" for k in range(60)],
        "column.patient": [f"P{k // 2}" for k in range(60)],
        "column.age": [str(20 + k % 30) for k in range(60)],
        "column.channel": ["web", "app"] * 30,
    }
    assert not [name for name in found(plain_texts(60), side=sides, **columns) if "also stands" in name]
    named = {"column.user": [f"C{1000 + k % 20}" for k in range(60)], "group": "g"}
    assert not [name for name in found(plain_texts(60), side=sides, **named) if "also stands" in name]


def test_suspects_are_named_worst_first() -> None:
    """Swapped labels of texts that are easily told apart are found among the training rows, and nothing else is."""
    texts = [
        f"{'refund money back' if k % 2 else 'card lost stolen'} {WORDS[k % 14]} {WORDS[k % 13]}" for k in range(200)
    ]
    label = np.array([("refund", "lost")[(k + 1) % 2] for k in range(200)])
    label[[10, 51]] = "refund", "lost"
    finding = found(texts, label=label)["Labels that look wrong"]
    assert set(finding.rows) == {"row 11", "row 52"}
    assert "lost for refund" in finding.done
    assert "right on 99% of 200 training rows" in finding.done


def png(pixels: np.ndarray, **kwargs: Any) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", **kwargs)
    return file.getvalue()


def test_images() -> None:
    """Of images, blank, tiny and unusual ones are named, and no finding speaks of texts."""
    rng = np.random.default_rng(0)
    images = [png(rng.integers(0, 255, (20, 20), dtype=np.uint8)) for _ in range(6)]
    blank, tiny = png(np.zeros((20, 20), np.uint8)), png(rng.integers(0, 255, (20, 5), dtype=np.uint8))
    see_through = png(rng.integers(0, 255, (20, 20, 4), dtype=np.uint8))
    seen = found([*images, blank, tiny, see_through], modality="image")
    assert seen["Images that are blank"].rows == ("row 7",)
    assert seen["Images with a side below 8 pixels"].rows == ("row 8",)
    assert seen["Images that are transparent"].rows == ("row 9",)
    assert not [name for name in seen if "ext" in name]


def test_a_batch_is_not_asked_for_classes() -> None:
    """Of a production batch, texts are described, and nothing is said of classes, sides, columns and suspects."""
    labels = ["a"] * 90 + ["b"] * 2 + ["N/A"]
    seen = found([*plain_texts(92), "x &amp; y"], label=labels, side="batch", is_batch=True)
    assert set(seen) - {"Texts in the language en"} == {"Texts with HTML entities"}


def test_columns_of_nothing() -> None:
    """A column without any value, and infinite numbers, are named; a column with some values is not."""
    columns = {"column.age": "", "column.lab": ["1.5", "-inf", ""], "column.note": ["", "info", ""]}
    seen = found(["one", "two", "three"], **columns)
    assert seen.keys() == {'Column "age" is empty', 'Column "lab" holds infinite numbers'}
    assert seen['Column "lab" holds infinite numbers'].rows == ("row 2",)
