"""What detect_shift hands over: samples compared, by which tests, what shifted and what shows it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from graft.records.values import Estimate, Value

ShiftName = Literal["covariate", "label", "concept", "unknown", "confidence", "probabilities"]
Unit = Literal["fraction", "number"]


class ShiftTest(Value):
    """One test of whether two samples are drawn from the same distribution."""

    name: str
    statistic: float
    p_value: float = Field(gt=0, le=1)
    p_adjusted: float = Field(gt=0, le=1, description="by Holm, over the tests of this comparison")


class ShiftKind(Value):
    """One kind of shift: found, not found, or not testable here (null), and why.

    It is found where it is both significant at the comparison's level and larger than its own bound.
    """

    name: ShiftName
    found: bool | None
    because: str
    p_value: float | None = Field(default=None, ge=0, le=1, description="by Holm, over all tests of the comparison")
    significant: bool | None = Field(default=None, description="p_value is below the level, however small the size")
    size: Estimate | None = Field(default=None, description="how large it is, where that has an interval")
    bound: float | None = Field(default=None, description="what its size is compared with")

    @property
    def is_small(self) -> bool:
        """Whether it is significant and yet within its bound."""
        return bool(self.significant) and self.found is False


class ClassShare(Value):
    """The share of a class in two samples: of unlabelled rows by EM, with BBSE as a cross-check; of labelled ones counted."""

    label: str
    reference: float = Field(ge=0, le=1)
    current: float = Field(ge=0, le=1)
    cross_check: float | None = Field(default=None, ge=0, le=1)


class Sign(Value):
    """A word or a property that tells two samples apart: its mean in each, and how many standard errors lie between."""

    name: str
    reference: float
    current: float
    z: float
    unit: Unit


class Property(Value):
    """Mean and standard deviation over rows of one property; of a word, whether a row has it: a fraction."""

    mean: float
    sd: float
    unit: Unit

    @property
    def is_count(self) -> bool:
        """Whether it is of words or values, which a row has or has not: no other fraction spreads as much."""
        return self.unit == "fraction" and abs(self.sd**2 - self.mean * (1 - self.mean)) < 1e-9


class Profile(Value):
    """What a sample's rows look like: each property by name."""

    n: int
    properties: dict[str, Property]
    left_out: float = Field(default=0, ge=0, le=1, description="share of rows that a word left out may have at most")

    def __or__(self, other: Profile) -> Profile:
        return Profile(
            n=self.n,
            properties={**self.properties, **other.properties},
            left_out=max(self.left_out, other.left_out),
        )


class ShiftComparison(Value):
    """Two samples compared: is the second drawn from the same distribution as the first?

    ``auc`` is None where nothing could be compared; ``because`` then says why.
    """

    name: str
    reference: str
    current: str
    auc: Estimate | None
    p_value: float | None = Field(
        default=None, ge=0, le=1, description="the smallest of the tests of the contents, by Holm over all tests"
    )
    n_permutations: int = 0
    shifted: bool | None
    of_domain: bool = Field(
        default=False, description="the reference is the base's own domain, which most data is far from"
    )
    is_expected: bool = Field(
        default=False, description="the current rows are all later than the reference: a shift is no surprise"
    )
    because: str = ""
    most_shifted: tuple[str, ...] = ()
    tests: tuple[ShiftTest, ...] = ()
    kinds: tuple[ShiftKind, ...] = ()
    shares: tuple[ClassShare, ...] = Field(default=(), description="of the classes whose share moved most")
    accuracy_change: Estimate | None = Field(
        default=None, description="of a probe fitted to other reference rows: current minus reference"
    )
    unknown_rows: tuple[str, ...] = Field(
        default=(),
        description="rows that belong to no class, the most certain first: as many as stand out, 100 at most",
    )
    n_overlapping: int = Field(
        default=0, ge=0, description="current rows that the reference was trained on, which were left out"
    )
    signs: tuple[Sign, ...] = Field(default=(), description="what tells the samples apart, the clearest first")
    advice: str = ""
    points: tuple[tuple[tuple[float, float], ...], tuple[tuple[float, float], ...]] = Field(
        default=((), ()), description="rows of reference and current: out-of-fold score across, first component up"
    )

    @property
    def found(self) -> tuple[ShiftName, ...]:
        """The kinds of shift that were found."""
        return tuple(kind.name for kind in self.kinds if kind.found)

    @property
    def small(self) -> tuple[ShiftKind, ...]:
        """The kinds that are significant and within their bounds."""
        return tuple(kind for kind in self.kinds if kind.is_small)

    @property
    def is_whole(self) -> bool:
        """Whether everything that a verdict rests on could be tested; labels are not part of it."""
        return self.shifted is not None and all(k.found is not None for k in self.kinds if k.name == "unknown")

    @property
    def is_alarming(self) -> bool:
        """Whether any kind is found: each is a shift, whatever the others say."""
        return bool(self.shifted or self.found) and not self.of_domain
