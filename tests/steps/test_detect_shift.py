"""detect_shift as a step: with a domain card and without, what a shifted test side shows, and cards that are none."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

from graft.data.sides import position
from graft.errors import InputError, TamperError
from graft.records import ShiftComparison, ShiftRecord, sha256_file
from graft.shift.card_rows import load_domain
from graft.shift.domain_card import read_card
from graft.shift.wording import shift_sentence
from graft_cli.main import app
from graft_tasks.commands.cards import make_card
from graft_tasks.datasets.add import add
from graft_tasks.registry.pin import pin
from graft_tasks.steps.context import load_inputs, run_step
from graft_tasks.steps.detect_shift import is_later
from graft_tasks.workspace import Workspace
from tests.support.lineage_workspace import run_and_promote
from tests.support.refusals import refused

ROOT = Path(__file__).parents[2]
Make = Callable[..., Workspace]


def detect(workspace: Workspace) -> ShiftRecord:
    for step in ("ingest", "validate", "embed"):
        run_step(workspace.recipe("tiny"), step)
    record = run_step(workspace.recipe("tiny"), "detect_shift")
    assert isinstance(record, ShiftRecord)
    return record


def table() -> pd.DataFrame:
    return pd.read_csv(ROOT / "data/datasets/support/messages.csv", dtype=str, keep_default_na=False)


@pytest.fixture
def domain(tmp_path: Path) -> Path:
    """A file of texts that are unlike the messages."""
    path = tmp_path / "domain.csv"
    words = np.random.default_rng(0).choice(["moon", "river", "granite", "sings", "old", "the"], (60, 5))
    pd.DataFrame({"text": [" ".join(row) for row in words]}).to_csv(path, index=False)
    return path


def test_without_a_card_it_cannot_tell(tiny_workspace: Make) -> None:
    """The base's own domain is open and says which command helps; the other comparison stands and decides."""
    record = detect(tiny_workspace())
    sides, own = record.comparisons
    assert (own.of_domain, own.auc, own.shifted) == (True, None, None)
    assert "graft card base --from FILE" in own.because
    assert [check.id for check in record.checks] == ["detect_shift.test_against_train"]
    assert [kind.name for kind in sides.kinds] == ["covariate", "label", "concept"]


def test_a_card_is_pinned_and_compared(tiny_workspace: Make, domain: Path) -> None:
    """A card is found by its base's digest, stands in the pin, is called a proxy, and its words are told from the data's."""
    workspace = tiny_workspace()
    made = make_card(
        workspace,
        "base",
        domain,
        column="text",
        modality="text",
        source="songs",
        is_proxy=True,
        progress=lambda *_: None,
    )
    path = workspace.root / made.path
    assert load_domain(path).shape == (60, load_domain(path).shape[1])
    assert (read_card(path).title, made.n_rows, "“moon”" in made.properties) == (
        "proxy of base's domain: songs",
        60,
        False,
    )
    pin(workspace.recipe("tiny"))
    assert set(load_inputs(workspace.recipe("tiny")).cards) == {"base"}
    record = detect(workspace)
    own = record.comparisons[-1]
    assert own.of_domain
    assert own.shifted
    assert own.reference == "proxy of base's domain: songs"
    assert "“moon”" in {sign.name for sign in own.signs}
    assert len(own.points[0]) == 60
    assert "base's domain" in record.summary
    assert [check.id for check in record.checks] == ["detect_shift.test_against_train"]
    assert record.inputs["card/base"] == sha256_file(path)


def test_another_card_than_the_pinned_one_is_refused(tiny_workspace: Make, domain: Path) -> None:
    """A card that was made anew, or taken away, between pin and step is no longer what the run was pinned to."""
    workspace = tiny_workspace()

    def make(source: str) -> Path:
        made = make_card(
            workspace, "base", domain, column="text", modality="text", source=source, is_proxy=True,
            progress=lambda *_: None,
        )  # fmt: skip
        return workspace.root / made.path

    make("songs")
    pin(workspace.recipe("tiny"))
    path = make("other songs")
    for _ in range(2):
        with pytest.raises(TamperError, match="The domain card of base is not the one that was pinned"):
            detect(workspace)
        path.unlink(missing_ok=True)


