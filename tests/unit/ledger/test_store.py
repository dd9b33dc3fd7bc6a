"""The ledger: what was signed comes back as it was, or not at all."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from graft.errors import BusyError, InputError, TamperError
from graft.ledger import (
    Keyring,
    Ledger,
    Promotion,
    PromotionPredicate,
    RunPredicate,
    Signer,
    make_key,
    sign_model,
    verify_model,
)
from graft.ledger.store import Heads
from graft.records import FileDigest, digest_folder, sha256_bytes
from tests.support.refusals import refused

A, B, C = "a" * 64, "b" * 64, "c" * 64


class SignedLedger:
    """A ledger with one trusted key."""

    def __init__(self, folder: Path) -> None:
        self.keyid = make_key(folder / "keys" / "private.pem", folder / "trusted")
        self.signer = Signer(folder / "keys" / "private.pem")
        self.public = next((folder / "trusted").glob("*.pem"))
        self.root = folder / "ledger"
        self.ledger = Ledger(self.root, Keyring(folder / "trusted"))
        self.folder = folder

    def stranger(self) -> Signer:
        make_key(self.folder / "keys" / "other.pem", self.folder / "untrusted")
        return Signer(self.folder / "keys" / "other.pem")

    def promotion(self, number: int, recipe: str = "mail") -> Path:
        return self.root / "promotions" / recipe / f"{number:04}.json"

    def promote(self, n: int) -> list[Promotion]:
        """Add n promotions, each the child of the one before."""
        found: list[Promotion] = []
        for number in range(1, n + 1):
            parent = found[-1].entry if found else None
            found.append(self.ledger.add_promotion(promotion(f"{number:04}", parent), self.signer))
        return found


@pytest.fixture
def signed_ledger(tmp_path: Path) -> SignedLedger:
    return SignedLedger(tmp_path)


def promotion(number: str, parent: str | None, **changed: Any) -> PromotionPredicate:
    plain = {
        "recipe": "mail", "number": number, "action": "promote", "model_id": A, "model_number": number, "run": B,
        "folder_md5": f"{'a' * 32}.dir", "signature_sha256": C,
        "parent": parent, "reason": "Better é.", "by": "ann", "at": f"2026-11-{int(number):02}T10:00:00Z", "overrides": False,
    }  # fmt: skip
    return PromotionPredicate(**{**plain, **changed})


def run_predicate(**changed: Any) -> RunPredicate:
    plain = {
        "recipe": "mail", "recipe_sha256": A, "inputs_sha256": A, "dataset_sha256": A, "base_id": "b", "base_sha256": A,
        "records": {"decide": C}, "verdict": "hold", "headline": "h", "model_id": None,
        "model_files": (FileDigest(path="p", sha256=A, size=1),), "parents": (), "previous": (), "graft_version": "0",
        "finished_at": "2026-11-01T10:00:00Z", "costs": {"finetune": {"seconds": 1.5}},
    }  # fmt: skip
    return RunPredicate(**{**plain, **changed})


def test_envelope_round_trip(signed_ledger: SignedLedger) -> None:
    """What a trusted key signed opens to the same bytes, with the signer's keyid, as DSSE v1 lays it out."""
    payload = "line\nünï\0".encode()
    content = signed_ledger.signer.envelope(payload)
    assert signed_ledger.ledger.keyring.open(content, "here") == (payload, signed_ledger.keyid)
    envelope = json.loads(content)
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    assert base64.b64decode(envelope["payload"]) == payload
    assert [signature["keyid"] for signature in envelope["signatures"]] == [signed_ledger.keyid]


