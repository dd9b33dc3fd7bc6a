"""Signs and verifies a model folder in the OpenSSF model-signing format. The only module that imports model_signing."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature

from graft.errors import TamperError
from graft.ledger.dsse import Keyring


def sign_model(folder: Path, signature: Path, private_key: Path) -> None:
    """Write the signature over every file of a model folder; the ``model_signing`` command verifies it."""
    from model_signing import signing

    temporary = signature.with_name(f".{signature.name}.part")
    temporary.parent.mkdir(parents=True, exist_ok=True)
    signing.Config().use_elliptic_key_signer(private_key=private_key).sign(folder, temporary)
    os.replace(temporary, signature)


def verify_model(folder: Path, signature: Path, keyring: Keyring) -> str:
    """Verify that a folder holds exactly the files that were signed; return the keyid of the trusted key that signed them.

    Raises:
        TamperError: the signature is absent, by another key, or over other bytes.
    """
    from model_signing import verifying

    if not signature.is_file():
        raise TamperError("A model's signature is absent.", where=str(signature))
    failure: Exception | None = None
    for keyid, public_key in keyring.files.items():
        try:
            verifying.Config().use_elliptic_key_verifier(public_key=public_key).verify(folder, signature)
        except (InvalidSignature, ValueError, KeyError, TypeError, AttributeError, IndexError, OSError) as error:
            failure = failure or error
        else:
            return keyid
    where = f"{folder}, {signature.name}: {failure or 'no key is trusted'}"
    raise TamperError("A model is not what was signed by a trusted key.", where=where) from failure