def test_a_shifted_test_side_is_shown_by_its_words(tiny_workspace: Make) -> None:
    """Later rows about something else: no check fails, and the record names size, rows, words and columns that show it."""
    small = (
        table()[lambda rows: rows["intent"].isin(["cancel", "delivery", "fault", "refund"])].groupby("intent").head(60)
    )
    late = small.groupby("intent").head(20).assign(day="2026-02-01", product="home_alarm")
    late["text"] = (
        "granite moon sings " + late["text"].str[:20] + " zebra" + pd.Series(range(len(late)), late.index).map(str)
    )
    early = small[~small.index.isin(late.index)].assign(day="2026-01-01")
    rows = pd.concat([early, late])
    workspace = tiny_workspace(rows, data__time="day", data__test_from="2026-02-01", data__group=None)
    record = detect(workspace)
    sides = record.comparisons[0]
    assert sides.shifted
    assert sides.is_expected
    assert sides.auc
    assert record.checks == ()
    assert record.passed
    assert record.summary.startswith(f"AUC {sides.auc.value:.2f} [{sides.auc.ci_low:.2f}, ")
    assert "as expected" in record.summary
    assert {kind.name: kind.found for kind in sides.kinds}["covariate"] is not False
    assert {"product = home_alarm", "“granite”"} <= {sign.name for sign in sides.signs}
    assert len(sides.most_shifted) == 5
    assert sides.advice


def test_only_a_split_by_time_lets_expect_a_shift(tiny_workspace: Make) -> None:
    """The same drifting rows put on the sides by hash of a group that follows the drift: a check that fails."""
    rows = table()[lambda rows: rows["intent"].isin(["cancel", "delivery", "fault", "refund"])]
    rows = rows.groupby("intent").head(60).assign(day="2026-01-01")
    groups = [f"g{k}" for k in range(20)]
    of_group = np.array([groups[k % 20] for k in range(len(rows))])
    on_test = np.isin(of_group, [one for one in groups if position(one) < 0.3])
    rows["customer_id"] = of_group
    numbers = pd.Series(range(len(rows)), rows.index).map(str)
    rows.loc[on_test, "text"] = "granite moon sings " + rows["text"][on_test].str[:20] + " zebra" + numbers[on_test]
    record = detect(tiny_workspace(rows, data__time="day", decide__shift="hold"))
    assert record.comparisons[0].shifted
    assert not record.comparisons[0].is_expected
    assert [(check.outcome, check.holds) for check in record.checks] == [("failed", True)]
    assert not record.passed


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        (["2026-01-01", ""], ["2026-01-02"], True),
        (["2026-01-01"], ["2026-01-01"], False),
        (["2026-01-01"], ["2026-01-02", ""], False),
        (["2026-01-01", "2026-02-01"], ["2026-01-02"], False),
        ([""], ["2026-01-02"], False),
    ],
)
def test_when_the_test_rows_are_later(train: list[str], test: list[str], expected: bool) -> None:
    """Every test row has a time behind that of each training row; a file of test rows with such times counts too."""
    rows = pd.DataFrame({"time": [*train, *test], "side": ["train"] * len(train) + ["test"] * len(test)})
    assert is_later(rows) is expected


