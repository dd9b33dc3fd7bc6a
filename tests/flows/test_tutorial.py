"""The tutorial works as it is written: its commands are run, and what it shows of their output is what they print."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL

from graft_tasks.processes.environment import environment

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "first-model.md"
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LEFT_OUT = "..."


def blocks() -> list[tuple[str, list[str]]]:
    """Return each block of commands with the lines that the page shows of its output."""
    found: list[tuple[str, list[str]]] = []
    for kind, body in BLOCK.findall(TUTORIAL.read_text(encoding="utf-8")):
        if kind == "sh":
            found.append((body, []))
        else:
            found[-1][1].extend(line for line in body.splitlines() if line.strip() not in ("", LEFT_OUT))
    return found


def form(line: str) -> str:
    """Return a line without what differs from run to run, or between a terminal and a log: numbers, digests, time, spacing."""
    line = re.sub(r"^\d\d:\d\d:\d\dZ ", "", line)
    line = re.sub(r"\s+\(?(\d+s|\d+m|as before)\)?$", "", line.rstrip())
    line = re.sub(r"\b(?=[a-f]*\d)[0-9a-f]{7,64}\b", "#", line)
    line = re.sub(r"[-+]?\d[\d,.]*", "#", line)
    return " ".join(line.split())


def missing(shown: list[str], printed: str) -> list[str]:
    """Return the shown lines whose form no printed line has, in the order of the page."""
    forms = {form(line) for line in printed.splitlines()}
    return [line for line in shown if form(line) not in forms]


def test_a_line_that_is_not_printed_is_noticed() -> None:
    """Another word is a difference; another number, time, digest or spacing is none."""
    printed = "06:00:01Z embed         passed    480 rows with a base (12s)\nAdded 7 rows; version 548389c8e4df.\n"
    assert (
        missing(["  embed      passed  96 rows with a base     2s", "Added 8 rows; version 0f1e2d3c4b5a."], printed)
        == []
    )
    assert missing(["  embed      FAILED  96 rows with a base     2s"], printed) != []
    assert missing(["Added 8 rows; version 0f1e2d3c4b5a"], printed) != []


def test_every_command_of_the_tutorial_has_its_output_shown() -> None:
    """Each block of commands is followed by lines of its output, so that the page shows what the reader will see."""
    assert len(blocks()) >= 8
    assert [commands for commands, shown in blocks() if not shown] == []


@pytest.mark.slow
def test_the_tutorial_works_as_it_is_written(tmp_path: Path, minilm: Path, prefect_server: None) -> None:
    """Every block of commands, run in its order in the folder beside a clone, ends well and prints the lines shown."""
    (tmp_path / "graft").symlink_to(ROOT, target_is_directory=True)
    variables = environment() | {
        "PREFECT_API_URL": str(PREFECT_API_URL.value()),
        "OMP_NUM_THREADS": "1",  # on small machines threads wait for one another longer than they compute
        "AT": str(tmp_path / "at"),
    }
    at = tmp_path
    for commands, shown in blocks():
        done = subprocess.run(
            ["bash", "-e", "-c", f'{commands}\npwd >"$AT"'],
            cwd=at,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
        assert missing(shown, done.stdout) == [], f"{commands}\n{done.stdout}"
        at = Path((tmp_path / "at").read_text().strip())
