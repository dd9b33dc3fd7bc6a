"""``graft new`` on a terminal: a person is asked what is not clear, and may take what is guessed."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import yaml

from graft_tasks.commands.init import init
from tests.flows.conftest import MESSAGES


def answer_questions(root: Path, arguments: list[str], answers: list[tuple[str, str]]) -> tuple[int, str]:
    """Run a command on a pseudo-terminal; when the screen ends with a question, give its answer. Returns exit code and screen."""
    outside, inside = pty.openpty()
    graft = str(Path(sys.executable).parent / "graft")
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "NO_COLOR": "1"}
    process = subprocess.Popen(
        [graft, *arguments], cwd=root, stdin=inside, stdout=inside, stderr=inside, env=environment
    )
    os.close(inside)
    screen, waiting = "", list(answers)
    while True:
        ready, _, _ = select.select([outside], [], [], 120)
        assert ready, f"no answer to {waiting[:1]}:\n{screen}"
        try:
            screen += os.read(outside, 4096).decode()
        except OSError:  # the other end was closed
            break
        if waiting and waiting[0][0] in screen.rsplit("\n", 1)[-1] and screen.rstrip().endswith(":"):
            os.write(outside, f"{waiting.pop(0)[1]}\n".encode())
    os.close(outside)
    assert not waiting, f"never asked: {waiting}\n{screen}"
    return process.wait(), screen


def test_a_person_is_asked_and_may_correct_a_guess(tmp_path: Path) -> None:
    """Enter takes what is guessed, a hyphen means none, and a misspelt column is asked for again with the nearest name."""
    workspace, _ = init(tmp_path / "workspace")
    answers = [
        ("Text", ""),
        ("Class", "intnt"),
        ("Class", "intent"),
        ("kept on one side", ""),
        ("Name of a row", "-"),
        ("served equally well", "channel, variety"),
    ]
    code, screen = answer_questions(
        workspace.root, ["new", "mail", "--data", str(MESSAGES), "--strategy", "head"], answers
    )
    assert code == 0, screen
    assert "Did you mean 'intent'?" in screen
    data = yaml.safe_load(workspace.recipe("mail").path.read_text())["data"]
    assert (data["text"], data["label"], data["group"], data["id"]) == ("text", "intent", "customer_id", None)
    assert data["sensitive"] == ["channel", "variety"]


def test_what_was_given_is_not_asked(tmp_path: Path) -> None:
    """Only the columns that no option names are asked for."""
    workspace, _ = init(tmp_path / "workspace")
    given = ["--text", "text", "--label", "intent", "--group", "customer_id", "--id", "message_id"]
    code, screen = answer_questions(
        workspace.root, ["new", "mail", "--data", str(MESSAGES), *given], [("served equally well", "")]
    )
    assert code == 0, screen
    assert "Class" not in screen
    assert workspace.recipe("mail").path.is_file()
