"""The chain of a model: each base that a run names, not the champion that it was compared with."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from graft.errors import TamperError
from graft.ledger import Keyring, Promotion, PromotionPredicate, Run, RunPredicate, Signer, make_key
from graft.model.bases import WEIGHTS
from graft.recipe import parse_recipe
from graft.recipe.text import recipe_text
from graft.records import Base, Dataset, FileDigest, Inputs, canonical_json, sha256_bytes
from graft.refs import FolderRef, PackageRef, PromotedRef
from graft_tasks.registry.lineage import (
    best_so_far,
    chain,
    forced,
    goes_back_to,
    n_compared,
    needed_promotions,
    ref_of,
    rolled_back,
)  # fmt: skip
from graft_tasks.registry.models import promotion_of
from tests.support.memory_ledger import MemoryObjects, memory_ledger

A = "a" * 64
STEPS = {"decide": 1}


@dataclass
class LineageLedger:
    """A ledger to which models are added; ``old`` writes entries as 0.1.0 did, which do not say which parent the base is."""

    signer: Signer
    keyring: Keyring
    old: bool = False
    day: int = 0
    models: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ledger = memory_ledger(self.keyring)

    def weights(self, recipe: str, number: str) -> str:
        return sha256_bytes(f"{recipe} {number}".encode())

    def promote(
        self, recipe: str, base: str = "pretrained", revision: str = "", *, overrides: bool = False,
        verdicts: tuple[str, str | None] | None = None,
    ) -> Promotion:  # fmt: skip
        """Add a run compared with the recipe's champion, on a base at a revision, and make its model champion.

        Args:
            verdicts: on the candidate against the champion, and against the best so far; None: of a version that had no best.
        """
        self.day += 1
        promotions = self.ledger.promotions(recipe)
        number = f"{len(promotions) + 1:04d}"
        weights = self.weights(base[6:].split("@", maxsplit=1)[0], revision) if revision else A
        pinned = Base(id=base, revision=revision, sha256=weights, folder_sha256=A, n_parameters=1, licence="mit")
        inputs = Inputs(recipe=recipe, recipe_sha256=A, dataset=Dataset(name=recipe, sha256=A, files=()), bases=(pinned,),
                        champion=None, rolled_back=(), looks={str(self.day): ""}, steps=STEPS)  # fmt: skip
        parents = [promotions[-1].entry] if promotions else []
        base_entry = None
        if revision:
            base_entry = self.ledger.promotions(base[6:].split("@", maxsplit=1)[0])[int(revision) - 1].entry
            parents.append(base_entry)
        model_id = sha256_bytes(f"model {recipe} {number}".encode())
        champion, best = verdicts or ("first", None)
        evaluated = {"champion": champion} | ({"best": best} if verdicts else {})
        evaluation = self.ledger.add_blob(json.dumps(evaluated).encode())
        run = self.ledger.add_run(
            RunPredicate(
                recipe=recipe, recipe_sha256=A, inputs_sha256=self.ledger.add_blob(canonical_json(inputs)), dataset_sha256=A,
                base_id=base, base_sha256=weights, records={"decide": A, "evaluate": evaluation},
                verdict="hold" if overrides else "promote",
                headline="h", model_id=model_id,
                model_files=(FileDigest(path=WEIGHTS, sha256=self.weights(recipe, number), size=1),), parents=tuple(parents),
                base_entry=None if self.old else base_entry, previous=(), graft_version="0", finished_at=self.at(), costs={},
            ),
            self.signer,
        )  # fmt: skip
        return self.ledger.add_promotion(
            PromotionPredicate(
                recipe=recipe, number=number, action="promote", model_id=model_id, model_number=number,
                folder_md5=f"{'a' * 32}.dir", signature_sha256=A, run=run.entry,
                parent=promotions[-1].entry if promotions else None, reason="r", by="Ada", at=self.at(), overrides=overrides,
            ),
            self.signer,
        )  # fmt: skip

    def roll_back(self, recipe: str, number: int) -> Promotion:
        self.day += 1
        promotions = self.ledger.promotions(recipe)
        update = {"number": f"{len(promotions) + 1:04d}", "action": "rollback", "parent": promotions[-1].entry,
                  "overrides": False, "at": self.at()}  # fmt: skip
        return self.ledger.add_promotion(promotions[number - 1].predicate.model_copy(update=update), self.signer)

    def last(self, recipe: str) -> Promotion:
        return self.ledger.promotions(recipe)[-1]

    def at(self) -> str:
        return f"2026-11-{self.day:02}T10:00:00Z"

    def chain(self, promotion: Promotion) -> list[str]:
        """Return the models of a promotion's chain, itself first; each link's run made its model."""
        links = list(chain(self.ledger, ref_of(promotion)))
        assert [link.promotion for link in links[1:]] == [link.parent for link in links[:-1]]
        assert links[-1].parent is None
        named = [link.promotion.predicate for link in links]
        assert [link.run.predicate.model_id for link in links] == [one.model_id for one in named]
        return [f"{one.recipe} {one.model_number}" for one in named]


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Signer, Keyring]:
    folder: Path = tmp_path_factory.mktemp("key")
    make_key(folder / "key.pem", folder / "trusted")
    return Signer(folder / "key.pem"), Keyring(folder / "trusted")


@pytest.fixture(params=[False, True], ids=["now", "as 0.1.0 wrote"])
def lineage(request: pytest.FixtureRequest, key: tuple[Signer, Keyring]) -> LineageLedger:
    return LineageLedger(*key, old=request.param)


def self_base(lineage: LineageLedger) -> tuple[Promotion, list[str]]:
    """A recipe whose base is its own first champion, compared with its second."""
    lineage.promote("support")
    lineage.promote("support")
    return lineage.promote("support", "graft:support@0001", "0001"), ["support 0001"]


def own_champion(lineage: LineageLedger) -> tuple[Promotion, list[str]]:
    """A recipe that goes on from its own champion, again and again: base and champion are one promotion."""
    lineage.promote("support")
    lineage.promote("support", "graft:support@champion", "0001")
    return lineage.promote("support", "graft:support@champion", "0002"), ["support 0002", "support 0001"]


def older_number(lineage: LineageLedger) -> tuple[Promotion, list[str]]:
    """A base of another recipe that is not its newest."""
    for _ in range(3):
        lineage.promote("support")
    return lineage.promote("mail", "graft:support@0002", "0002"), ["support 0002"]


def other_recipe(lineage: LineageLedger) -> tuple[Promotion, list[str]]:
    """A recipe with champions of its own, on another recipe's champion."""
    lineage.promote("support")
    lineage.promote("support")
    lineage.promote("mail")
    return lineage.promote("mail", "graft:support@champion", "0002"), ["support 0002"]


