"""Weights between base and tuned: less is forgotten, and often more is known than at either end."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)

Tensors = Mapping[str, torch.Tensor]


def blend(into: Tensors, base: Tensors, tuned: Tensors, alpha: float) -> None:
    """Set floating tensors to (1 - alpha) base + alpha tuned, others to the tuned ones; at 0 and 1, bit for bit those of one end.

    Args:
        into: what is set, in place; all three have the same names and shapes.

    Source: Wortsman et al. 2022 (WiSE-FT).
    """
    with torch.no_grad():
        for name, target in into.items():
            between = tuned[name]
            if alpha < 1 and target.is_floating_point():
                between = base[name] if alpha == 0 else torch.lerp(base[name], tuned[name], alpha)
            target.copy_(between)


def choose_alpha(score: Callable[[float], float]) -> tuple[float, dict[float, float]]:
    """Return the share of ``ALPHAS`` with the highest score, of equals the one nearest the base, and all scores."""
    scores = {alpha: score(alpha) for alpha in ALPHAS}
    return max(scores, key=lambda alpha: (scores[alpha], -alpha)), scores
