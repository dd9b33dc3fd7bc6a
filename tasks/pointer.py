"""What DVC calls a folder: the digest that a ``.dvc`` pointer holds, so that a promotion can sign it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import yaml

from graft.errors import TamperError
from graft.records import FileDigest

_LARGEST = 64 * 1024


def dvc_md5(folder: Path, files: tuple[FileDigest, ...]) -> str:
    """Return the MD5 that ``dvc add`` gives a folder of these files: of the list of their MD5s. No security rests on it.

    Source: DVC 3, ``.dir`` objects. Cost: reads every file.
    """
    listing = []
    for file in sorted(files, key=lambda file: file.path):
        with (folder / file.path).open("rb") as content:
            digest = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        listing.append({"md5": digest, "relpath": file.path})
    content_ = json.dumps(listing, sort_keys=True).encode()
    return f"{hashlib.md5(content_, usedforsecurity=False).hexdigest()}.dir"


def check_pointer(pointer: Path, md5: str, files: tuple[FileDigest, ...]) -> None:
    """Check that a ``.dvc`` file names the folder of its name, and that folder as it was signed.

    Args:
        md5: what ``dvc_md5`` gave.
        files: the folder's.

    Raises:
        TamperError: absent, or it says something else.
    """
    do = "restore it with git"
    if not pointer.is_file():
        raise TamperError(
            "A promoted model's pointer is absent: dvc gc would take the model.", where=str(pointer), do=do
        )
    size = sum(file.size for file in files)
    signed = {"outs": [{"md5": md5, "size": size, "nfiles": len(files), "hash": "md5", "path": pointer.stem}]}
    try:
        found = yaml.safe_load(pointer.read_bytes()[:_LARGEST])
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise TamperError("A promoted model's pointer is none.", where=str(pointer), do=do) from error
    if found != signed:
        where = f"{pointer}: {str(found)[:200]}, signed {signed}"
        raise TamperError("A promoted model's pointer leads elsewhere.", where=where, do=do)
