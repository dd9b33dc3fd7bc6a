"""DSSE envelopes: signing and verifying bytes with elliptic-curve keys.

Source: the DSSE specification v1.0 (secure-systems-lab/dsse), "Signature definition" and "Protocol".
"""

from __future__ import annotations

import base64
import hmac
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from graft.errors import InputError, TamperError
from graft.records import sha256_bytes, write_atomic

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_BYTES = 16 * 1024 * 1024
_ALGORITHM = ec.ECDSA(hashes.SHA256())
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order n of the curve P-256 (FIPS 186-4, D.1.2.3)."""


def keyid_of(key: ec.EllipticCurvePublicKey) -> str:
    """Return the sha256 of the public key's DER form: the name by which signatures and audits call it."""
    return sha256_bytes(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))


def key_file(keyid: str) -> str:
    """Return the name under which a public key lies in the folder of the trusted ones."""
    return f"{keyid[:16]}.pem"


def _public_pem(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def make_key(private: Path, public_folder: Path) -> str:
    """Make a P-256 key pair: the private half readable by its owner only, the public half named by its keyid.

    The public half is there first: whatever kills this, no private key is left whose signatures nobody trusts.

    Raises:
        FileExistsError: there is a private key; it is never overwritten.
    """
    if private.exists():
        raise FileExistsError(private)
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    keyid = keyid_of(key.public_key())
    write_atomic(public_folder / key_file(keyid), _public_pem(key.public_key()))
    private.parent.mkdir(parents=True, exist_ok=True)
    temporary = private.with_name(f".{private.name}.{keyid[:16]}.part")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, private)
    finally:
        temporary.unlink()
    return keyid


def _pae(payload: bytes) -> bytes:
    """Return the pre-authentication encoding: type and payload with their lengths, so that neither can flow into the other."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _envelope(payload: bytes, keyid: str, signature: bytes) -> bytes:
    envelope = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": keyid, "sig": base64.b64encode(signature).decode()}],
    }
    return (json.dumps(envelope, sort_keys=True) + "\n").encode()


class Signer:
    """Signs with one private key."""

    def __init__(self, private: Path) -> None:
        if not private.is_file():
            raise InputError("There is no key to sign with.", where=str(private), do="graft init .    makes one")
        try:
            key = serialization.load_pem_private_key(private.read_bytes(), password=None)
        except (ValueError, TypeError) as error:
            raise InputError("The signing key is not a plain PEM key.", where=str(private)) from error
        if not (isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)):
            raise InputError("The signing key is not a P-256 key.", where=str(private))
        self.path = private
        self._key = key
        self.keyid = keyid_of(key.public_key())
        self.public = _public_pem(key.public_key())

    def envelope(self, payload: bytes) -> bytes:
        """Return the payload in a signed envelope, as the bytes of a file."""
        r, s = decode_dss_signature(self._key.sign(_pae(payload), _ALGORITHM))
        return _envelope(payload, self.keyid, encode_dss_signature(r, min(s, _ORDER - s)))

    def secret(self, purpose: str) -> bytes:
        """Return 32 bytes for a purpose that only those can compute who hold this key, and from which it cannot be computed.

        Source: HMAC with SHA-256 (RFC 2104) over the purpose, keyed by the private number.
        """
        number = self._key.private_numbers().private_value.to_bytes(32, "big")
        return hmac.digest(number, purpose.encode(), "sha256")


class Keyring:
    """The public keys that are trusted: the ``*.pem`` files of a folder that lies outside the ledger.

    The same bytes are verified once by a keyring, however often they are opened.

    Args:
        counts: whether a file of that name and content may be trusted.
    """

    def __init__(self, folder: Path, counts: Callable[[str, bytes], bool] = lambda _name, _content: True) -> None:
        self._keys: dict[str, ec.EllipticCurvePublicKey] = {}
        self.names: dict[str, str] = {}
        """Name of the file by keyid, of keys that are not trusted too."""
        self._verified: set[str] = set()
        for path in sorted(folder.glob("*.pem")):
            content = path.read_bytes()
            try:
                key = serialization.load_pem_public_key(content)
            except ValueError as error:
                raise TamperError(f"{path.name} is not a public key.", where=str(path)) from error
            if not (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)):
                raise TamperError(f"{path.name} is not a P-256 public key.", where=str(path))
            keyid = keyid_of(key)
            if counts(path.name, content):
                self._keys[keyid] = key
                self.names[keyid] = path.name
            self.names.setdefault(keyid, path.name)

    def trusts(self, keyid: str) -> bool:
        """Return whether what this key signs counts."""
        return keyid in self._keys

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Keyring) and (self.trusted, self.names) == (other.trusted, other.names)

    def __hash__(self) -> int:
        return hash(self.trusted)

    @property
    def trusted(self) -> tuple[str, ...]:
        """The keyids of the keys whose signatures count, sorted."""
        return tuple(sorted(self._keys))

    def signer_of(self, payload: bytes, signature: bytes, *, keyid: str = "") -> str | None:
        """Return the keyid of the trusted key that signed a payload, None if none did; ``keyid`` names the one to ask."""
        for name, key in self._keys.items():
            if keyid in ("", name):
                try:
                    key.verify(signature, _pae(payload), _ALGORITHM)
                except InvalidSignature:
                    continue
                return name
        return None

    def open(self, content: bytes, where: str) -> tuple[bytes, str]:
        """Return an envelope's payload and the keyid of the trusted key that signed it.

        An envelope has one form only, as ``Signer.envelope`` writes it, and of the two signatures (r, s) and (r, n - s) that
        fit a payload only the lower one: so no byte of a file can be changed and the entry still be taken.

        Raises:
            TamperError: not an envelope, another payload type, no trusted signer, or a signature that does not fit.
        """
        if len(content) > MAX_BYTES:
            raise TamperError("A ledger entry is too large to be one.", where=where)
        try:
            envelope: dict[str, Any] = json.loads(content)
            kind, (signed_by,) = envelope["payloadType"], envelope["signatures"]
            payload, keyid = base64.b64decode(envelope["payload"]), str(signed_by["keyid"])
            signature = base64.b64decode(signed_by["sig"])
            one_form = _envelope(payload, keyid, signature) == content
            low = decode_dss_signature(signature)[1] <= _ORDER // 2
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise TamperError(
                "A ledger entry is not a DSSE envelope.", where=where, do="restore it with git"
            ) from error
        if kind != PAYLOAD_TYPE:
            raise TamperError("A ledger entry is of an unknown type.", where=where)
        if keyid not in self._keys and keyid in self.names:
            raise TamperError(
                "A ledger entry is signed by a key that lies in keys/ but is not committed.",
                where=f"{where}, by keys/{self.names[keyid]}",
                do="commit that key if it is a colleague's; else take it and the entry away",
            )
        if keyid not in self._keys:
            raise TamperError(
                "A ledger entry is signed by no trusted key.",
                where=f"{where}, by {keyid[:16]!r}",
                code="entry-untrusted",
            )
        digest = sha256_bytes(content)
        if digest not in self._verified:
            if not (one_form and low and self.signer_of(payload, signature, keyid=keyid)):
                raise TamperError(
                    "A ledger entry is not what was signed.",
                    where=where,
                    do="restore it with git",
                    code="entry-changed",
                )
            self._verified.add(digest)
        return payload, keyid
