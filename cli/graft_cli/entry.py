"""Where ``graft`` begins. A stage's ``graft step`` is done by the run's warm process where there is one."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run a command."""
    if sys.argv[1:2] == ["step"]:
        from graft_tasks.processes.child_process import STARTED_BY, end_with
        from graft_tasks.processes.warm import ADDRESS, ask

        if ADDRESS in os.environ:
            end_with(int(os.environ.get(STARTED_BY, os.getppid())))
            ask("graft_cli.main", sys.argv)
    from graft_cli.main import main as run

    run()
