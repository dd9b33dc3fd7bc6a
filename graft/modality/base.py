"""What a modality says of its rows' contents: everything that Graft does with a row and that depends on what it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from graft.records import Severity
from graft.records.shift import Profile

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from graft.recipe import Validate


@dataclass(frozen=True)
class Oddity:
    """A kind of oddity: its finding's name, how bad it is and what to do."""

    name: str
    severity: Severity
    do: str


@dataclass(frozen=True)
class ContentCheck:
    """A bound on contents that every recipe has: at most ``max_fraction`` of the rows lie outside ``low`` and ``high``.

    Args:
        id: of the check, behind the step; it never changes.
        name: of the finding of the rows outside.
        column: of ``Modality.describe``, whole numbers.
        low, high: bounds that count as inside; None: there is none.
        max_fraction: of the rows, in [0, 1].
        severity, do: of the finding where the bound is kept.
        has_finding: whether rows outside are a finding of their own; not where oddities say it more precisely.
    """

    id: str
    name: str
    column: str
    low: int | None = None
    high: int | None = None
    max_fraction: float = 0.0
    severity: Severity = "warning"
    do: str = ""
    has_finding: bool = True


class Found(NamedTuple):
    """Rows with something odd that only shows when all contents are seen: a mask of them, or their positions in order."""

    where: npt.NDArray[np.bool_] | npt.NDArray[np.int_]
    name: str
    severity: Severity = "note"
    done: str = "kept"
    do: str = ""


@dataclass(frozen=True)
class Baseline:
    """The strongest cheap model without pretraining: logistic regression on features of the contents.

    Args:
        title: what it is called.
        C: inverse L2 penalty, unless another is given.
        grid: the values of C that are tried where it is tuned.
        features: makes what turns contents into features, a scikit-learn transformer that is not yet fitted.
    """

    title: str
    C: float
    grid: tuple[float, ...]
    features: Callable[[], Any]


class Modality(Protocol):
    """What differs between texts, images and whatever comes next. Importing one imports nothing that computes.

    Contents are ``str``, or ``bytes`` where ``is_binary``. What turns them into tensors is the modality's encoder, under the same
    name in ``graft.model.encoder.ENCODERS``.
    """

    name: str
    """The modality's name, and the recipe's key below ``data`` for the column with the contents."""
    plural: str
    """What several contents are called."""
    column: str
    """What the recipe's key means."""
    encoder: str
    """What a base has to be, with its article: "a text encoder"."""
    is_binary: bool
    """Whether contents are bytes. They are not shown as text then, and no expectation can be made of them."""
    has_tokens: bool
    """Whether ``embed.max_tokens`` cuts contents."""

    # --- data: which rows are one, and which resemble one another

    def content_keys(self, contents: Iterable[Any], names: Sequence[str]) -> list[str]:
        """Return 16 hex digits that name each content: equal for contents that say the same.

        Args:
            names: of the rows, for people.

        Raises:
            InputError: a content cannot be used.
        """

    def sketches(self, contents: Iterable[Any], names: Sequence[str]) -> list[bytes]:
        """Return what each content is compared by, as small as that goes; it is kept in a file. Raises: as ``content_keys``."""

    def bands(self, sketches: Sequence[bytes]) -> npt.NDArray[np.uint64]:
        """Return bands, shape (n, k): contents that resemble one another are likely to share one; 0: it is near nothing."""

    def similarity(self, a: Sequence[bytes], b: Sequence[bytes]) -> npt.NDArray[np.float64]:
        """Return the similarity of each pair of sketches, shape (m,), in [0, 1]."""

    n_previous: int
    """With how many of the rows before it that share a band a row is compared; see ``graft.data.near.near_pairs``."""

    # --- validate: what breaks a bound, and what else is odd

    def checks(self, bounds: Validate) -> tuple[ContentCheck, ...]:
        """Return the bounds that a recipe sets for contents.

        Raises:
            InputError: the recipe asks for what cannot be checked.
        """

    expectable: tuple[str, ...]
    """Columns of ``describe``, and ``content`` itself, that a recipe's own expectations may name."""

    @property
    def oddities(self) -> tuple[Oddity, ...]:
        """The kinds of oddities of a single content, at most 32, in the order of their bits in ``describe``."""

    def describe(self, contents: pd.Series, names: Sequence[str]) -> pd.DataFrame:
        """Return one row per content, numbers only: ``flags``, whose bit k is set where ``oddities[k]`` is found, and others.

        Raises:
            InputError: as ``content_keys``.
        """

    def shorten(self, contents: pd.Series, names: Sequence[str]) -> Sequence[Any] | pd.Series:
        """Return what is kept of each content in the sample of at most 40,000 rows that further searches see."""

    def findings(self, frame: pd.DataFrame, sample: pd.DataFrame, bounds: Validate) -> list[Found]:
        """Return what is odd about contents beside others.

        Args:
            frame: what ``describe`` returned, of all rows.
            sample: columns content (shortened), key (uint64), label ("" for none) and position (in ``frame``), in order.
        """

    def suspect_features(self, shortened: Sequence[Any]) -> Any:
        """Return features by which wrong labels are found, shape (n, d), rows of norm about 1; None: there are none."""

    suspect_C: float
    """Inverse L2 penalty of logistic regression on ``suspect_features``."""

    @property
    def repair(self) -> Callable[[Any], Any] | None:
        """What returns a content with the damage repaired that needs no person; None: contents are left as they are."""

    # --- shift: what tells two samples apart, in people's words

    @property
    def measures(self) -> Mapping[str, Callable[[Any], float]]:
        """Numbers by which the drift page describes a content."""

    def profile(self, contents: Sequence[Any], base: Path) -> Profile:
        """Describe a sample; ``base`` is the folder of a base, whose tokenizer may count tokens."""

    # --- models

    def lacking(self, files: set[str]) -> str:
        """Return what a base's folder lacks to be one of this modality, by its files' names; "" for nothing that is known."""

    @property
    def baseline(self) -> Baseline:
        """The cheap model that a transfer has to beat."""

    # --- pages

    def show(self, content: Any) -> dict[str, str]:
        """Return what a page shows of a content: ``text``, or ``picture``, a small PNG in base64."""
