"""The arms of an evaluation, the models compared on the same test rows: names alone, so that to word them imports nothing."""

from __future__ import annotations

CANDIDATE, CHAMPION, BEST, PROBE = "candidate", "champion", "best_champion", "frozen_probe"
PREDECESSORS = (CHAMPION, BEST)
"""Arms that were promoted before: the champion in force, and the best so far, where that is another."""
SCRATCH, SCRATCH_NETWORK = "scratch", "scratch_network"
FROM_SCRATCH = (SCRATCH_NETWORK, SCRATCH)
"""Arms without any pretraining: the strongest cheap model, and, where a recipe asks for it, the base's own architecture."""
NAMES = {
    SCRATCH: "training from scratch",
    SCRATCH_NETWORK: "the same network from scratch",
    PROBE: "the frozen probe",
    CHAMPION: "the champion",
    BEST: "the best champion so far",
}
"""The arms that a candidate is compared with, as people call them."""
GAIN = "evaluate.gain."
"""How the id of a check begins that compares the candidate with an arm; the arm follows."""
