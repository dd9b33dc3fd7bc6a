"""upstream: brings commits to git's remote, on top of those that came there meanwhile.

The working tree belongs to whoever works in it, other runs too. Commits are replayed in a tree of their own, and of this one only
those files change that came from elsewhere.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from graft.errors import BusyError, GraftError, StepError
from graft_tasks.dvc.repro import dvc_held, git, keep_lockfile
from graft_tasks.processes.locks import hold, silently

_log = logging.getLogger("graft.remote")
_TRIES = 5
_FASTER = ("[rejected]", "cannot lock ref", "failed to update ref", "incorrect old value")
"""What a remote says where another push was faster."""


def n_unpushed(root: Path, *paths: str) -> int:
    """Return how many commits that touch these paths the remote is not known to have; 0 where the branch has no upstream."""
    remote, _, known = _upstream(root)
    if not remote:
        return 0
    return int(git(root, "rev-list", "--count", f"{known}..HEAD" if known else "HEAD", "--", *paths))


def push_commits(root: Path) -> None:
    """Push the branch that is checked out, if it has an upstream that lacks a commit of it.

    Raises:
        StepError: the remote does not take it, or has changed the same lines. All is committed here.
        BusyError: others are faster again and again, or a file that came from there is being changed here.
    """
    if n_unpushed(root):
        _held(root, _push_or_replay)


def pull_commits(root: Path) -> None:
    """Put the commits of the branch that is checked out on top of those that came upstream, if it has an upstream.

    Raises:
        StepError: the remote does not answer, or has changed the same lines.
        BusyError: a file that came from there is being changed here.
    """
    if _upstream(root)[0]:
        _held(root, _fetch_and_replay)


def _held(root: Path, act: Callable[[Path], None]) -> None:
    refused, before = None, git(root, "rev-parse", "HEAD").strip()
    with hold(root / ".graft" / "locks" / "git", "the workspace's git", wait=silently), dvc_held(root):
        try:
            act(root)
        except GraftError as error:
            refused = error
    if refused:  # raised here: who was refused was not cut off
        raise refused
    for path in git(root, "diff", "--name-only", "--diff-filter=AM", before, "HEAD", "--", "data/*/dvc.lock").split():
        keep_lockfile(root, Path(path).parent.name)


def _push_or_replay(root: Path) -> None:
    remote, branch, _ = _upstream(root)
    for _ in range(_TRIES):
        if _push(root, remote, branch):
            _log.info("pushed to %s/%s", remote, branch)
            return
        _log.info("others were faster at %s/%s: on top of theirs", remote, branch)
        _fetch_and_replay(root)
    raise BusyError("Others push to this branch all the time.", where=f"{remote}/{branch}", do="the same command again")


def _fetch_and_replay(root: Path) -> None:
    remote, branch, _ = _upstream(root)
    _remotely(root, "fetch", "--quiet", remote, branch)
    upstream = git(root, "rev-parse", "FETCH_HEAD").strip()
    if git(root, "rev-list", "--count", f"HEAD..{upstream}").strip() != "0":
        _replay(root, upstream, f"{remote}/{branch}")


def _upstream(root: Path) -> tuple[str, str, str]:
    """Return remote and branch that the present branch is pushed to, and the commit that is known of it; each may be empty."""
    branch = _ask(root, "symbolic-ref", "--quiet", "--short", "HEAD")
    remote, merge = (_ask(root, "config", "--get", f"branch.{branch}.{key}") for key in ("remote", "merge"))
    if not branch or not merge or remote in ("", "."):
        return "", "", ""
    target = merge.removeprefix("refs/heads/")
    return remote, target, _ask(root, "rev-parse", "--verify", "--quiet", f"refs/remotes/{remote}/{target}")


def _ask(root: Path, *arguments: str) -> str:
    """Return what git answers, or an empty string where it has no answer."""
    try:
        return git(root, *arguments).strip()
    except StepError:
        return ""


def _push(root: Path, remote: str, branch: str) -> bool:
    """Push; return False where somebody else was faster."""
    try:
        _remotely(root, "push", "--porcelain", remote, f"HEAD:refs/heads/{branch}")
    except StepError as error:
        if error.code == "git-push-overtaken":
            return False
        raise
    return True


def _remotely(root: Path, command: str, *arguments: str) -> None:
    """Run a git command that asks a remote; nobody is there to be asked for a password."""
    variables = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    done = subprocess.run(
        ["git", command, *arguments],
        cwd=root,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        refusals = [line for line in lines if line.startswith(("!", "fatal:", "error:"))] or lines[-1:]
        do = "look at the remote (git remote -v) and at your rights to it, then the same command again"
        what, where = f"git {command} failed; all is committed here.", "; ".join(refusals)
        if any(sign in where for sign in _FASTER):
            raise StepError(what, where=where, do=do, code="git-push-overtaken")
        raise StepError(what, where=where, do=do, code="git-remote-failed")


def _replay(root: Path, upstream: str, name: str) -> None:
    """Put the branch's own commits on top of another commit, and take over the files that came with it."""
    branch = _ask(root, "symbolic-ref", "--short", "HEAD")
    who = [] if _ask(root, "config", "user.email") else ["-c", "user.name=graft", "-c", "user.email=graft@localhost"]
    tree = root / ".graft" / "replay"
    shutil.rmtree(tree, ignore_errors=True)  # of a process that was killed: the lock is ours
    git(root, "worktree", "prune")
    git(root, "worktree", "add", "--quiet", "--detach", str(tree), "HEAD")
    try:
        _rebase(tree, who, upstream, name)
        replayed = git(tree, "rev-parse", "HEAD").strip()
    finally:
        with suppress(StepError):
            git(root, "worktree", "remove", "--force", str(tree))
    try:
        git(root, "checkout", "--quiet", "-B", branch, replayed)
    except StepError as error:
        what = f"What came from {name} changes files that are being changed here; all is committed here."
        do = "the same command again once other runs of this workspace have ended"
        raise BusyError(what, where=error.where, do=do) from error


def _rebase(tree: Path, who: list[str], upstream: str, name: str) -> None:
    try:
        git(tree, *who, "rebase", "--quiet", upstream)
    except StepError as error:
        files = git(tree, "diff", "--name-only", "--diff-filter=U").split()
        if not files:
            raise
        what = f"{name} has other changes of what was made here; all is committed here, and nothing was pushed."
        do = f"git branch mine    keeps yours; git reset --hard {name}, graft fetch, and run again against what is in force"
        raise StepError(what, where=", ".join(sorted(files)), do=do) from error
