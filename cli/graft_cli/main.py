"""The command line: puts the commands together and turns errors into exit codes.

Each command is a module of ``graft_cli.commands``. What is slow to import is imported inside them, so that ``graft --help``
answers at once.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from graft import __version__
from graft.errors import GraftError
from graft_cli.commands import (
    add,
    audit,
    card,
    curve,
    demo,
    deploy,
    fetch,
    gc,
    init,
    monitor,
    move_ledger,
    new,
    profile,
    promote,
    remove,
    rollback,
    run,
    status,
    step,
    undo,
    validate,
)
from graft_cli.kit import Verbose, print_error
from graft_tasks.processes.disk import from_disk
from graft_tasks.processes.environment import QUIET
from graft_tasks.processes.logs import configure

app = typer.Typer(
    name="graft",
    help="Retrains fine-tuned models on a schedule and can prove where each of them came from.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    demo.demo,
    init.init,
    profile.profile,
    new.new,
    add.add,
    validate.validate,
    undo.undo,
    remove.remove,
    fetch.fetch,
    gc.gc,
    card.card,
    curve.curve,
    deploy.deploy,
    move_ledger.move_ledger,
    run.run,
    status.status,
    monitor.monitor,
    audit.audit,
    promote.promote,
    rollback.rollback,
):
    app.command()(command)
app.command("look", hidden=True)(profile.profile)  # its name before 0.2
app.command(hidden=True)(step.step)

_STOPPED = 130


def main() -> None:
    """Run a command: errors that a user can meet become one sentence, never a traceback."""
    _quiet()
    try:
        configure()
        app()
    except GraftError as error:
        sys.exit(_refuse(error))
    except OSError as error:
        refused = from_disk(error)
        if refused is None:
            raise
        sys.exit(_refuse(refused))
    except SystemExit as ended:
        if ended.code == _STOPPED:  # what typer makes of Ctrl-C
            print("\nstopped; the same command goes on from here", file=sys.stderr)  # noqa: T201
        raise


def _refuse(error: GraftError) -> int:
    """Print an error, as JSON on standard output where that was asked for, else as text; return the exit code."""
    if "--json" in sys.argv[1:]:
        print_error(error)
    else:
        print(error, file=sys.stderr)  # noqa: T201 - the error is the output
    return error.exit_code


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
    verbose: Verbose = False,
) -> None:
    pass
