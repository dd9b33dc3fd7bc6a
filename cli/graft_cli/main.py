"""The command line. Heavy imports stand inside the commands, so that ``graft --help`` answers at once."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from graft import __version__
from graft.errors import GraftError, InputError, StepError
from graft_cli import BEGAN, cli_back, cli_card, cli_curve, cli_data, cli_keep, cli_service
from graft_cli.cli_data import AsJson, Name, here, print_json
from graft_tasks.processes.environment import QUIET

app = typer.Typer(
    name="graft",
    help="Retrains fine-tuned models on a schedule and can prove where each of them came from.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Reason = Annotated[str, typer.Option(help="why; it is signed into the ledger")]

_STOPPED = 130
_REFUSED = {
    errno.ENOSPC: ("The disk is full.", "make room, then the same command again"),
    errno.EDQUOT: ("The disk quota is used up.", "make room, then the same command again"),
    errno.EROFS: ("The disk may only be read.", "mount it for writing, or work elsewhere"),
    errno.EACCES: ("A file or folder may not be used.", "look at its permissions: ls -ld"),
    errno.EPERM: ("A file or folder may not be used.", "look at its permissions: ls -ld"),
    errno.EIO: ("The disk cannot be read.", "copy the file again; look after the disk"),
    errno.ELOOP: ("A link leads to itself.", "take it away, or put the file itself there"),
    errno.EISDIR: ("A folder lies where a file belongs.", "take it away"),
    errno.ENOTDIR: ("A file lies where a folder belongs.", "take it away"),
    errno.ENAMETOOLONG: ("A file's name is too long.", "give a shorter path"),
}
"""What the operating system refuses for reasons that a person can mend, and how."""


def main() -> None:
    """Run a command: errors that a user can meet become one sentence, never a traceback."""
    _quiet()
    try:
        app()
    except GraftError as error:
        sys.exit(_refuse(error))
    except OSError as error:
        sys.exit(_refuse(_from_disk(error)))
    except SystemExit as ended:
        if ended.code == _STOPPED:  # what typer makes of Ctrl-C
            print("\nstopped; the same command goes on from here", file=sys.stderr)  # noqa: T201
        raise


def _refuse(error: GraftError) -> int:
    """Say what went wrong, in JSON on standard output where that was asked for, else to a person; return the exit code."""
    if "--json" in sys.argv[1:]:
        print_json({"error": {"what": error.what, "where": error.where, "do": error.do}})
    else:
        print(error, file=sys.stderr)  # noqa: T201 - the error is the output
    return error.exit_code


def _from_disk(error: OSError) -> StepError:
    """Return what the operating system refused, in a sentence; what it refuses for no such reason is raised again."""
    if error.errno not in _REFUSED:
        raise error
    what, do = _REFUSED[error.errno]
    return StepError(what, where=str(error.filename or os.strerror(error.errno)), do=do)


def _quiet() -> None:
    """Turn telemetry off, keep Prefect's own log off the terminal (its server still gets it), and have idle threads sleep."""
    defaults = {
        **QUIET,
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "OMP_WAIT_POLICY": "PASSIVE",  # else a thread that waits for another burns its core
    }
    for key, value in defaults.items():
        os.environ.setdefault(key, value)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"graft {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--dir", help="scratch workspace")] = Path("~/graft-demo"),
) -> None:
    """Show the whole cycle on the bundled support messages."""
    from graft_cli.demo import run_demo

    run_demo(folder.expanduser())


@app.command()
def init(folder: Annotated[Path, typer.Argument(metavar="DIR", help="new folder, or a clone of a workspace")]) -> None:
    """Make a workspace, or add to a clone what git does not carry."""
    from graft_cli.terminal import console, next_lines
    from graft_tasks.commands.init import init as make

    workspace, added = make(folder)
    out = console()
    out.print(f"Workspace {workspace.root}")
    for name in added:
        out.print(f"  added  {name}")
    if not added:
        out.print("  nothing to add")
    lines = next_lines((f"cd {folder}", ""), ("graft new NAME --data FILE", "a recipe for your rows"))
    for line in lines:
        out.print(line)


for command in (
    cli_data.profile,
    cli_data.new,
    cli_data.add,
    cli_data.validate,
    cli_back.undo,
    cli_back.remove,
    cli_keep.fetch,
    cli_keep.gc,
    cli_card.card,
    cli_curve.curve,
    cli_service.deploy,
    cli_service.move_ledger,
):
    app.command()(command)
app.command("look", hidden=True)(cli_data.profile)  # its name before 0.2


