"""Who signs here, and whose key is whose. Whose signatures count is said by ``Workspace.ledger``: keys that git's HEAD has."""

from __future__ import annotations

from graft.errors import InputError
from graft.ledger import Ledger, Signer, key_file, make_key
from graft.records import write_atomic
from graft_tasks.dvc.repro import git, in_head, is_blob
from graft_tasks.workspace import Workspace


def own_key(workspace: Workspace) -> tuple[str, bool]:
    """Make a signing key if there is none. Returns where its public half lies, and whether that was written now.

    The public half holds the bytes of this very key: whoever commits it commits no other.
    """
    is_new = not workspace.private_key.is_file()
    if is_new:
        make_key(workspace.private_key, workspace.trusted_keys)
    signer = Signer(workspace.private_key)
    path = workspace.trusted_keys / key_file(signer.keyid)
    if not path.is_file() or path.read_bytes() != signer.public:
        write_atomic(path, signer.public)
        is_new = True
    return f"{path.parent.name}/{path.name}", is_new


def signer_of(workspace: Workspace, ledger: Ledger) -> Signer:
    """Return who signs here.

    Raises:
        InputError: there is no key, or it does not count: nobody, this workspace included, could read what it signs.
    """
    signer = Signer(workspace.private_key)
    if not ledger.keyring.trusts(signer.keyid):
        raise InputError(
            "Your signing key does not count: its public half is not committed.",
            where=str(workspace.trusted_keys / key_file(signer.keyid)),
            do="graft init .    commits it",
        )
    return signer


def uncommitted_keys(workspace: Workspace) -> list[str]:
    """Return the files of the folder of keys that the last commit does not have as they are: what they sign counts nowhere."""
    head = in_head(workspace.root, "keys")
    present = {f"keys/{path.name}": path for path in workspace.trusted_keys.glob("*") if path.is_file()}
    return sorted(name for name, path in present.items() if not is_blob(path.read_bytes(), head.get(name, "")))


def committed_by(workspace: Workspace) -> dict[str, str]:
    """Return who committed each file of the folder of keys last, as git knows them, by its name."""
    found: dict[str, str] = {}
    author = ""
    for line in git(workspace.root, "log", "--reverse", "--format=%x00%an", "--name-only", "--", "keys").splitlines():
        if line.startswith("\0"):
            author = line[1:]
        elif line.endswith(".pem"):
            found[line.rsplit("/", 1)[-1]] = author
    return found
