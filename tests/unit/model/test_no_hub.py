"""Reading and writing a base asks nobody, in a process that said nothing of hubs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import socket, sys
from pathlib import Path

asked = []

def refuse(*arguments, **_):
    asked.append(str(arguments[:1]))
    raise OSError("no network in this test")

socket.getaddrinfo = socket.socket.connect = refuse
from graft.model.encoder import load_encoder

texts, images, target = (Path(one) for one in sys.argv[1:])
for folder, kind in ((texts, "text"), (images, "image")):
    encoder = load_encoder(folder, kind, max_tokens=16)
    encoder.own_classifier(folder)
    encoder.save(target / kind)
    load_encoder(target / kind, kind, max_tokens=16)
print(asked)
"""


@pytest.mark.slow
def test_no_hub_is_asked(tiny_base: Path, tiny_image_base: Path, tmp_path: Path) -> None:
    """Without HF_HUB_OFFLINE bases of texts and images are loaded, saved and loaded again, and no name is looked up."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    command = [sys.executable, "-c", CODE, str(tiny_base), str(tiny_image_base), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "[]"