@app.command()
def run(
    recipe: Name,
    as_json: AsJson = False,
    strict: Annotated[bool, typer.Option("--strict", help="exit 4 unless promoted")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="wait while another process runs this recipe")] = False,
) -> None:
    """Pin, validate, embed, fine-tune, compare, decide and promote, once."""
    from graft_cli.run import run_recipe
    from graft_tasks.processes.child_process import stopping_on_sigterm

    with stopping_on_sigterm():
        facts = run_recipe(here(), recipe, show=not as_json, wait=wait)
    if as_json:
        print_json(facts)
    if strict and facts["verdict"] != "promote":
        raise typer.Exit(4)


@app.command()
def status(
    recipe: Annotated[str | None, typer.Argument(metavar="[RECIPE]", help="one recipe; without: all")] = None,
    as_json: AsJson = False,
) -> None:
    """Show champion, last verdict and open alarms."""
    from graft_cli.status import show_status
    from graft_tasks.commands.status import statuses

    workspace = here()
    if recipe:
        workspace.recipe(recipe)
    found = statuses(workspace, [recipe] if recipe else workspace.recipes())
    if as_json:
        print_json({"workspace": str(workspace.root), "recipes": [one.plain() for one in found]})
    else:
        show_status(workspace, found, detailed=recipe is not None)


@app.command()
def monitor(
    recipe: Name,
    batch: Annotated[Path, typer.Argument(metavar="BATCH", help="one production batch")],
    as_json: AsJson = False,
    strict: Annotated[bool, typer.Option("--strict", help="exit 4 unless the batch passed")] = False,
) -> None:
    """Look at one production batch: may it be used, and has the domain shifted?"""
    from graft_cli.monitor import monitor_batch

    record = monitor_batch(here(), recipe, batch, show=not as_json)
    if as_json:
        print_json(record.model_dump(mode="json"))
    if strict and record.outcome != "passed":
        raise typer.Exit(4)


@app.command()
def audit(
    recipe: Name,
    at: Annotated[
        str | None, typer.Option(help="UTC time such as 2026-09-01 or 2026-09-01T06:00:00Z: who was champion then")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Verify every digest and signature from the champion to its base and raw data. Exit 1 if the chain is broken."""
    from graft_cli.audit import audit_chain

    result = audit_chain(here(), recipe, at=at, show=not as_json, began=BEGAN)
    if as_json:
        print_json(result.model_dump(mode="json"))
    if result.verdict == "broken":
        raise typer.Exit(1)


@app.command()
def promote(recipe: Name, reason: Reason, as_json: AsJson = False) -> None:
    """Make the last run's model champion, against its verdict if need be; signed by you."""
    from graft_cli.champion import change
    from graft_tasks.registry.promote import promote_by_hand

    workspace = here()
    change(workspace, recipe, lambda: promote_by_hand(workspace, recipe, _said(reason)), as_json=as_json)


@app.command()
def rollback(
    recipe: Name,
    reason: Reason,
    to: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", help="the champion to go back to; without: the last that still counts"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an earlier model champion again, past every one that was rolled back itself."""
    from graft_cli.champion import change
    from graft_tasks.registry.promote import roll_back

    workspace = here()
    change(workspace, recipe, lambda: roll_back(workspace, recipe, _said(reason), to=to), as_json=as_json)


@app.command(hidden=True)
def step(
    step: Annotated[str, typer.Argument(help="ingest, validate, embed, ...")],
    recipe: Name,
) -> None:
    """Run one step of a pinned run in this process: what the stages of dvc.yaml call."""
    from graft_tasks.processes.child_process import STARTED_BY, end_with, stopping_on_sigterm
    from graft_tasks.steps.context import run_step

    end_with(int(os.environ.get(STARTED_BY, os.getppid())))
    try:
        with stopping_on_sigterm():
            record = run_step(here(), step, recipe)
    except GraftError as error:
        print(f"{error}\n  kind   {type(error).__name__}", file=sys.stderr)  # noqa: T201 - read by the flow
        raise typer.Exit(error.exit_code) from error
    except OSError as error:
        print(f"{_from_disk(error)}\n  kind   StepError", file=sys.stderr)  # noqa: T201 - read by the flow
        raise typer.Exit(StepError.exit_code) from error
    typer.echo(f"{record.step}: {record.because or record.summary}")
    if "DVC_STAGE" in os.environ:
        # The work is on the disk. Threads of native libraries still run: one aborted an interpreter that ended around it.
        sys.stdout.flush()
        os._exit(0)


def _said(reason: str) -> str:
    if not reason.strip():
        raise InputError("A change of champion needs a reason.", do='--reason "what speaks for it"')
    return reason.strip()
