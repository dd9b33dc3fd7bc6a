"""A mix of classes that moved, where the contents of all rows together hardly tell the samples apart."""

from __future__ import annotations

import numpy as np

from graft.recipe.schema import DetectShift
from graft.shift.compare import compare
from graft.shift.sample import Sample

BOUNDS = DetectShift(alpha=0.01, max_auc=0.65, n_permutations=299, max_rows=1_000)
N_CLASSES, WIDTH = 12, 16
CENTRES = 2.5 * np.random.default_rng(5).normal(size=(N_CLASSES, WIDTH))


def rows(classes: np.ndarray, rng: np.random.Generator) -> Sample:
    """Return rows around their classes' centres."""
    features = (CENTRES[classes] + rng.normal(size=(len(classes), WIDTH))).astype(np.float32)
    return Sample("rows", features, np.array([f"class {k:02}" for k in classes]))


def test_a_fifth_of_the_rows_needs_another_class_and_the_auc_is_small() -> None:
    """Without labels the mix is estimated and its classes are named, but it "cannot be told": a "no" would be wrong.

    Where k of the rows vanish, the best AUC of any classifier is (1 + k) / 2: a sixth removed can never pass 0.65.
    """
    rng = np.random.default_rng(0)
    reference = rows(rng.integers(0, N_CLASSES, 2_000), rng)
    current = rows(rng.integers(2, N_CLASSES, 1_500), rng)
    found = compare("mix", reference, Sample("current", current.features), BOUNDS, rng=rng)
    assert found.p_value is not None
    assert found.p_value < BOUNDS.alpha
    assert found.shifted is False
    label = next(kind for kind in found.kinds if kind.name == "label")
    assert label.found is None
    assert "estimated" in label.because
    assert {share.label for share in found.shares[:2]} == {"class 00", "class 01"}
    assert all(share.current < 0.02 for share in found.shares[:2])


def test_what_did_not_move_is_a_plain_no() -> None:
    """Where no test finds a difference, no classes are named."""
    rng = np.random.default_rng(0)
    reference, current = (rows(rng.integers(0, N_CLASSES, 2_000), rng) for _ in range(2))
    found = compare("mix", reference, Sample("current", current.features), BOUNDS, rng=rng)
    assert next(kind for kind in found.kinds if kind.name == "label").found is False
    assert found.shares == ()


def test_a_modest_probe_and_a_new_mix_are_no_concept_shift() -> None:
    """Half of the classes are gone, and labels mean what they meant.

    The probe is far too modest; without calibration it would be "right 10 points less often than it promises".
    """
    rng = np.random.default_rng(0)
    centres = 0.375 + 0.3 * np.random.default_rng(6).normal(size=(60, 64))

    def unit(classes: np.ndarray) -> Sample:
        features = centres[classes] + 0.6 * rng.normal(size=(len(classes), 64))
        features /= np.linalg.norm(features, axis=1, keepdims=True)
        return Sample("rows", features.astype(np.float32), np.array([f"class {k:02}" for k in classes]))

    reference, current = unit(rng.integers(0, 60, 4_000)), unit(rng.integers(30, 60, 2_000))
    found = {kind.name: kind for kind in compare("mix", reference, current, BOUNDS, rng=rng).kinds}
    assert found["label"].found
    assert found["concept"].found is False, found["concept"].because
