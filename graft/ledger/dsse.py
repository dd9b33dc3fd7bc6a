"""DSSE envelopes: signing and verifying bytes with elliptic-curve keys.

Source: the DSSE specification v1.0 (secure-systems-lab/dsse), "Signature definition" and "Protocol".
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from graft.errors import InputError, TamperError
from graft.records import sha256_bytes, write_atomic

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_BYTES = 16 * 1024 * 1024
_ALGORITHM = ec.ECDSA(hashes.SHA256())


def keyid_of(key: ec.EllipticCurvePublicKey) -> str:
    """Return the sha256 of the public key's DER form: the name by which signatures and audits call it."""
    return sha256_bytes(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))


def make_key(private: Path, public_folder: Path) -> str:
    """Make a P-256 key pair: the private half readable by its owner only, the public half named by its keyid."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    private.parent.mkdir(parents=True, exist_ok=True)
    private.touch(mode=0o600, exist_ok=False)
    private.write_bytes(pem)
    keyid = keyid_of(key.public_key())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_atomic(public_folder / f"{keyid[:16]}.pem", public)
    return keyid


def _pae(payload: bytes) -> bytes:
    """Return the pre-authentication encoding: type and payload with their lengths, so that neither can flow into the other."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


class Signer:
    """Signs with one private key."""

    def __init__(self, private: Path) -> None:
        if not private.is_file():
            raise InputError("There is no key to sign with.", where=str(private), do="graft init .    makes one")
        try:
            key = serialization.load_pem_private_key(private.read_bytes(), password=None)
        except (ValueError, TypeError) as error:
            raise InputError("The signing key is not a plain PEM key.", where=str(private)) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise InputError("The signing key is not an elliptic-curve key.", where=str(private))
        self.path = private
        self._key = key
        self.keyid = keyid_of(key.public_key())

    def envelope(self, payload: bytes) -> bytes:
        """Return the payload in a signed envelope, as the bytes of a file."""
        signature = self._key.sign(_pae(payload), _ALGORITHM)
        envelope = {
            "payloadType": PAYLOAD_TYPE,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": self.keyid, "sig": base64.b64encode(signature).decode()}],
        }
        return (json.dumps(envelope, sort_keys=True) + "\n").encode()


class Keyring:
    """The public keys that are trusted: the ``*.pem`` files of a folder that lies outside the ledger."""

    def __init__(self, folder: Path) -> None:
        self.files: dict[str, Path] = {}
        self._keys: dict[str, ec.EllipticCurvePublicKey] = {}
        for path in sorted(folder.glob("*.pem")):
            try:
                key = serialization.load_pem_public_key(path.read_bytes())
            except ValueError as error:
                raise TamperError(f"{path.name} is not a public key.", where=str(path)) from error
            if isinstance(key, ec.EllipticCurvePublicKey):
                self.files[keyid_of(key)] = path
                self._keys[keyid_of(key)] = key

    def open(self, content: bytes, where: str) -> tuple[bytes, str]:
        """Return an envelope's payload and the keyid of the trusted key that signed it.

        Raises:
            TamperError: not an envelope, another payload type, no trusted signer, or a signature that does not fit.
        """
        if len(content) > MAX_BYTES:
            raise TamperError("A ledger entry is too large to be one.", where=where)
        try:
            envelope: dict[str, Any] = json.loads(content)
            kind, signatures = envelope["payloadType"], envelope["signatures"]
            payload = base64.b64decode(envelope["payload"], validate=True)
            named = [(str(s["keyid"]), base64.b64decode(s["sig"], validate=True)) for s in signatures]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise TamperError("A ledger entry is not a DSSE envelope.", where=where) from error
        if kind != PAYLOAD_TYPE:
            raise TamperError(f"A ledger entry is of the unknown type {kind!r}.", where=where)
        for keyid, signature in named:
            if keyid in self._keys:
                try:
                    self._keys[keyid].verify(signature, _pae(payload), _ALGORITHM)
                except InvalidSignature as error:
                    raise TamperError(
                        "A ledger entry is not what was signed.", where=where, do="restore it with git"
                    ) from error
                return payload, keyid
        signers = ", ".join(keyid[:16] for keyid, _ in named) or "nobody"
        raise TamperError(f"A ledger entry is signed by no trusted key ({signers}).", where=where)
