"""A long ledger: commands that have nothing to do verify what is new, and what was noted decides nothing."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graft.errors import TamperError
from graft.ledger import Index, Keyring, Ledger, Run, Signer, make_key
from graft.records import sha256_bytes
from graft_tasks import workspace as workspaces
from graft_tasks.commands.status import status
from graft_tasks.commands.up_to_date import nothing_to_do
from graft_tasks.dvc.repro import commit
from graft_tasks.registry.audit import audit
from graft_tasks.registry.pin import pin
from graft_tasks.registry.promote import enact
from graft_tasks.workspace import Workspace
from tests.support.refusals import refused

NAME = "known"
N_OLDER = 12


@pytest.fixture
def old(promoted: Workspace) -> Workspace:
    """A workspace whose recipe has a finished run, a champion and older runs, all committed."""
    (real,) = promoted.ledger().runs(NAME)
    for k in range(N_OLDER):
        add_older(promoted, real, k)
    commit(promoted.root, "a history", ["ledger"])
    return promoted


def add_older(workspace: Workspace, real: Run, k: int, signer: Signer | None = None) -> Run:
    """Add a run that ended before the real one did, of another model on other inputs."""
    ledger = workspace.ledger()
    update = {"inputs_sha256": ledger.add_blob(b"inputs %d" % k), "model_id": sha256_bytes(b"model %d" % k),
              "finished_at": f"2020-01-{k + 1:02}T10:00:00Z"}  # fmt: skip
    return ledger.add_run(real.predicate.model_copy(update=update), signer or Signer(workspace.private_key))


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many signatures were verified and entries read."""
    counted: Counter[str] = Counter()
    verify, read = Keyring.signer_of, Ledger._open

    def verifying(*given: Any, **named: Any) -> str | None:
        counted["verified"] += 1
        return verify(*given, **named)

    def reading(*given: Any) -> Any:
        counted["read"] += 1
        return read(*given)

    monkeypatch.setattr(Keyring, "signer_of", verifying)
    monkeypatch.setattr(Ledger, "_open", reading)
    return counted


def begin(counts: Counter[str]) -> None:
    """Begin as a new process does."""
    workspaces._views.clear()
    counts.clear()


def do_nothing(workspace: Workspace) -> None:
    """Do what ``graft run`` does where there is nothing to do, and ``graft status``."""
    pin(workspace.recipe(NAME))
    assert nothing_to_do(workspace.recipe(NAME))
    status(workspace.recipe(NAME))


def test_what_has_nothing_to_do_verifies_what_is_new(old: Workspace, counts: Counter[str]) -> None:
    """Of a history that was verified before: the last promotion and its run; then each run that came, once."""
    begin(counts)
    do_nothing(old)
    assert counts["verified"] == N_OLDER + 2
    begin(counts)
    do_nothing(old)
    assert counts == {"verified": 2, "read": 2}
    add_older(old, next(old.ledger().runs(NAME)), N_OLDER)
    commit(old.root, "a run more", ["ledger"])
    begin(counts)
    do_nothing(old)
    assert counts == {"verified": 3, "read": 3}


DECIDING: dict[str, tuple[Callable[[Workspace], object], int]] = {
    "audit": (lambda workspace: audit(workspace.recipe(NAME)).verdict, 2),
    "enact": (lambda workspace: enact(workspace.recipe(NAME)), -1),
    "pin": (lambda workspace: (workspace.recipe(NAME).inputs.unlink(), pin(workspace.recipe(NAME))), 0),
}
"""What decides, and how many signatures it verifies beside those of all entries: an audit two of the model, and a run that is not
to be promoted asks for no promotion."""


@pytest.mark.parametrize("name", DECIDING)
def test_whatever_decides_verifies_everything(old: Workspace, counts: Counter[str], name: str) -> None:
    """Whoever audits, promotes or pins relies on nothing that was noted: each entry of the recipe is verified, and once."""
    act, n_beside = DECIDING[name]
    do_nothing(old)
    begin(counts)
    assert act(old) != "broken"
    assert counts["verified"] == N_OLDER + 2 + n_beside


def test_a_key_that_is_not_trusted_makes_no_index(old: Workspace) -> None:
    """Whoever can write .graft, but holds no trusted key, cannot make a run by a stranger count: theirs is not read."""
    status(old.recipe(NAME))
    (index,) = (old.root / ".graft").glob("cache/ledger/known/runs.json")
    eve = old.root.parent / "eve"
    make_key(eve / "signing-key.pem", eve / "public")
    shutil.copyfile(eve / "signing-key.pem", old.private_key)
    signer = Signer(old.private_key)
    run = add_older(old, next(old.ledger().runs(NAME)), N_OLDER, signer)
    keyring = old.ledger().keyring
    forged = Index(index.parents[1], signer, str(old.ledger_place()), keyring)
    marks = dict(old.ledger().objects.marks(f"runs/{NAME}/"))
    forged.write(f"runs/{NAME}/", {name: (mark, [run.entry, "2020-01-01T10:00:00Z", [], *["a" * 64] * 4])
                                   for name, mark in marks.items()})  # fmt: skip
    workspaces._views.clear()
    with refused("entry-untrusted"):
        status(old.recipe(NAME))


def test_a_key_that_is_removed_counts_no_more(old: Workspace) -> None:
    """What it signed was verified and noted, by this process too; once its removal is committed, nothing of that counts."""
    do_nothing(old)
    for path in old.trusted_keys.glob("*.pem"):
        path.unlink()
    commit(old.root, "nobody is trusted", ["keys"])
    for _ in range(2):
        with refused("entry-untrusted"):
            status(old.recipe(NAME))
        workspaces._views.clear()


def test_an_entry_that_is_changed_in_this_process(old: Workspace) -> None:
    """It was verified a moment ago, and is read again since its file was written."""
    assert status(old.recipe(NAME)).n_runs == N_OLDER + 1
    path: Path = next((old.root / "ledger" / "runs" / NAME).glob("*.json"))
    content = path.read_bytes()
    path.write_bytes(content[:300] + bytes([content[300] ^ 1]) + content[301:])
    with pytest.raises(TamperError):
        status(old.recipe(NAME))
    path.write_bytes(content)
    assert status(old.recipe(NAME)).n_runs == N_OLDER + 1


def test_a_folder_that_may_not_be_written(
    old: Workspace, monkeypatch: pytest.MonkeyPatch, counts: Counter[str]
) -> None:
    """Commands say what they say; they only verify more."""

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("graft.ledger.index.write_atomic", refuse)
    for _ in range(2):
        begin(counts)
        do_nothing(old)
        assert counts["verified"] == N_OLDER + 2
