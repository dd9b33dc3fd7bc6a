"""What a test expects to be refused, by the error's code: its words may change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from graft.errors import GraftError


@contextmanager
def refused(code: str) -> Iterator[pytest.ExceptionInfo[GraftError]]:
    """Check that the block ends in the error of a code; ``tests/architecture/test_error_codes.py`` holds each to one class."""
    with pytest.raises(GraftError) as error:
        yield error
    assert error.value.code == code, str(error.value)
