"""Signs a model folder in the OpenSSF model-signing format, and verifies that. The only module that imports model_signing.

Verifying is ours: ``model_signing`` would read every file again, and the audit has just digested them.

Source: OpenSSF Model Signing specification v1.0: a Sigstore bundle v0.3 around a DSSE envelope around an in-toto statement.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from pathlib import Path

from graft.errors import TamperError
from graft.ledger.dsse import PAYLOAD_TYPE, Keyring
from graft.records import FileDigest

PREDICATE_TYPE = "https://model_signing/signature/v1.0"


def sign_model(folder: Path, private_key: Path) -> bytes:
    """Return the signature over every file of a model folder; the ``model_signing`` command verifies it."""
    from model_signing import signing

    with tempfile.TemporaryDirectory() as scratch:
        signature = Path(scratch) / "model.sig"
        signing.Config().use_elliptic_key_signer(private_key=private_key).sign(folder, signature)
        return signature.read_bytes()


def verify_model(files: tuple[FileDigest, ...], signature: bytes, keyring: Keyring, where: str) -> str:
    """Verify that a signature is over exactly these files; return the keyid of the trusted key that signed them.

    Raises:
        TamperError: no signature, by no trusted key, or over other files.
    """
    try:
        bundle = json.loads(signature)["dsseEnvelope"]
        payload, (signed_by,) = base64.b64decode(bundle["payload"]), bundle["signatures"]
        keyid = keyring.signer_of(payload, base64.b64decode(signed_by["sig"]))
        if keyid is None or bundle["payloadType"] != PAYLOAD_TYPE:
            raise TamperError("A model is signed by no trusted key.", where=where)
        statement = json.loads(payload)
        (subject,), predicate = statement["subject"], statement["predicate"]
        signed = [(resource["name"], resource["algorithm"], resource["digest"]) for resource in predicate["resources"]]
        root = hashlib.sha256(b"".join(bytes.fromhex(digest) for _, _, digest in signed)).hexdigest()
        whole = statement["predicateType"] == PREDICATE_TYPE and subject["digest"]["sha256"] == root
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TamperError("A model's signature is not a Sigstore bundle.", where=where) from error
    if not whole or sorted(signed) != sorted((file.path, "sha256", file.sha256) for file in files):
        raise TamperError("A model is not what was signed by a trusted key.", where=where)
    return keyid
