"""What a finished run shows of its verdict, on the terminal and on the page, when a person has gone against it."""

from __future__ import annotations

import pytest

from graft.records import DecisionRecord, EvaluationRecord, load_record
from graft_cli.commands.run import show_result
from graft_cli.kit import to_json
from graft_tasks.commands.render import render_run
from graft_tasks.commands.run import run_result
from graft_tasks.workspace import Workspace


@pytest.mark.slow
def test_a_held_run_says_what_to_do_and_a_forced_promotion_is_seen(
    promoted: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verdict, accuracy beside the best cheap rival and one step; the page names who promoted it all the same, and why."""
    monkeypatch.setattr(
        "graft_tasks.commands.render._drift_page", lambda *_: False
    )  # seconds of imports, and not looked at here
    decision = load_record(promoted.recipe("known").record("decide"), "decide")
    evaluation = load_record(promoted.recipe("known").record("evaluate"), "evaluate")
    assert isinstance(decision, DecisionRecord)
    assert isinstance(evaluation, EvaluationRecord)
    assert (decision.verdict, decision.do != "", decision.deciding != "") == ("hold", True, True)
    assert set(evaluation.macro_f1) >= {"candidate", "frozen_probe", "scratch"}
    assert evaluation.confusion is not None
    assert sum(map(sum, evaluation.confusion.rows)) == evaluation.n_test

    show_result(run_result(promoted.recipe("known"), began="2000"))
    shown = capsys.readouterr().out.split("\n")
    places = [next(k for k, line in enumerate(shown) if line.startswith(word)) for word in
              ("HOLD", "  accuracy", "  best rival", "  difference", "  do ")]  # fmt: skip
    assert places == sorted(places)
    assert "TF-IDF" in shown[places[2]]  # the strategy is head, so the probe is the candidate

    html = render_run(promoted.recipe("known")).read_text()
    assert "<b>Champion 0001 was promoted</b> against the verdict hold, by Ada: the first." in html


def test_programs_find_what_decided_by_id_and_every_measurement_in_a_row(promoted: Workspace) -> None:
    """The keys of earlier versions stay; ids, the command that helps and the long table stand beside them."""
    facts = to_json(run_result(promoted.recipe("known"), began="2000"))
    assert {"name", "step", "observed", "bound", "relation", "outcome", "policy", "note", "id", "measurement"} == set(
        facts["checks"][0]
    )
    (decided,) = (check for check in facts["checks"] if check["id"] == facts["deciding_id"])
    assert facts["deciding"] == decided["name"]
    assert facts["action"] in ("validate", "add", "run")
    rows = {row["check"]: row for row in facts["measurements"] if row["check"]}
    assert set(rows) == {check["id"] for check in facts["checks"]}
    assert (rows[decided["id"]]["value"], rows[decided["id"]]["outcome"]) == (
        decided["observed"]["value"],
        decided["outcome"],
    )
    assert {"recall", "macro_f1", "knn_accuracy"} <= {row["metric"] for row in facts["measurements"]}
