"""Where everything lies in a workspace. Each path that is given out was looked at: no link leads there, what is read is small."""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from graft.errors import InputError
from graft.ledger import Index, Keyring, Ledger, LedgerView, Signer
from graft.recipe import check_name
from graft.records.safe_read import MAX_JSON, MAX_YAML, check_small, read_small, read_yaml
from graft_tasks.dvc.repro import in_head, is_blob
from graft_tasks.recipe_handle import RecipeHandle

_BUCKET = re.compile(r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_.-]+)*/?$")
_OTHER = re.compile(r"[^A-Za-z0-9_-]+")
_whole: set[tuple[Path, Path | str]] = set()
"""Ledgers that lie elsewhere now, and were seen to hold all that lay in the workspace before."""
_views: dict[Path, LedgerView] = {}
"""The ledger of the workspace that this process works in."""
_OWN = ("recipes", "data", "registry", "ledger", "keys", "pages", "cards", ".graft", "params.yaml", "dvc.yaml")


@lru_cache(maxsize=4)
def _read_params(content: bytes, path: Path) -> Any:
    """Read the same bytes once: every command asks some ten times, and the file grows with the recipes."""
    return read_yaml(content, path)


def as_file_name(text: str) -> str:
    """Return a text with letters, digits, ``-`` and ``_`` alone; empty where it has none."""
    return _OTHER.sub("-", text).strip("-")