def rolled_back_base(lineage: LineageLedger) -> tuple[Promotion, list[str]]:
    """A base that was champion again by a rollback, and one that was rolled back after somebody had grown from it."""
    lineage.promote("support")
    lineage.promote("support")
    lineage.roll_back("support", 1)
    lineage.promote("mail", "graft:support@champion", "0001")
    return lineage.promote("mail", "graft:support@0002", "0002"), ["support 0002"]


def three_hops(lineage: LineageLedger) -> tuple[Promotion, list[str]]:
    """Three recipes, each on the one before, each with an older and a newer champion beside the one that counts."""
    for _ in range(3):
        lineage.promote("one")
    lineage.promote("two")
    lineage.promote("two", "graft:one@0002", "0002")
    lineage.promote("two")
    lineage.promote("three")
    return lineage.promote("three", "graft:two@0002", "0002"), ["two 0002", "one 0002"]


CASES = [self_base, own_champion, older_number, other_recipe, rolled_back_base, three_hops]


@pytest.mark.parametrize("case", CASES)
def test_the_base_is_told_from_the_champion(
    lineage: LineageLedger, case: Callable[[LineageLedger], tuple[Promotion, list[str]]]
) -> None:
    """The chain goes through the bases, whichever champion the run was compared with, and whoever wrote the entry."""
    promotion, grew_from = case(lineage)
    itself = f"{promotion.predicate.recipe} {promotion.predicate.model_number}"
    assert lineage.chain(promotion) == [itself, *grew_from]


