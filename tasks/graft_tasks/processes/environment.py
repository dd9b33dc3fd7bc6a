"""What every process that Graft starts finds in its environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

QUIET = {
    "DVC_NO_ANALYTICS": "1",
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "TOKENIZERS_PARALLELISM": "false",
}
"""Telemetry of every dependency off, and no hub asked, here and in every process started from here."""


def environment() -> dict[str, str]:
    """Return the environment for DVC and its steps: this Python's commands first, telemetry off."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, **QUIET, "PATH": path}