@dataclass(frozen=True)
class Workspace:
    """A git repository with recipes, datasets and a ledger."""

    root: Path

    @classmethod
    def find(cls, start: Path) -> Workspace:
        """Return the workspace that a folder lies in.

        Raises:
            InputError: neither the folder nor any above it has a ``dvc.yaml`` beside ``recipes/``, or what every command uses
                is a link.
        """
        for folder in (start.resolve(), *start.resolve().parents):
            if (folder / "dvc.yaml").is_file() and (folder / "recipes").is_dir():
                workspace = cls(folder)
                for name in _OWN:
                    workspace.own(name)
                return workspace
        raise InputError(
            "This folder is not in a workspace.", where=str(start.resolve()), do="graft init DIR    makes one"
        )

    def recipe(self, name: str) -> RecipeHandle:
        """Return a recipe of this workspace by its name, whether its file is there or not.

        Raises:
            InputError: no recipe can have this name.
        """
        return RecipeHandle(self, name)

    def recipes(self) -> list[str]:
        """Return the names of all recipes, sorted."""
        return sorted(path.stem for path in (self.root / "recipes").glob("*.yaml"))

    def dataset(self, name: str) -> Path:
        return self.own("data", "datasets", check_name(name, "dataset"))

    def dataset_lock(self, name: str) -> Path:
        """Return the lock of what is done to a dataset."""
        return self.own(".graft", "locks", f"{check_name(name, 'dataset')}.dataset")

    @property
    def cards(self) -> Path:
        """Return the folder of the domain cards that were made here."""
        return self.with_inside(self.own("cards"))

    @property
    def private_key(self) -> Path:
        """The signing key: inside ``.graft``, which git ignores."""
        return self.own(".graft", "signing-key.pem")

    @property
    def prefect_home(self) -> Path:
        """The folder with the database of a run's own Prefect server: its owner's alone, and in no other project's reach."""
        return self.own(".graft", "prefect")

    @property
    def trusted_keys(self) -> Path:
        """Public keys that entries may be signed by: in git, where a change of them can be reviewed."""
        return self.with_inside(self.own("keys"))

    def params(self) -> dict[str, Any]:
        """Return what ``params.yaml`` says: ``recipes`` with their dataset folders, and perhaps ``ledger``, where that lies.

        Raises:
            InputError: it is not plain YAML, or holds no keys.
        """
        path = self.own("params.yaml")
        if not path.is_file():
            return {}
        plain = deepcopy(_read_params(read_small(path, MAX_YAML), path)) or {}
        if not isinstance(plain, dict) or not isinstance(plain.get("recipes") or {}, dict):
            raise InputError(
                "params.yaml does not say what recipes there are.", where=str(path), do="restore it with git"
            )
        return plain

    def ledger(self, *, fresh: bool = False) -> LedgerView:
        """Return the ledger. Trusted are the keys in ``keys`` that the last commit has, byte for byte as they lie there.

        Args:
            fresh: every entry is read again, and nothing counts as verified but bytes whose signature this process itself has
                verified. Whatever promotes, rolls back, pins, frees or audits asks for it; what this process asks for
                afterwards goes by what was found then.

        Raises:
            InputError: it lies elsewhere, and lacks an entry of the one that lay in the workspace: who is champion is not known.
        """
        keys = self.trusted_keys
        head = in_head(self.root, keys.name) if any(keys.glob("*.pem")) else {}
        keyring = Keyring(keys, lambda name, content: is_blob(content, head.get(f"{keys.name}/{name}", "")))
        place, before = self.ledger_place(), self.own("ledger")
        view = _views.get(self.root)
        if view and view.keyring == keyring:
            keyring = view.keyring  # which knows the signatures that it has verified
            if view.place == place and not fresh:
                return view
        view = LedgerView(place, keyring, self._index(place, keyring, fresh=fresh))
        if place != before and (before, place) not in _whole and before.is_dir():
            if lacking := _left_behind(before, view):
                more = f" and {len(lacking) - 1:,} more" if len(lacking) > 1 else ""
                raise InputError(
                    f"The ledger at {place} lacks {lacking[0]}{more}, which lies in this workspace: it was not moved whole.",
                    where=str(self.root / "params.yaml"),
                    do=f"graft move-ledger {place}    or take the line ledger out of params.yaml",
                )
            _whole.add((before, place))
        _views.clear()
        _views[self.root] = view
        return view

    def _index(self, place: Path | str, keyring: Keyring, *, fresh: bool) -> Index | None:
        """Return the index of what was verified of a ledger; None where nobody signs whose key counts."""
        try:
            signer = Signer(self.private_key)
        except (InputError, OSError):
            return None  # signing says why not; reading needs no key
        folder = self.own(".graft", "cache", "ledger")
        return Index(folder, signer, str(place), keyring, is_read=not fresh) if keyring.trusts(signer.keyid) else None

    def ledger_place(self) -> Path | str:
        """Return where the ledger lies: ``ledger/``, or what ``params.yaml`` says: ``s3://BUCKET/PREFIX`` or another folder.

        Raises:
            InputError: params.yaml names what is neither.
        """
        named = self.params().get("ledger")
        return self.own("ledger") if named is None else self.place_of(named)

    def place_of(self, named: Any) -> Path | str:
        """Return the place that a text names: a bucket's address as it stands, or a folder.

        Raises:
            InputError: it names neither.
        """
        if not isinstance(named, str) or not named.isprintable() or (":" in named and not _BUCKET.match(named)):
            raise InputError(
                f"params.yaml names no place for a ledger: {named!r}.",
                where=str(self.root / "params.yaml"),
                do="give s3://BUCKET/PREFIX or a folder",
            )
        return named if _BUCKET.match(named) else (self.root / named).resolve()

    def is_shared(self, place: Path | str) -> bool:
        """Return whether a ledger's place lies outside the workspace, where an entry is in force for others at once."""
        return isinstance(place, str) or not place.is_relative_to(self.root)

    def own(self, *parts: str) -> Path:
        """Return a path below the workspace's folder.

        Raises:
            InputError: it, or a folder on the way, is a link: what is read or written would lie elsewhere.
        """
        path = self.root
        for part in parts:
            path = path / part
            if path.is_symlink():
                raise InputError(
                    f"{path.relative_to(self.root)} is a link; Graft reads and writes only what lies in the workspace.",
                    where=str(path),
                    do="put the file or folder itself there",
                    code="workspace-link",
                )
        return path

    def with_inside(self, folder: Path) -> Path:
        """Return a folder of the workspace whose own entries are no links, and whose JSON is small enough to be a record."""
        for path in folder.iterdir() if folder.is_dir() else ():
            self.own(*path.relative_to(self.root).parts)
            if path.suffix == ".json":
                check_small(path, MAX_JSON)
        return folder


def _left_behind(before: Path, ledger: Ledger) -> list[str]:
    """Return the entries in a folder that a ledger at another place lacks."""
    lacking = []
    for kind in ("promotions", "runs"):
        entries = {path.relative_to(before).as_posix() for path in (before / kind).glob("*/*.json")}
        lacking += sorted(entries - set(ledger.objects.names(f"{kind}/"))) if entries else []
    return lacking
