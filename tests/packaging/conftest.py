"""The distribution: wheel and sdist, built once from a copy of the source, without a network."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]


class Dist(NamedTuple):
    """What a build made."""

    wheel: Path
    sdist: Path


def source_files() -> list[str]:
    """Return the files of this repository by their names: what git has or would take."""
    if not (ROOT / ".git").exists():
        pytest.skip("no git repository")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())


def copy_source(target: Path, names: list[str]) -> Path:
    """Copy files of this repository, without their times."""
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target / name)
    return target


def build(source: Path, target: Path, *kinds: str) -> list[Path]:
    """Build ``wheel`` or ``sdist`` of a source tree with the hatchling of this environment; return the files in that order."""
    command = [sys.executable, "-P", "-m", "hatchling", "build", "-d", str(target)]
    for kind in kinds:
        subprocess.run([*command, "-t", kind], cwd=source, check=True, capture_output=True, text=True)
    found = {"wheel": "*.whl", "sdist": "*.tar.gz"}
    return [next(target.glob(found[kind])) for kind in kinds]


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source, as a fresh clone has it. Read only."""
    return copy_source(tmp_path_factory.mktemp("source"), source_files())


@pytest.fixture(scope="session")
def dist(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Dist:
    """Wheel and sdist of that copy."""
    return Dist(*build(source, tmp_path_factory.mktemp("dist"), "wheel", "sdist"))
