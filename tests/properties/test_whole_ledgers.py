"""Ledgers of any history: clean ones raise no alarm, and whatever is taken out, exchanged or altered does."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from graft.errors import TamperError
from graft.ledger import (
    Keyring,
    Ledger,
    LedgerTally,
    PromotionPredicate,
    RunPredicate,
    Signer,
    make_key,
    sign_model,
    verify_ledger,
)
from graft.records import FileDigest, digest_folder
from tests.support.memory_ledger import MemoryObjects, memory_ledger

A = "a" * 64
KEYS = tuple[Signer, Signer, Keyring, tuple[FileDigest, ...], str, bytes]
DAY = "2026-11-{:02}T10:00:00Z"


@pytest.fixture(scope="module")
def signers_and_model(tmp_path_factory: pytest.TempPathFactory) -> KEYS:
    """Two trusted signers, and a model with its signature."""
    folder: Path = tmp_path_factory.mktemp("world")
    signers = []
    for name in ("ann", "bob"):
        make_key(folder / f"{name}.pem", folder / "trusted")
        signers.append(Signer(folder / f"{name}.pem"))
    (folder / "model").mkdir()
    (folder / "model" / "head.safetensors").write_bytes(b"weights")
    files, model_id = digest_folder(folder / "model")
    return *signers, Keyring(folder / "trusted"), files, model_id, sign_model(folder / "model", folder / "ann.pem")


def grow(signers_and_model: KEYS, acts: list[tuple[str, str, bool, bytes]]) -> Ledger:
    """Return a ledger after acts: in a recipe, a run or one with its promotion or a rollback, by one of two signers.

    A run may not know the run before it, as when two machines work at once.
    """
    ann, bob, keyring, files, model_id, signature = signers_and_model
    ledger = memory_ledger(keyring)
    heads: dict[str, list[str]] = {}
    for day, (recipe, act, fork, note) in enumerate(acts, start=1):
        signer = bob if fork else ann
        promotions = ledger.promotions(recipe)
        last = promotions[-1] if promotions else None
        if act == "rollback" and last:
            update = {"number": f"{len(promotions) + 1:04}", "action": "rollback", "parent": last.entry}
            ledger.add_promotion(last.predicate.model_copy(update=update), signer)
            continue
        previous = tuple(sorted(heads.get(recipe, [])))[: 0 if fork else None]
        run = ledger.add_run(
            RunPredicate(
                recipe=recipe, recipe_sha256=ledger.add_blob(b"recipe"), inputs_sha256=ledger.add_blob(b"inputs"),
                dataset_sha256=A, base_id="b", base_sha256=A, records={"decide": ledger.add_blob(note)}, verdict="promote",
                headline="h",
                model_id=model_id, model_files=files, parents=(last.entry,) if last else (), previous=previous, graft_version="0",
                finished_at=DAY.format(day), costs={},
            ),
            signer,
        )  # fmt: skip
        heads[recipe] = [entry for entry in heads.get(recipe, []) if entry not in previous] + [run.entry]
        if act == "promote":
            number = f"{len(promotions) + 1:04}"
            ledger.add_promotion(
                PromotionPredicate(
                    recipe=recipe, number=number, action="promote", model_id=model_id, model_number=number,
                    folder_md5=f"{'a' * 32}.dir", signature_sha256=ledger.add_blob(signature), run=run.entry,
                    parent=last.entry if last else None, reason="r", by="ann", at=DAY.format(day), overrides=False,
                ),
                signer,
            )  # fmt: skip
    return ledger


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["mail", "x-ray"]),
        st.sampled_from(["run", "promote", "promote", "rollback"]),
        st.booleans(),
        st.binary(min_size=1, max_size=9),
    ),
    min_size=1,
    max_size=8,
)
CHECKS = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@CHECKS
@given(acts=ACTS)
def test_no_alarm_over_clean_ledgers(signers_and_model: KEYS, acts: list[tuple[str, str, bool, bytes]]) -> None:
    """Whatever was run, promoted and rolled back, in whatever order and by whom: every file is counted and none is doubted."""
    ledger, tally = grow(signers_and_model, acts), LedgerTally()
    verify_ledger(ledger, tally)
    assert isinstance(ledger.objects, MemoryObjects)
    assert tally.n_records + tally.n_runs + tally.n_promotions == len(ledger.objects.files)


def named_by_others(ledger: Ledger) -> set[str]:
    """Return the files that another file of the ledger names or counts on."""
    names: set[str] = set()
    for recipe in ("mail", "x-ray"):
        promotions = ledger.promotions(recipe)
        names |= {f"promotions/{recipe}/{p.predicate.number}.json" for p in promotions[:-1]}
        names |= {f"runs/{recipe}/{p.predicate.run}.json" for p in promotions}
        names |= {f"blobs/{p.predicate.signature_sha256}" for p in promotions}
        for run in ledger.runs(recipe):
            said = run.predicate
            names |= {f"runs/{recipe}/{entry}.json" for entry in said.previous}
            blobs = (*said.records.values(), said.recipe_sha256, said.inputs_sha256)
            names |= {f"blobs/{digest}" for digest in blobs}
            known = {p.entry: f"promotions/{recipe}/{p.predicate.number}.json" for p in promotions}
            names |= {known[entry] for entry in said.parents}
    return names


@CHECKS
@given(acts=ACTS, data=st.data())
def test_alarm_over_every_altered_ledger(
    signers_and_model: KEYS, acts: list[tuple[str, str, bool, bytes]], data: st.DataObject
) -> None:
    """An alarm: a file gone that another names, a byte changed, put in or taken out, two files exchanged, one repeated."""
    ledger = grow(signers_and_model, acts)
    assert isinstance(ledger.objects, MemoryObjects)
    files = ledger.objects.files
    name = data.draw(st.sampled_from(list(files)))  # as they were added: signatures, and so names, differ each time
    how = data.draw(st.sampled_from(["remove", "flip", "put in", "take out", "exchange", "repeat"]))
    content = files[name]
    at = data.draw(st.integers(0, 10**6)) % len(content)
    if how == "remove":
        assume(name in named_by_others(ledger))
        del files[name]
    elif how == "flip":
        files[name] = content[:at] + bytes([content[at] ^ (1 << data.draw(st.integers(0, 7)))]) + content[at + 1 :]
    elif how == "put in":
        files[name] = content[:at] + bytes([data.draw(st.integers(0, 255))]) + content[at:]
    elif how == "take out":
        files[name] = content[:at] + content[at + 1 :]
    else:
        other = data.draw(st.sampled_from([one for one in files if one != name] or [name]))
        assume(files[other] != content)
        files[name], files[other] = files[other], (content if how == "exchange" else files[other])
    with pytest.raises(TamperError):
        verify_ledger(ledger, LedgerTally())
