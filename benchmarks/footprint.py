"""Wall time, CPU time and peak memory of a command and everything it starts.

    python benchmarks/footprint.py graft demo --dir /tmp/demo

Memory is the sum of the proportional set sizes (PSS) of all processes of the tree, sampled five times a second: shared pages
are counted once. CPU time is that of all children that have ended, from the kernel.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import threading
import time
from pathlib import Path


def tree(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [pid]
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in path.read_text().split():
                found += tree(int(child))
        except OSError:
            continue  # it has ended meanwhile
    return found


def pss(pid: int) -> int:
    """Return a process's proportional set size in bytes, 0 once it has ended."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # it has ended meanwhile
    return 0


def main() -> int:
    peak, ended = 0, threading.Event()
    began = time.monotonic()
    with subprocess.Popen(sys.argv[1:]) as process:

        def sample() -> None:
            nonlocal peak
            while not ended.wait(0.2):
                peak = max(peak, sum(pss(pid) for pid in tree(process.pid)))

        thread = threading.Thread(target=sample)
        thread.start()
        code = process.wait()
        ended.set()
        thread.join()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = time.monotonic() - began
    print(
        f"\nwall {wall:.1f} s, CPU {used.ru_utime + used.ru_stime:.1f} s, peak memory {peak / 2**30:.2f} GiB",
        file=sys.stderr,
    )
    return code


if __name__ == "__main__":
    sys.exit(main())
