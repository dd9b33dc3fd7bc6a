"""A recipe with a champion is removed: what was promoted from it stays, and can be audited."""

from __future__ import annotations

import shutil

import yaml

from graft.recipe.text import recipe_text
from graft_tasks.commands.audit import audit_recipe
from graft_tasks.commands.remove import remove
from graft_tasks.dvc.repro import git
from graft_tasks.registry.pin import pin
from graft_tasks.workspace import Workspace
from tests.flows.conftest import QUICK
from tests.support.refusals import refused


def test_a_removed_recipe_is_audited_as_before_and_its_looks_count_on(promoted: Workspace) -> None:
    """Ledger, registry and dataset stay; another recipe on the same rows still knows who looked at its test rows."""
    promoted.recipe("second").path.write_text(recipe_text("second", QUICK))
    params = yaml.safe_load((promoted.root / "params.yaml").read_bytes())
    params["recipes"]["second"] = {"dataset": "support"}
    (promoted.root / "params.yaml").write_text(yaml.safe_dump(params))
    looks = pin(promoted.recipe("second")).looks
    assert looks
    removed = remove(promoted.recipe("support"))
    assert (removed.n_runs, removed.champion, removed.dataset) == (1, "0001", "")
    assert promoted.recipes() == ["second"]
    assert not (promoted.root / "data" / "support").exists()
    assert "@support" not in (
        (promoted.root / "dvc.lock").read_text() if (promoted.root / "dvc.lock").is_file() else ""
    )
    assert git(promoted.root, "status", "--porcelain", "--untracked-files=no") == ""
    result = audit_recipe(promoted.recipe("support"))
    assert result.verdict == "intact", result.headline
    shutil.rmtree(promoted.root / "data" / "second")
    assert pin(promoted.recipe("second")).looks == looks
    with refused("recipe-unknown"):
        audit_recipe(promoted.recipe("other"))