def test_what_a_recipe_stands_on_follows_the_bases(lineage: LineageLedger) -> None:
    """Champion and rollback with their chains: what is fetched, kept by gc and asked what it forgot."""
    self_base(lineage)
    recipe = parse_recipe("support", recipe_text("support", {
        "data.dataset": "d", "data.train": "r.csv", "data.text": "t", "data.label": "l",
        "choose_base.bases": ["graft:support@0002", "elsewhere"]}))  # fmt: skip
    found = [(why, one.predicate.model_number) for why, one in needed_promotions(lineage.ledger, recipe)]
    assert found == [("champion", "0003"), ("chain", "0001"), ("rollback", "0002"), ("base", "0002")]
    assert promotion_of(lineage.ledger, PromotedRef("support", "0009")) is None
    assert promotion_of(lineage.ledger, PromotedRef("elsewhere")) is None


def test_a_base_that_cannot_be_right_is_refused(key: tuple[Signer, Keyring]) -> None:
    """A base that the ledger lacks, that is none of the run's parents, or whose weights are others breaks the chain."""
    for change, words in (
        ({"base_entry": A}, "not in the ledger"),
        ({"base_sha256": A}, "other weights"),
        ({"parents": ()}, "not in the ledger"),
        ({"base_entry": None, "inputs_sha256": None}, "not in the ledger"),
    ):
        lineage = LineageLedger(*key)
        lineage.promote("support")
        grown = lineage.promote("mail", "graft:support@champion", "0001").predicate
        said = lineage.ledger.run("mail", grown.run).predicate
        pinned = Inputs.model_validate_json(lineage.ledger.blob(said.inputs_sha256))
        baseless = lineage.ledger.add_blob(canonical_json(pinned.model_copy(update={"bases": ()})))
        update = change | ({"inputs_sha256": baseless} if "inputs_sha256" in change else {})
        run = lineage.ledger.add_run(said.model_copy(update=update), lineage.signer)
        update = {"run": run.entry, "number": "0002", "model_number": "0002", "parent": lineage.last("mail").entry}
        forged = lineage.ledger.add_promotion(grown.model_copy(update=update), lineage.signer)
        with pytest.raises(TamperError, match=words):
            lineage.chain(forged)


def test_the_links_before_a_broken_one_are_given(key: tuple[Signer, Keyring]) -> None:
    """Whoever goes along a chain has seen what is whole of it when a run at its end is gone."""
    lineage = LineageLedger(*key)
    promotion, _ = three_hops(lineage)
    first = lineage.ledger.promotions("one")[1].predicate
    assert isinstance(lineage.ledger.objects, MemoryObjects)
    del lineage.ledger.objects.files[f"runs/one/{first.run}.json"]
    links = chain(lineage.ledger, ref_of(promotion))
    assert next(links).promotion == promotion
    with pytest.raises(TamperError, match="missing"):
        list(links)


