"""Weights between base and tuned, and how alike two embeddings are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from graft.model.blend import ALPHAS, blend, choose_alpha
from graft.stats.cka import linear_cka


def state(seed: int) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return {
        "a": torch.randn(5, 3, generator=rng),
        "n": torch.tensor(seed),
        "h": torch.randn(4, generator=rng).bfloat16(),
    }


@pytest.mark.parametrize("alpha", ALPHAS)
def test_blending(alpha: float) -> None:
    """Floating tensors lie on the way, at its ends bit for bit; integers are the tuned ones."""
    base, tuned, into = state(1), state(2), state(3)
    blend(into, base, tuned, alpha)
    assert torch.equal(into["n"], tuned["n"])
    ends = {0.0: base, 1.0: tuned}
    for name in ("a", "h"):
        assert into[name].dtype == base[name].dtype
        if alpha in ends:
            assert torch.equal(into[name], ends[alpha][name])
        else:
            between = (1 - alpha) * base[name].float() + alpha * tuned[name].float()
            assert torch.allclose(into[name].float(), between, atol=1e-6 if name == "a" else 0.05)


@pytest.mark.parametrize("best", ALPHAS)
def test_a_known_optimum_is_found(best: float) -> None:
    """The share with the highest score is taken, wherever it lies, and of equals the one nearest the base."""
    assert choose_alpha(lambda alpha: -((alpha - best) ** 2))[0] == best
    alpha, scores = choose_alpha(lambda alpha: float(alpha >= best))
    assert alpha == best
    assert scores == {one: float(one >= best) for one in ALPHAS}


def test_alignment_against_its_formula() -> None:
    """Linear CKA is that of the centred kernels (Kornblith et al., equations 2 and 3), on embeddings of different widths."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(1, 2, (40, 7)), rng.normal(0, 1, (40, 5))
    second[:, 0] = first[:, 0]
    centre = np.eye(40) - 1 / 40
    k, l = (centre @ (x @ x.T) @ centre for x in (first, second))  # noqa: E741 - the names in the paper
    expected = (k * l).sum() / np.sqrt((k * k).sum() * (l * l).sum())
    assert 0.05 < expected < 0.95
    assert linear_cka(first.astype(np.float32), second.astype(np.float32)) == pytest.approx(expected, abs=1e-5)


def test_alignment_does_not_see_turns_and_scale() -> None:
    """It is 1 for a rotated, scaled and shifted embedding, and 0 for one that is constant."""
    rng = np.random.default_rng(1)
    first = rng.normal(0, 1, (30, 6)).astype(np.float32)
    turn = np.linalg.qr(rng.normal(0, 1, (6, 6)))[0].astype(np.float32)
    assert linear_cka(first, 3 * first @ turn + 5) == pytest.approx(1, abs=1e-6)
    assert linear_cka(first, np.ones((30, 2), dtype=np.float32)) == 0