def test_signature_is_over_the_pre_authentication_encoding(signed_ledger: SignedLedger) -> None:
    """The signature verifies with plain ECDSA over "DSSEv1 28 application/vnd.in-toto+json N payload", as the protocol says."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    signature = json.loads(signed_ledger.signer.envelope(b"hello world"))["signatures"][0]["sig"]
    key = serialization.load_pem_public_key(signed_ledger.public.read_bytes())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    message = b"DSSEv1 28 application/vnd.in-toto+json 11 hello world"
    key.verify(base64.b64decode(signature), message, ec.ECDSA(hashes.SHA256()))


def test_private_key_is_its_owners(signed_ledger: SignedLedger) -> None:
    """The private key is readable by its owner alone, and is never overwritten."""
    assert signed_ledger.signer.path.stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        make_key(signed_ledger.signer.path, signed_ledger.folder / "trusted")
    signed_ledger.public.write_bytes(b"-----BEGIN PUBLIC KEY-----\nxx\n-----END PUBLIC KEY-----\n")
    with pytest.raises(TamperError, match="is not a public key"):
        Keyring(signed_ledger.folder / "trusted")
    (signed_ledger.folder / "bad.pem").write_bytes(b"no key")
    for path in (signed_ledger.folder / "bad.pem", signed_ledger.folder / "none.pem"):
        with pytest.raises(InputError):
            Signer(path)


def spoiled(content: bytes, **changed: Any) -> bytes:
    return json.dumps({**json.loads(content), **changed}).encode()


def test_untrusted_and_foreign_envelopes(signed_ledger: SignedLedger) -> None:
    """A signature by another key, under a borrowed keyid, of another payload type, or none at all, is refused."""
    ring = signed_ledger.ledger.keyring
    good, foreign = signed_ledger.signer.envelope(b"x"), signed_ledger.stranger().envelope(b"x")
    signatures = json.loads(foreign)["signatures"]
    borrowed = spoiled(foreign, signatures=[{**signatures[0], "keyid": signed_ledger.keyid}])
    for content, says in (
        (foreign, "no trusted key"),
        (spoiled(good, signatures=[]), "is not a DSSE envelope"),
        (borrowed, "is not what was signed"),
        (spoiled(good, payload=base64.b64encode(b"y").decode()), "is not what was signed"),
        (spoiled(good, payloadType="application/json"), "unknown type"),
        (spoiled(good, payload="eA"), "is not a DSSE envelope"),
        (b"", "is not a DSSE envelope"),
        (b"[" * 100_000, "is not a DSSE envelope"),
        (b" " * (16 * 1024 * 1024 + 1), "too large"),
    ):
        with pytest.raises(TamperError, match=says):
            ring.open(content, "here")
    for other in (
        spoiled(good, added=1),
        good.replace(b", ", b","),
        good + b" ",
        good.replace(b"{", b"{ ", 1),
        good[:-1],
    ):
        with pytest.raises(TamperError, match="is not what was signed"):
            ring.open(other, "here")


def test_the_other_signature_that_fits(signed_ledger: SignedLedger) -> None:
    """Of (r, s) and (r, n - s), which both fit a payload, one is taken: nobody can alter a file and keep it valid."""
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

    n = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    for _ in range(8):
        good = signed_ledger.signer.envelope(b"x")
        (signature,) = json.loads(good)["signatures"]
        r, s = decode_dss_signature(base64.b64decode(signature["sig"]))
        other = base64.b64encode(encode_dss_signature(r, n - s)).decode()
        with refused("entry-changed"):
            signed_ledger.ledger.keyring.open(good.replace(signature["sig"].encode(), other.encode()), "here")


@pytest.mark.slow
def test_every_flipped_byte(signed_ledger: SignedLedger) -> None:
    """Whichever byte of a promotion's or a run's file is changed, the entry is refused."""
    signed_ledger.promote(1)
    run = signed_ledger.ledger.add_run(run_predicate(), signed_ledger.signer)
    for path, read in (
        (signed_ledger.promotion(1), lambda: signed_ledger.ledger.promotions("mail")),
        (
            signed_ledger.root / "runs" / "mail" / f"{run.entry}.json",
            lambda: signed_ledger.ledger.run("mail", run.entry),
        ),
    ):
        content = path.read_bytes()
        for position in range(len(content)):
            for mask in (0x01, 0x80) if position % 3 else (0x01, 0x20, 0xFF):
                changed = bytearray(content)
                changed[position] ^= mask
                path.write_bytes(changed)
                with pytest.raises(TamperError):
                    read()
        path.write_bytes(content)
        assert read()


def test_promotions_come_back_in_order(signed_ledger: SignedLedger) -> None:
    """Promotions come back as they were added, the last is in force, and a time gives the one in force then."""
    added = signed_ledger.promote(3)
    assert signed_ledger.ledger.promotions("mail") == added
    assert signed_ledger.ledger.champion("mail") == added[2]
    assert signed_ledger.ledger.champion("mail", at="2026-11-02T23:59:59Z") == added[1]
    assert signed_ledger.ledger.champion("mail", at="2026-11-01T10:00:00Z") == added[0]
    assert signed_ledger.ledger.champion("mail", at="2026-10-31T00:00:00Z") is None
    assert signed_ledger.ledger.promotions("other") == []


def test_gap(signed_ledger: SignedLedger) -> None:
    """A missing promotion breaks the chain, wherever it is missing."""
    for gone in (1, 2):
        (signed_ledger.folder / str(gone)).mkdir()
        other = SignedLedger(signed_ledger.folder / str(gone))
        other.promote(3)
        other.promotion(gone).unlink()
        with pytest.raises(TamperError, match="without a gap"):
            other.ledger.promotions("mail")


@pytest.mark.parametrize("parent", [None, C])
def test_wrong_parent(signed_ledger: SignedLedger, parent: str | None) -> None:
    """A promotion, however well signed, has to name the entry before it."""
    signed_ledger.promote(1)
    signed_ledger.ledger.add_promotion(promotion("0002", parent), signed_ledger.signer)
    with pytest.raises(TamperError, match="does not follow"):
        signed_ledger.ledger.promotions("mail")


def test_replaced_first_entry(signed_ledger: SignedLedger) -> None:
    """An entry replaced by another signed one breaks the link of the entry after it."""
    signed_ledger.promote(2)
    signed_ledger.promotion(1).unlink()
    signed_ledger.ledger.add_promotion(promotion("0001", None, reason="Another."), signed_ledger.signer)
    with refused("promotion-unlinked"):
        signed_ledger.ledger.promotions("mail")


def test_moved_entry(signed_ledger: SignedLedger) -> None:
    """An entry under another number, in another recipe, or of another kind is refused."""
    signed_ledger.promote(2)
    for recipe, number in (("other", 1), ("mail", 3)):
        target = signed_ledger.promotion(number, recipe)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(signed_ledger.promotion(1).read_bytes())
        with refused("promotions-gap"):
            signed_ledger.ledger.promotions(recipe)
        target.unlink()
    run = signed_ledger.ledger.add_run(run_predicate(), signed_ledger.signer)
    path = signed_ledger.root / "runs" / "mail" / f"{run.entry}.json"
    signed_ledger.promotion(3).write_bytes(path.read_bytes())
    with pytest.raises(TamperError, match="another kind"):
        signed_ledger.ledger.promotions("mail")
    for target in (path.with_name(f"{A}.json"), signed_ledger.root / "runs" / "other" / path.name):
        target.parent.mkdir(exist_ok=True)
        path.rename(target)
        with pytest.raises(TamperError, match="a name that is not its own"):
            list(signed_ledger.ledger.runs(target.parent.name))
        target.rename(path)


def test_a_number_is_taken_once(signed_ledger: SignedLedger) -> None:
    """Of two promotions of one number the second raises BusyError, the first stays, and nothing else lies there."""
    (first,) = signed_ledger.promote(1)
    content = signed_ledger.promotion(1).read_bytes()
    with pytest.raises(BusyError, match="somebody was faster"):
        signed_ledger.ledger.add_promotion(promotion("0001", None, model_id=C), signed_ledger.signer)
    assert signed_ledger.promotion(1).read_bytes() == content
    assert signed_ledger.ledger.promotions("mail") == [first]
    assert list(signed_ledger.promotion(1).parent.iterdir()) == [signed_ledger.promotion(1)]


def test_runs_and_blobs(signed_ledger: SignedLedger) -> None:
    """Runs come back as they were added; a blob comes back under its digest, and missing or changed ones are refused."""
    late = signed_ledger.ledger.add_run(run_predicate(finished_at="2026-11-02T10:00:00Z"), signed_ledger.signer)
    early = signed_ledger.ledger.add_run(run_predicate(), signed_ledger.signer)
    assert {run.entry: run for run in signed_ledger.ledger.runs("mail")} == {run.entry: run for run in (early, late)}
    assert signed_ledger.ledger.run("mail", early.entry) == early
    with refused("entry-missing"):
        signed_ledger.ledger.run("mail", A)
    digest = signed_ledger.ledger.add_blob(b"record")
    assert digest == sha256_bytes(b"record")
    assert signed_ledger.ledger.blob(digest) == b"record"
    path = signed_ledger.root / "blobs" / digest
    path.write_bytes(b"Record")
    with pytest.raises(TamperError, match="is not what was signed"):
        signed_ledger.ledger.blob(digest)
    signed_ledger.ledger.add_blob(b"record")
    assert signed_ledger.ledger.blob(digest) == b"record"
    for wrong, says in ((A, "missing"), ("../trusted", "64 hex digits"), (digest + "\n", "64 hex digits")):
        with pytest.raises(TamperError, match=says):
            signed_ledger.ledger.blob(wrong)


def test_the_newest_runs(signed_ledger: SignedLedger) -> None:
    """Newest are the runs that no other names, the last to end at the end; where times are equal the entries decide."""
    assert signed_ledger.ledger.heads("mail") == Heads(0, ())
    first, other = (
        signed_ledger.ledger.add_run(run_predicate(headline=text), signed_ledger.signer).entry for text in ("a", "b")
    )
    same_time = tuple(sorted((run_predicate().finished_at, entry) for entry in (first, other)))
    assert signed_ledger.ledger.heads("mail") == Heads(2, same_time)
    after = run_predicate(previous=(first,), finished_at="2026-11-02T10:00:00Z")
    last = signed_ledger.ledger.add_run(after, signed_ledger.signer).entry
    assert signed_ledger.ledger.heads("mail") == Heads(
        3, (("2026-11-01T10:00:00Z", other), ("2026-11-02T10:00:00Z", last))
    )


def command(folder: Path, signature: Path, public: Path) -> int:
    """Return what the ``model_signing`` command line says of a folder, in a process of its own."""
    code = "from model_signing._cli import main; main()"
    call = [sys.executable, "-c", code, "verify", "key", str(folder)]
    call += ["--signature", str(signature), "--public_key", str(public)]
    return subprocess.run(call, capture_output=True, check=False, timeout=120).returncode


@pytest.mark.slow
def test_model_signature(signed_ledger: SignedLedger) -> None:
    """Our signature is accepted by the ``model_signing`` command line and by us; one changed byte breaks it for both."""
    model, signature = signed_ledger.folder / "model", signed_ledger.folder / "model.sig"
    (model / "sub").mkdir(parents=True)
    (model / "model.safetensors").write_bytes(bytes(range(256)) * 40)
    (model / "sub" / "config é.json").write_text("{}")
    content = sign_model(model, signed_ledger.signer.path)
    signature.write_bytes(content)

    def verify(keyring: Keyring = signed_ledger.ledger.keyring) -> str:
        return verify_model(digest_folder(model)[0], content, keyring, "here")

    assert verify() == signed_ledger.keyid
    assert command(model, signature, signed_ledger.public) == 0

    weights = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(weights[:5000] + bytes([weights[5000] ^ 1]) + weights[5001:])
    with pytest.raises(TamperError, match="is not what was signed"):
        verify()
    assert command(model, signature, signed_ledger.public) != 0
    (model / "model.safetensors").write_bytes(weights)

    make_key(signed_ledger.folder / "keys" / "other.pem", signed_ledger.folder / "untrusted")
    with pytest.raises(TamperError, match="signed by no trusted key"):
        verify(Keyring(signed_ledger.folder / "untrusted"))
    (model / "added.py").write_text("")
    with pytest.raises(TamperError, match="is not what was signed"):
        verify()


def test_damaged_model_signature(signed_ledger: SignedLedger) -> None:
    """A signature with a changed byte is refused and nothing else, or still verifies the very same files."""
    model = signed_ledger.folder / "model"
    model.mkdir()
    (model / "a").write_bytes(b"a")
    content, (files, _) = sign_model(model, signed_ledger.signer.path), digest_folder(model)
    n_refused = 0
    for position in range(0, len(content), 7):
        changed = content[:position] + bytes([content[position] ^ 0x15]) + content[position + 1 :]
        try:
            assert verify_model(files, changed, signed_ledger.ledger.keyring, "here") == signed_ledger.keyid
        except TamperError:
            n_refused += 1
    assert n_refused > 0.8 * len(range(0, len(content), 7))


def test_what_no_ledger_writes(signed_ledger: SignedLedger) -> None:
    """A file, folder or link in the ledger that is no entry and no blob is refused; a file being written is not there yet."""
    signed_ledger.promote(1)
    (signed_ledger.root / "promotions" / "mail" / ".0002.json.abcdefg_.part").write_bytes(b"half")
    assert len(list(signed_ledger.ledger.names())) == 1
    for name in (
        "promotions/mail/0002.txt",
        "promotions/mail/2.json",
        "promotions/UP/0001.json",
        "blobs/a",
        "runs/mail/x",
    ):
        path = signed_ledger.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}")
        with refused("ledger-foreign-file"):
            list(signed_ledger.ledger.names())
        path.unlink()


def test_links_out_of_the_ledger(signed_ledger: SignedLedger) -> None:
    """A link in the ledger is followed neither when it is read nor when it is written."""
    signed_ledger.promote(1)
    outside = signed_ledger.folder / "outside"
    signed_ledger.promotion(1).parent.rename(outside)
    signed_ledger.promotion(1).parent.symlink_to(outside)
    with pytest.raises(TamperError, match="leads out"):
        signed_ledger.ledger.promotions("mail")
    with pytest.raises(TamperError, match="leads out"):
        signed_ledger.ledger.add_promotion(promotion("0002", None), signed_ledger.signer)
    assert [path.name for path in outside.iterdir()] == ["0001.json"]
    digest = sha256_bytes(b"secret")
    (signed_ledger.folder / "secret").write_bytes(b"secret")
    (signed_ledger.root / "blobs").mkdir()
    (signed_ledger.root / "blobs" / digest).symlink_to(signed_ledger.folder / "secret")
    with pytest.raises(TamperError, match="leads out"):
        signed_ledger.ledger.blob(digest)