def test_a_chain_that_comes_back_ends(key: tuple[Signer, Keyring], monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries name their parents by digest, so no ledger holds a cycle; where one is read all the same, it is an error."""
    lineage = LineageLedger(*key)
    lineage.promote("one")
    lineage.promote("two", "graft:one@champion", "0001")
    first, second = lineage.last("one"), lineage.last("two")
    runs = {one.entry: lineage.ledger.run_of(one) for one in (first, second)}
    says = {"base_id": "graft:two@champion", "base_entry": second.entry, "parents": (second.entry,),
            "base_sha256": lineage.weights("two", "0001")}  # fmt: skip
    round_about = Run("", "", runs[first.entry].predicate.model_copy(update=says))
    monkeypatch.setattr(lineage.ledger, "run_of", lambda one: round_about if one == first else runs[one.entry])
    with pytest.raises(TamperError, match="grew from itself"):
        list(chain(lineage.ledger, PromotedRef("two")))


def test_what_was_not_promoted_has_no_links(key: tuple[Signer, Keyring]) -> None:
    """A package, a folder, and a champion that is not there yet."""
    lineage = LineageLedger(*key)
    for ref in (PackageRef("minilm"), FolderRef("base"), PromotedRef("support"), PromotedRef("support", "0001")):
        assert list(chain(lineage.ledger, ref)) == []


def test_which_model_a_rollback_goes_to(key: tuple[Signer, Keyring]) -> None:
    """The last one before the champion's that was not rolled back itself: none twice, none later, however often."""
    lineage = LineageLedger(*key)
    assert goes_back_to([]) is None
    models = {}
    for number in range(1, 5):
        models[f"{number:04d}"] = lineage.promote("a").predicate.model_id

    def next_one() -> str:
        found = goes_back_to(lineage.ledger.promotions("a"))
        return found.predicate.model_number if found else ""

    def out() -> set[str]:
        return {number for number, model in models.items() if model in rolled_back(lineage.ledger.promotions("a"))}

    assert (next_one(), out()) == ("0003", set())
    lineage.roll_back("a", 3)
    assert (next_one(), out()) == ("0002", {"0004"})
    lineage.roll_back("a", 2)
    assert (next_one(), out()) == ("0001", {"0003", "0004"})
    models["0007"] = lineage.promote("a").predicate.model_id
    assert next_one() == "0002", "past those that were rolled back, to the one that was in force before"
    lineage.roll_back("a", 2)
    assert (next_one(), out()) == ("0001", {"0003", "0004", "0007"})
    lineage.roll_back("a", 1)
    assert next_one() == ""
    lineage.roll_back("a", 4)
    assert (next_one(), out()) == ("", {"0001", "0002", "0003", "0007"}), (
        "a rolled-back model that is taken again counts again"
    )


def test_who_forced_a_model(key: tuple[Signer, Keyring]) -> None:
    """A model promoted against its verdict stays one, also where a rollback brings it back."""
    lineage = LineageLedger(*key)
    lineage.promote("a", overrides=True)
    lineage.promote("a")
    back = lineage.roll_back("a", 1)
    promotions = lineage.ledger.promotions("a")
    assert forced(promotions, back, "hold") == "against the verdict hold, by Ada: r"
    assert forced(promotions, promotions[1], "promote") == ""


def test_which_champion_is_the_best_so_far(key: tuple[Signer, Keyring]) -> None:
    """The last one that was better than the best before it, or that a person took; no model that was gone back past."""
    lineage = LineageLedger(*key)

    def then(promotion: Promotion) -> tuple[str, int]:
        promotions = lineage.ledger.promotions("a")
        assert promotions[-1] == promotion
        found = best_so_far(lineage.ledger, promotions)
        assert found is not None
        return found.predicate.number, n_compared(lineage.ledger, promotions, found)

    assert best_so_far(lineage.ledger, []) is None
    assert then(lineage.promote("a", verdicts=("first", None))) == ("0001", 0)
    assert then(lineage.promote("a", verdicts=("non_inferior", None))) == ("0001", 0)
    assert then(lineage.promote("a", verdicts=("superior", "non_inferior"))) == ("0001", 1), (
        "better than the last alone"
    )
    assert then(lineage.promote("a", verdicts=("non_inferior", "superior"))) == ("0004", 0)
    assert then(lineage.promote("a", verdicts=("superior", None))) == ("0005", 0), "the champion was the best"
    assert then(lineage.promote("a", verdicts=("inferior", None), overrides=True)) == ("0006", 0)
    assert then(lineage.roll_back("a", 2))[0] == "0001", "four models were gone back past"
    assert then(lineage.promote("a", verdicts=("non_inferior", "non_inferior")))[0] == "0001"
    assert then(lineage.promote("a")) == ("0009", 0), "of a version that compared with no best"


def test_the_best_champion_is_kept_where_another_is_in_force(key: tuple[Signer, Keyring]) -> None:
    """Its folder is needed for the next comparison: garbage collection leaves it, fetch brings it."""
    lineage = LineageLedger(*key)
    recipe = parse_recipe(
        "a", recipe_text("a", {"data.dataset": "a", "data.train": "t.csv", "data.text": "t", "data.label": "l"})
    )
    for verdicts in (("first", None), ("non_inferior", None), ("non_inferior", "non_inferior")):
        lineage.promote("a", verdicts=verdicts)
    found = {why: one.predicate.number for why, one in needed_promotions(lineage.ledger, recipe)}
    assert found == {"champion": "0003", "best": "0001", "rollback": "0002"}
