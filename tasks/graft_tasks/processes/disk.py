"""What the operating system refuses: as a sentence, and where a library that writes weights hides it."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from safetensors import SafetensorError

from graft.errors import StepError

_REFUSED = {
    errno.EDQUOT: ("The disk quota is used up.", "make room, then the same command again"),
    errno.EROFS: ("The disk may only be read.", "mount it for writing, or work elsewhere"),
    errno.EACCES: ("A file or folder may not be used.", "look at its permissions: ls -ld"),
    errno.EPERM: ("A file or folder may not be used.", "look at its permissions: ls -ld"),
    errno.EIO: ("The disk cannot be read.", "copy the file again; look after the disk"),
    errno.ELOOP: ("A link leads to itself.", "take it away, or put the file itself there"),
    errno.EISDIR: ("A folder lies where a file belongs.", "take it away"),
    errno.ENOTDIR: ("A file lies where a folder belongs.", "take it away"),
    errno.ENAMETOOLONG: ("A file's name is too long.", "give a shorter path"),
}
"""What the operating system refuses for reasons that a person can put right, and how."""
_CODE = re.compile(r"\(os error (\d+)\)")


def disk_full(where: str) -> StepError:
    """Return the error of a disk that has no more room."""
    return StepError("The disk is full.", where=where, do="make room, then the same command again", code="disk-full")


def from_disk(error: OSError) -> StepError | None:
    """Return what the operating system refused, in a sentence; None where a person could do nothing about it."""
    if error.errno == errno.ENOSPC:
        return disk_full(str(error.filename or os.strerror(error.errno)))
    if error.errno not in _REFUSED:
        return None
    what, do = _REFUSED[error.errno]
    return StepError(what, where=str(error.filename or os.strerror(error.errno)), do=do)


@dataclass(frozen=True)
class Writing:
    """While the block writes ``path``, what the system refuses is an OSError, as it is of any other write.

    safetensors raises an error of its own, tokenizers a bare Exception; both have the system's code in their text alone.
    """

    path: Path

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise what was refused."""
        code = _CODE.search(str(error)) if kind in (SafetensorError, Exception) else None
        if code:
            raise OSError(int(code[1]), os.strerror(int(code[1])), str(self.path)) from error
