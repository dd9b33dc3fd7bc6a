"""With ``--json`` each command prints one object, of the schema that ``docs/schemas`` has of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from graft.data import profile_data
from graft_cli.kit import to_json
from graft_cli.main import app
from graft_flows.deploy import CrashRule, Deployed, Deployment, Pool
from graft_tasks.dvc.repro import commit, dvc
from graft_tasks.workspace import Workspace
from tests.support.cli_runner import CommandLine
from tests.support.json_results import RESULTS, SCHEMAS, check, schema
from tests.support.registry_workspace import learnable_rows

KEYS = {
    "add": "dataset drift file holds is_new n_rows version",
    "audit": "broken_at forced headline history hops lines live_since number recipe verdict",
    "card": "base base_sha256 is_proxy modality n_rows path source",
    "curve": "cost record",
    "deploy": "crash_rule deployments pool server",
    "error": "error",
    "fetch": "recipes",
    "gc": "cache free_bytes freed left_over left_over_bytes n_bytes n_free n_objects needs",
    "monitor": "batch batch_sha256 champion checks comparisons findings inputs n_rows outcome passed recipe summary",
    "move-ledger": "n_copied n_files source target",
    "new": "look path recipe values",
    "profile": "advice class_counts columns n_columns n_rows name oddities refusal splits",
    "promote": "action at by entry folder_md5 model_id model_number number overrides parent reason recipe run",
    "remove": "champion dataset n_runs recipe",
    "rollback": "action at by entry folder_md5 model_id model_number number overrides parent reason recipe run",
    "run": "because champion checks deciding do headline model_id ran recipe report verdict",
    "status": "recipes workspace",
    "undo": "dataset file is_new takes_back version",
    "validate": "checks findings mended passed recipe",
}
"""Keys that scripts of users read: those of earlier versions, none of which may go."""


def test_the_schemas_are_those_of_the_results(request: pytest.FixtureRequest) -> None:
    """``docs/schemas`` has a file for each command that has ``--json``, and what stands there is what the types say."""
    command = typer.main.get_command(app)
    with_json = {
        name
        for name, one in command.commands.items()  # type: ignore[attr-defined]
        if not one.hidden and any("--json" in parameter.opts for parameter in one.params)
    }
    assert with_json | {"error"} == RESULTS.keys()
    if request.config.getoption("--update-goldens"):
        for name in RESULTS:
            (SCHEMAS / f"{name}.json").write_text(schema(name), encoding="utf-8")
    found = {path.stem: path.read_text(encoding="utf-8") for path in SCHEMAS.glob("*.json")}
    assert found == {name: schema(name) for name in RESULTS}, "run with --update-goldens and read the difference"


@pytest.mark.parametrize("command", RESULTS)
def test_no_key_has_gone(command: str) -> None:
    """Every key that a script may read is required by the schema, in each form that the result has."""
    facts = json.loads((SCHEMAS / f"{command}.json").read_text(encoding="utf-8"))
    forms = [facts["$defs"][one["$ref"].rpartition("/")[2]] for one in facts.get("anyOf", ())] or [facts]
    for form in forms:
        assert set(KEYS[command].split()) <= set(form["required"])


def test_a_deployment_fits_its_schema() -> None:
    """What ``graft deploy`` prints needs a server to be made; its form does not."""
    deployment = Deployment("retrain/a", is_new=True, schedules=("0 5 * * 1 UTC",))
    deployed = Deployed("http://x/api", Pool("graft", True), CrashRule("rule", False, 90), (deployment,))
    assert check("deploy", json.dumps(to_json(deployed)))["deployments"][0]["schedules"] == ["0 5 * * 1 UTC"]


@pytest.mark.slow
def test_what_commands_print_fits_their_schemas(
    promoted: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command in a workspace with a champion, one after the other; standard error stays empty."""
    cli = CommandLine(promoted.root, capsys)
    (tmp_path / "week.csv").write_bytes(learnable_rows(60, 3))
    (tmp_path / "trial.csv").write_bytes(learnable_rows(40, 4))
    dvc(promoted.root, "remote", "add", "--default", "store", str(tmp_path / "remote"))
    commit(promoted.root, "a remote", [".dvc/config"])
    dvc(promoted.root, "push")
    base = next(iter(promoted.recipe("known").load()[0].choose_base.bases))
    known = promoted.dataset("known") / "rows.csv"
    new = ("--data", tmp_path / "trial.csv", "--text", "text", "--label", "label", "--base", base)

    def printed(command: str, *arguments: str | Path) -> dict[str, object]:
        said = cli.run(command, *arguments, "--json")
        assert (said.exit_code, said.err) == (0, ""), said.err
        return dict(check(command, said.out))

    assert printed("profile", known) == to_json(profile_data(known))
    assert printed("run", "known")["ran"] is False
    assert printed("status")["workspace"] == str(promoted.root)
    printed("audit", "known")
    printed("monitor", "known", tmp_path / "week.csv")
    printed("fetch", "known")
    printed("gc")
    printed("card", base, "--from", known)
    printed("curve", "known", "--arms", "frozen_probe:2,scratch:2", "--draws", "2")
    assert printed("new", "trial", *new)["recipe"] == "trial"
    added = printed("add", "trial", tmp_path / "week.csv")
    assert printed("validate", "trial")["mended"] is None
    assert printed("validate", "trial", "--fix")["mended"] is not None
    assert printed("undo", "trial", str(added["file"]))["takes_back"] == added["file"]
    assert printed("remove", "trial")["champion"] == ""
    printed("move-ledger", tmp_path / "ledger")
    assert check("error", cli.run("run", "nothing", "--json").out)["error"]["code"] == "recipe-unknown"
