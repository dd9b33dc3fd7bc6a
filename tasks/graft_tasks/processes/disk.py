"""What the operating system refuses, where a library that writes weights hides it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from safetensors import SafetensorError

_CODE = re.compile(r"\(os error (\d+)\)")


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