def test_what_the_champion_learned_from_is_told_from_new_rows(tiny_workspace: Make) -> None:
    """New rows about something else: the comparison with the champion names the words that its own rows lack."""
    workspace = tiny_workspace(finetune__strategy="head", detect_shift__max_auc=0.55)
    run_and_promote(workspace, "tiny", "the first")
    later = workspace.root / "later.csv"
    old = table()[lambda rows: rows["intent"].isin(["cancel", "delivery"])].groupby("intent").head(90)
    words = np.random.default_rng(1).choice(
        ["granite", "moon", "sings", "river", "zebra", "cloud", "lamp"], (len(old), 9)
    )
    old["text"] = [f"{' '.join(row)} {k}" for k, row in enumerate(words)]
    old.assign(customer_id=[f"new {k}" for k in range(len(old))], message_id="").to_csv(later, index=False)
    add(workspace.recipe("tiny"), later)
    pin(workspace.recipe("tiny"))
    _, champion, _ = detect(workspace).comparisons
    assert champion.name == "New training rows against the champion's"
    assert champion.is_alarming
    new = {f"“{word}”" for word in ("granite", "moon", "sings", "river", "zebra", "cloud", "lamp")}
    assert len(new & {sign.name for sign in champion.signs}) >= 3
    assert shift_sentence(champion).startswith("shifted: AUC 1.00")


@pytest.mark.slow
def test_few_new_rows_among_many_old_ones_are_compared_alone(tiny_workspace: Make) -> None:
    """Of some 140 training rows 25 are new and about something else: only these are compared, and the classifier tells them.

    With the rows that stand in both samples the AUC was below .5, whatever came. Where nothing is new, or too little, it is said.
    """
    workspace = tiny_workspace(finetune__strategy="head", detect_shift__max_auc=0.55)
    run_and_promote(workspace, "tiny", "the first")
    words = np.random.default_rng(1)

    def after(n: int) -> ShiftComparison:
        few = table().head(n).assign(intent="cancel", message_id="", customer_id=[f"new {n} {k}" for k in range(n)])
        drawn = words.choice(["granite", "moon", "sings", "river", "zebra", "cloud", "lamp"], (n, 9))
        few["text"] = [f"{' '.join(row)} {n} {k}" for k, row in enumerate(drawn)]
        few.to_csv(workspace.root / "later.csv", index=False)
        add(workspace.recipe("tiny"), workspace.root / "later.csv")
        pin(workspace.recipe("tiny"))
        return detect(workspace).comparisons[1]

    little, more = after(4), after(40)
    assert (little.auc, little.shifted) == (None, None)
    new = r"(no training row is|only \d of 1\d\d training rows are)"
    assert re.fullmatch(f"nothing new to compare: {new} new since the champion; 10 are needed", little.because)
    assert more.n_overlapping == little.n_overlapping > 100
    assert more.auc is not None
    assert 10 <= more.auc.n <= 44
    assert more.auc.value > 0.8
    assert more.is_alarming


def test_what_is_no_card_is_refused(tiny_workspace: Make) -> None:
    """A file in ``cards`` that is none is one clear sentence, before any step runs."""
    workspace = tiny_workspace()
    workspace.cards.mkdir(exist_ok=True)
    save_file({"features": np.zeros((3, 2), dtype=np.float16)}, workspace.cards / "odd.safetensors")
    with refused("not-a-domain-card") as error:
        pin(workspace.recipe("tiny"))
    assert "odd.safetensors" in error.value.what


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (["--from", "absent.csv"], "absent.csv"),
        (["--text", "body"], "body"),
        (["--from", "short.csv"], "a card needs 10"),
    ],
)
def test_bad_input_of_card(
    wrong: list[str], says: str, tiny_workspace: Make, domain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file, no such column, too few rows: the sentence says so, and no card is left behind."""
    workspace = tiny_workspace()
    (workspace.root / "short.csv").write_text("text\nhello there\n")
    monkeypatch.chdir(workspace.root)
    result = CliRunner().invoke(app, ["card", "base", "--from", str(domain), *wrong])
    assert isinstance(result.exception, InputError)
    assert says in str(result.exception)
    assert (result.exception.code == "file-missing") == ("absent.csv" in wrong)
    assert not list(workspace.cards.glob("*"))
