"""embed run again: only what is new is computed, whatever interrupted it, and the files are those of an undisturbed run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import graft_tasks.steps.context
import graft_tasks.steps.embed
from graft.model.text import TextEncoder
from graft.recipe.text import recipe_text
from graft.records import EmbeddingRecord, sha256_file
from graft_tasks.datasets.add import add
from graft_tasks.registry.pin import pin
from graft_tasks.steps.context import run_step
from graft_tasks.steps.rows import EMBEDDED, FEATURES
from graft_tasks.workspace import Workspace
from tests.steps.conftest import ROOT, TINY

Make = Callable[..., Workspace]


@pytest.fixture
def computed(prepared: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that is passed to the network, in chunks of 32 rows of a file."""
    monkeypatch.setattr(graft_tasks.steps.embed, "N_CHUNK", 32)
    return prepared


def run_to_embed(workspace: Workspace) -> tuple[str, str]:
    """Run the steps up to embed and return the digests of its record and its features."""
    for step in ("ingest", "validate", "embed"):
        run_step(workspace.recipe("tiny"), step)
    return sha256_file(workspace.recipe("tiny").record("embed")), sha256_file(
        workspace.recipe("tiny").files("embed") / FEATURES
    )


def embedded(workspace: Workspace) -> pd.DataFrame:
    rows = pd.read_parquet(workspace.recipe("tiny").files("ingest") / "rows.parquet")
    return rows[rows["side"].isin(EMBEDDED)]


def cached(workspace: Workspace) -> set[str]:
    return {path.name for path in workspace.recipe("tiny").features.iterdir()}


def without_cache(workspace: Workspace) -> tuple[str, str]:
    shutil.rmtree(workspace.recipe("tiny").features)
    return run_to_embed(workspace)


def test_what_shares_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of one file and one stretch of its numbers, whichever of them are there; a file's name may look like a row's."""
    monkeypatch.setattr(graft_tasks.steps.embed, "N_CHUNK", 10)
    names = [
        *(f"a.csv row {k}" for k in (1, 3, 10, 11, 35, 40)),
        *(f"a row 1 row {k}" for k in (31, 39)),
        "b.csv row 39",
    ]
    chunks = [slice(0, 3), slice(3, 4), slice(4, 6), slice(6, 8), slice(8, 9)]
    assert graft_tasks.steps.embed._chunks(names) == chunks


def test_how_many_texts_were_cut_is_said(tiny_workspace: Make) -> None:
    """Texts longer than what is read of them are counted in the step's line, and none is mentioned where there is none."""
    workspace = tiny_workspace(embed__max_tokens=8)
    run_to_embed(workspace)
    record = EmbeddingRecord.model_validate_json(workspace.recipe("tiny").record("embed").read_bytes())
    tokenizer = TextEncoder.load(workspace.root / "base", 8).tokenizer
    n_longer = sum(len(ids) > 8 for ids in tokenizer(embedded(workspace)["content"].tolist())["input_ids"])
    assert 0 < record.n_truncated == n_longer
    assert f" rows, {n_longer} cut to 8 tokens, with base" in record.summary
    assert graft_tasks.steps.embed._cut(0, 128) == ""


def test_a_new_file_costs_only_its_rows(tiny_workspace: Make, tmp_path: Path, computed: list[str]) -> None:
    """With one more file of rows the new texts go through the network and no others; the files are as without a cache."""
    workspace = tiny_workspace()
    run_to_embed(workspace)
    assert sorted(computed) == sorted(embedded(workspace)["content"])
    table = pd.read_csv(ROOT / "data/datasets/support/messages.csv", dtype=str, keep_default_na=False)
    week = table[table["intent"].isin(["cancel", "refund"])].groupby("intent").tail(8)
    week.to_csv(tmp_path / "week.csv", index=False)
    add(workspace.recipe("tiny"), tmp_path / "week.csv")
    pin(workspace.recipe("tiny"))
    computed.clear()
    after = run_to_embed(workspace)
    rows = embedded(workspace)
    assert sorted(computed) == sorted(rows.loc[rows["row"].str.startswith("added-0001.csv"), "content"])
    assert len(computed) > 10
    computed.clear()
    assert run_to_embed(workspace) == after
    assert computed == []
    assert without_cache(workspace) == after


def test_a_label_that_comes_costs_its_chunk(tiny_workspace: Make, tmp_path: Path, computed: list[str]) -> None:
    """A row that was dropped and no longer is has its own stretch of its file embedded again, and no other."""
    table = pd.read_csv(ROOT / "data/datasets/support/messages.csv", dtype=str, keep_default_na=False)
    rows = table[table["intent"].isin(["cancel", "refund"])].groupby("intent").head(48).reset_index(drop=True)
    late = rows.loc[[40], ["message_id", "intent"]]
    workspace = tiny_workspace(rows.assign(intent=rows["intent"].where(rows.index != 40, "")), data__id="message_id")
    run_to_embed(workspace)
    late.to_csv(tmp_path / "late.csv", index=False)
    add(workspace.recipe("tiny"), tmp_path / "late.csv")
    pin(workspace.recipe("tiny"))
    computed.clear()
    run_to_embed(workspace)
    numbers = embedded(workspace)["row"].str.rpartition(" row ")[2].astype(int)
    assert 41 in set(numbers)
    assert len(computed) == ((numbers > 32) & (numbers <= 64)).sum() > 10


class Killed(BaseException):
    """What ends a step from outside."""


def test_a_kill_costs_the_chunk_that_it_was_in(
    tiny_workspace: Make, computed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was finished when embed was killed is not embedded again, and the files are those of an undisturbed run."""
    workspace = tiny_workspace()
    before = run_to_embed(workspace)
    shutil.rmtree(workspace.recipe("tiny").features)
    sizes = embedded(workspace)["row"].str.rpartition(" row ")[2].astype(int).sub(1).floordiv(32).value_counts()

    def killed_in_the_third(done: int, _total: int, _note: str) -> None:
        if done > sizes[0] + sizes[1]:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(graft_tasks.steps.context, "report_progress", killed_in_the_third)
        with pytest.raises(Killed):
            run_step(workspace.recipe("tiny"), "embed")
    assert len(cached(workspace)) == 2
    computed.clear()
    assert run_to_embed(workspace) == before
    assert len(computed) == sizes.sum() - sizes[0] - sizes[1]


@pytest.mark.slow
def test_other_settings_and_another_code_start_anew(
    tiny_workspace: Make, computed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of other settings, of a base with another file or of another version of the step is used, nor stays."""
    workspace = tiny_workspace()
    run_to_embed(workspace)
    n = len(computed)
    names = cached(workspace)

    def check_anew() -> None:
        nonlocal names
        computed.clear()
        pin(workspace.recipe("tiny"))
        run_to_embed(workspace)
        assert len(computed) == n
        assert not cached(workspace) & names
        names = cached(workspace)

    workspace.recipe("tiny").path.write_text(recipe_text("tiny", {**TINY, "embed.max_tokens": 31}))
    check_anew()
    path = workspace.root / "base" / "tokenizer_config.json"
    path.write_text(path.read_text().replace("{", '{"new": 1,', 1))
    check_anew()
    monkeypatch.setitem(graft_tasks.steps.context.VERSIONS, "embed", 99)
    check_anew()
