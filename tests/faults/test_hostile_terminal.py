"""Hostile text on its way to a terminal: control characters stay in the data, and ``--json`` stays JSON."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from graft.data import profile_data
from graft.errors import InputError
from graft.records import Estimate
from graft_cli.commands.profile import show_profile
from graft_cli.terminal import check_lines, headline_lines, row, shorten
from tests.support.checks import called
from tests.support.cli_runner import CommandLine

EVIL = "\x1b[31mred\x1b]0;title\x07\x9b2J\x1b[2J\u202etxet\u2028[red]bold[/red]\r\x08\x7f\u200b"
COLUMN = f"te{EVIL}xt"


def is_plain(text: str) -> bool:
    """Return whether a terminal shows a text and does nothing else."""
    return all(line.isprintable() for line in text.split("\n"))


def rows(evil: str) -> bytes:
    """Return rows as JSON lines with a text in every place: names of columns, contents, classes, groups."""
    lines = [
        {
            COLUMN: f"message {k} {evil}",
            f"label{evil}": f"{'card' if k % 2 else 'parcel'}{evil}",
            f"g{evil}": f"{k % 3}{evil}",
        }
        for k in range(24)
    ]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


@pytest.fixture
def cli_copy(cli: CommandLine, tmp_path: Path) -> CommandLine:
    """A workspace that may be spoilt."""
    shutil.copytree(cli.root, tmp_path / "workspace", symlinks=True)
    return CommandLine(tmp_path / "workspace", cli.capsys)


def test_a_file_that_is_looked_at(cli_copy: CommandLine, tmp_path: Path) -> None:
    """``look`` and ``new`` show names of columns, classes and groups without what a terminal would obey."""
    source = tmp_path / "rows.jsonl"
    source.write_bytes(rows(EVIL))
    assert is_plain(cli_copy.succeeds("profile", source))
    facts = json.loads(cli_copy.succeeds("profile", source, "--json"))
    assert COLUMN in {column["name"] for column in facts["columns"]}
    columns = ("--text", COLUMN, "--label", f"label{EVIL}", "--group", f"g{EVIL}", "--sensitive", f"g{EVIL}")
    base = str(next(iter(own_base(cli_copy))))
    said = cli_copy.run("new", "fresh", "--data", source, *columns, "--base", base)
    assert is_plain(said.out + said.err), said
    assert said.exit_code == 0, said
    assert is_plain(cli_copy.succeeds("status"))
    json.loads(cli_copy.succeeds("status", "--json"))


def own_base(cli_copy: CommandLine) -> tuple[str, ...]:
    from graft_tasks.workspace import Workspace

    return Workspace(cli_copy.root).recipe("known").load()[0].choose_base.bases


LINK = "\x1b]8;;https://x\x1b\\x\x1b]8;;\x1b\\"


@pytest.mark.parametrize("evil", [EVIL, LINK, "[red]", "[link=https://example.org]x[/link]", ":smile:"])
def test_lines_of_a_run(evil: str) -> None:
    """Checks, verdicts and rows of a run are shown as text, markup included."""
    seen = Estimate(value=0.5, ci_low=0.4, ci_high=0.6, n=10, method=evil, unit="fraction")
    check = called(evil, evil, "unexpected_fraction", seen, 0.1, note=evil)
    lines = [row(evil, evil, evil, "1s"), *check_lines(check), *headline_lines("HOLD", evil)]
    if evil.isprintable():
        assert any(evil[:8] in line.plain for line in lines)
    assert all(is_plain(line.plain) for line in lines[1:])
    assert is_plain(shorten(evil, 500))


def test_errors_of_a_file(cli_copy: CommandLine, tmp_path: Path) -> None:
    """An error that names a file, a column, a class or a recipe's value is shown as text."""
    bad = tmp_path / f"b{EVIL.replace('/', '')}.csv"
    bad.write_bytes(f"{COLUMN},label\na,b\nc\n".encode())
    commands: tuple[tuple[str | Path, ...], ...] = (
        ("profile", bad), ("add", "known", bad), ("monitor", "known", bad), ("status", EVIL), ("profile", EVIL),
        ("new", "fresh", "--data", bad, "--text", EVIL, "--label", "label"), ("audit", "known", "--at", EVIL),
    )  # fmt: skip
    for command in commands:
        said = cli_copy.run(*command)
        assert said.exit_code in (1, 2), said
        assert is_plain(said.out + said.err), said
    assert is_plain(str(InputError(EVIL, where=EVIL, do=EVIL)))


def test_a_look_at_many_odd_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Reasons, advice and oddities quote cells and names; none of these reaches the terminal as it is."""
    lines = [
        {f"{EVIL}{k}": f"{EVIL}{k * n % 7}" for k in range(8)} | {"subject": f"{EVIL} re: your order {n}"}
        for n in range(60)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    show_profile(profile_data(tmp_path / "rows.jsonl"))
    assert is_plain(capsys.readouterr().out)


def test_an_error_is_json_where_json_was_asked_for(cli_copy: CommandLine, tmp_path: Path) -> None:
    """With ``--json`` standard output holds one object whatever comes out, and the exit code says the same as without."""
    for command in (
        ("profile", f"{EVIL}.csv"),
        ("status", EVIL),
        ("monitor", "known", tmp_path / "gone.csv"),
        ("audit", "nobody"),
    ):
        plain, said = cli_copy.run(*command), cli_copy.run(*command, "--json")
        assert (said.exit_code, said.err) == (plain.exit_code, "")
        (name, error), *more = json.loads(said.out).items()
        assert (name, more, set(error)) == ("error", [], {"what", "where", "do", "code"})
        assert f"error: {error['what'][:20].split(EVIL[0])[0]}" in plain.err
