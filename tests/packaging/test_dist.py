"""Wheel and sdist hold all that they should and nothing else, and are the same bytes wherever they are built."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT, Dist, build, copy_source, source_files

PACKAGES = {
    "graft": "graft",
    "graft_tasks": "tasks/graft_tasks",
    "graft_flows": "flows/graft_flows",
    "graft_cli": "cli/graft_cli",
    "graft_tasks/bundled/support": "data/datasets/support",
    "graft_tasks/bundled/support.yaml": "recipes/support.yaml",
}
"""What a wheel holds, and where that comes from."""


def unpack(sdist: Path, target: Path) -> Path:
    """Unpack an sdist and return its one folder."""
    with tarfile.open(sdist) as archive:
        archive.extractall(target, filter="data")
    return next(target.iterdir())


def sdist_names(sdist: Path) -> list[str]:
    """Return the names of an sdist's files, without its folder and the metadata that the build adds."""
    with tarfile.open(sdist) as archive:
        names = [member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()]
    return sorted(name for name in names if name != "PKG-INFO")


def test_the_wheel_holds_the_packages_and_the_bundled_data_alone(dist: Dist) -> None:
    """Each file of the packages, templates and cards too, the bundled dataset and its recipe; beside them metadata only."""
    expected = {
        f"{inside}{name.removeprefix(outside)}"
        for name in source_files()
        for inside, outside in PACKAGES.items()
        if name == outside or name.startswith(f"{outside}/")
    }
    with zipfile.ZipFile(dist.wheel) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        licence = wheel.read("graft_mlops-" + dist.wheel.name.split("-")[1] + ".dist-info/licenses/LICENSE")
    assert names == expected
    assert licence == (ROOT / "LICENSE").read_bytes()


def test_the_sdist_holds_every_file_of_the_source(dist: Dist) -> None:
    """Tests, documents and set-up too: whoever has the sdist can do what a clone can."""
    assert sdist_names(dist.sdist) == source_files()


def test_what_runs_leave_behind_is_not_packed(source: Path, dist: Dist, tmp_path: Path) -> None:
    """A virtual environment, caches, keys, a ledger, models and the records of runs change no byte of wheel or sdist."""
    used = tmp_path / "used"
    shutil.copytree(source, used)
    for name in (
        ".venv/lib/python3.11/site-packages/other.py",
        ".graft/signing-key.pem",
        ".hypothesis/examples",
        "graft/__pycache__/api.cpython-311.pyc",
        "data/support/inputs.json",
        "data/support/decide/record.json",
        "data/datasets/tickets/tickets.csv",
        "data/datasets/support.dvc",
        "recipes/tickets.yaml",
        "keys/e8b33daa6ffc68c7.pem",
        "ledger/runs/entry.json",
        "registry/support/0001/model.safetensors",
        "pages/support/report.html",
        "dist/graft_mlops-0.0.1.tar.gz",
    ):
        (used / name).parent.mkdir(parents=True, exist_ok=True)
        (used / name).write_text("left behind\n")
    wheel, sdist = build(used, tmp_path / "dist", "wheel", "sdist")
    assert sdist_names(sdist) == sdist_names(dist.sdist)
    assert wheel.read_bytes() == dist.wheel.read_bytes()
    assert sdist.read_bytes() == dist.sdist.read_bytes()


def test_the_sdist_builds_the_same_wheel(dist: Dist, tmp_path: Path) -> None:
    """A wheel that somebody builds from the sdist is byte for byte the one that was published."""
    (wheel,) = build(unpack(dist.sdist, tmp_path / "unpacked"), tmp_path / "dist", "wheel")
    assert wheel.read_bytes() == dist.wheel.read_bytes()


def test_source_date_epoch_dates_every_file(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The date in wheel and sdist is the one that a packager sets, and twice the same."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")  # 2026-01-01 UTC
    first = build(source, tmp_path / "first", "wheel", "sdist")
    second = build(source, tmp_path / "second", "wheel", "sdist")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    with zipfile.ZipFile(first[0]) as wheel, tarfile.open(first[1]) as sdist:
        assert {entry.date_time for entry in wheel.infolist()} == {(2026, 1, 1, 0, 0, 0)}
        assert {member.mtime for member in sdist.getmembers()} == {1767225600}


def test_the_metadata_names_distribution_command_and_licence(dist: Dist) -> None:
    """The distribution is graft-mlops, its one command graft; no requirement names a host or a path."""
    with zipfile.ZipFile(dist.wheel) as wheel:
        info = next(name.partition("/")[0] for name in wheel.namelist() if ".dist-info/" in name)
        metadata = Parser().parsestr(wheel.read(f"{info}/METADATA").decode())
        commands = wheel.read(f"{info}/entry_points.txt").decode()
    version = re.search(r'__version__ = "(.+)"', (ROOT / "graft" / "__init__.py").read_text())
    assert version
    assert (metadata["Name"], metadata["Version"]) == ("graft-mlops", version[1])
    assert metadata["License-Expression"] == "Apache-2.0"
    assert commands.split() == ["[console_scripts]", "graft", "=", "graft_cli.entry:main"]
    assert [line for line in metadata.get_all("Requires-Dist", []) if "@" in line] == []


def test_the_container_copies_what_the_wheel_is_built_from(dist: Dist, tmp_path: Path) -> None:
    """The files that infra/Containerfile copies build the same wheel: none is missing."""
    lines = re.findall(r"^COPY (.+) \S+$", (ROOT / "infra" / "Containerfile").read_text(), re.MULTILINE)
    copied = [name for line in lines for name in line.split()]
    names = [name for name in source_files() if any(name == top or name.startswith(f"{top}/") for top in copied)]
    (wheel,) = build(copy_source(tmp_path / "source", names), tmp_path / "dist", "wheel")
    assert wheel.read_bytes() == dist.wheel.read_bytes()


def test_every_message_that_names_the_distribution_names_ours() -> None:
    """``pip install 'graft[s3]'`` would bring somebody else's package."""
    pattern = re.compile(r"""pip install [^\n]*?['"\s]graft(?:\[|['"\s]|$)""", re.MULTILINE)
    texts = [
        name
        for name in source_files()
        if name.endswith((".py", ".md")) and not name.startswith(("tests/", "docs/decisions/"))
    ]
    assert [name for name in texts if pattern.search((ROOT / name).read_text(encoding="utf-8"))] == []


def test_packages_of_a_team_win_over_the_folders_of_a_checkout(tmp_path: Path) -> None:
    """An editable install has the clone on the import path, where ``tasks`` and ``flows`` are folders without a package.

    Python takes a package before any such folder, wherever on the path either lies.
    """
    for name in ("flows", "tasks"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("OWNER = 'team'\n")
    lines = [
        "import sys",
        f"sys.path[:0] = [{str(ROOT)!r}]",
        f"sys.path.append({str(tmp_path)!r})",
        "import flows, tasks",
        "assert flows.OWNER == tasks.OWNER == 'team', (flows, tasks)",
        "import graft_flows, graft_tasks",
    ]
    subprocess.run([sys.executable, "-P", "-c", "\n".join(lines)], cwd=tmp_path, check=True)
