"""CPU time of the exact kernel test with 1,000 permutations, beside alibi-detect's and Evidently's ways.

    python -m benchmarks.shift_speed [--rows 2000] [--rounds 5] [--share 20] [--peers PYTHON]

Every arm runs in a process of its own, on one thread, on the same two samples of width 384, in turn within a round; each tells
the CPU time of the test alone, without imports. A peer makes 1,000 / share permutations, and once more a single one: the time of
one permutation lies between, and the rest is reckoned with it (``--share 1``: all 1,000 are made). ``--peers``: the Python of an
environment with alibi-detect (pip install 'alibi-detect[torch]'), which cannot share ours; Evidently is among Graft's own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

WIDTH, N_PERMUTATIONS = 384, 1_000
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
PEER = Path(__file__).with_name("peers") / "mmd_tests.py"
Measured = tuple[str, float, float]
"""Name and version, CPU seconds, statistic."""


def ours(paths: list[str]) -> None:
    """Test two samples by Graft, and tell as the peers do."""
    from graft.stats.mmd import mmd_test

    x, y = (np.load(path) for path in paths)

    def test(x: np.ndarray, y: np.ndarray) -> float:
        found = mmd_test(x, y, rng=np.random.default_rng(0), n_permutations=N_PERMUTATIONS, max_exact=len(x))
        assert found.is_exact
        return found.value

    test(x[:50], y[:50])
    began = time.process_time()
    seen = test(x, y)
    print(json.dumps(["graft", time.process_time() - began, seen]))


def ask(command: list[str]) -> Measured:
    """Run an arm and return what it tells."""
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **ONE_THREAD})
    name, seconds, seen = json.loads(done.stdout.strip().splitlines()[-1])
    return name, seconds, seen


def peer(python: str, arm: str, paths: list[str], share: int) -> Measured:
    """Return what 1,000 permutations of a peer take, by a share of them; of ``features`` 100 for each of 384 columns."""
    if arm == "features":
        name, seconds, seen = ask([python, str(PEER), arm, "100", *paths])
        return f"{name}, column by column", seconds * WIDTH, seen
    n = N_PERMUTATIONS // share
    name, many, seen = ask([python, str(PEER), arm, str(n), *paths])
    if share == 1:
        return name, many, seen
    few = ask([python, str(PEER), arm, "1", *paths])[1]
    return name, few + (many - few) / (n - 1) * (N_PERMUTATIONS - 1), seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--share", type=int, default=20)
    parser.add_argument("--peers")
    parser.add_argument("--ours", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.ours:
        ours(asked.ours)
        return
    arms = {"evidently": sys.executable, "features": sys.executable}
    if asked.peers:
        arms = {"alibi": asked.peers, **arms}
    rounds: list[dict[str, Measured]] = []
    with tempfile.TemporaryDirectory() as scratch:
        paths = [f"{scratch}/{side}.npy" for side in ("reference", "current")]
        for k in range(asked.rounds):
            rng = np.random.default_rng(k)
            for path, mean in zip(paths, (0.0, 0.03), strict=True):
                np.save(path, rng.normal(mean, 1, (asked.rows, WIDTH)).astype(np.float32))
            own = ask([sys.executable, "-m", "benchmarks.shift_speed", "--ours", *paths])
            others = {arm: peer(python, arm, paths, asked.share) for arm, python in arms.items()}
            rounds.append({"graft": own, **others})
            print(
                "  " + "; ".join(f"{name} {seconds:.2f} s, {seen:.5f}" for name, seconds, seen in rounds[-1].values()),
                flush=True,
            )
    print(
        f"{asked.rows:,} + {asked.rows:,} rows x {WIDTH}, {N_PERMUTATIONS:,} permutations, {asked.rounds} rounds, median CPU time"
    )
    for arm, (name, _, _) in rounds[0].items():
        ratios = [one[arm][1] / one["graft"][1] for one in rounds]
        seconds = statistics.median(one[arm][1] for one in rounds)
        beside = f", {statistics.median(ratios):.0f} times graft's ({min(ratios):.0f} to {max(ratios):.0f})"
        print(f"  {name}: {seconds:.2f} s{beside if arm != 'graft' else ''}")


if __name__ == "__main__":
    main()
