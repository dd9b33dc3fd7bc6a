"""A step whose code changed has a new number in ``VERSIONS``, or somebody has said that it writes the same bytes."""

from __future__ import annotations

import pytest

from graft_tasks.steps.context import VERSIONS
from tests.support.fingerprints import (
    ADVICE,
    COMMAND,
    NOT_COUNTED,
    ROOT,
    Code,
    Step,
    changed,
    digest_of,
    parse,
    read_modules,
    read_steps,
    recorded,
)

COMPUTE = (
    "from b import rate\nLIMIT = 3\n\ndef run(x):\n    return helper(x) + LIMIT\n\ndef helper(x):\n    return rate(x)\n"
)
OTHER = "def rate(x):\n    return x * 2\n\ndef unused(x):\n    return x\n"


def digest(a: str, b: str = OTHER, **modules: str) -> str:
    code = Code({name: parse(text) for name, text in {"a": a, "b": b, **modules}.items()})
    return digest_of(code.reached("a.run"))


@pytest.fixture(scope="module")
def code() -> Code:
    return Code(read_modules(ROOT))


def test_every_step_is_as_recorded(code: Code) -> None:
    """No step has other code under the number that it had; numbers that were raised are recorded."""
    steps, (then, definitions) = read_steps(code), recorded()
    sentences = changed(steps, VERSIONS, then, definitions)
    assert list(sentences.values()) == [], ADVICE
    raised = [step for step in VERSIONS if step not in then or then[step].version != VERSIONS[step]]
    assert raised == [], f"their number is new: {COMMAND} records it"


def test_each_step_reaches_its_own_code_and_not_that_of_others(code: Code) -> None:
    """Every step reaches what it computes with, through imports in functions and names that modules pass on."""
    steps = read_steps(code)
    for step, reached in steps.items():
        assert (f"graft_tasks.steps.{step}", "run") in reached
        assert ("graft.records.files", "canonical_json") in reached
    assert {"graft.model.train", "graft.model.lora"} <= {module for module, _ in steps["finetune"]}
    assert not any(module.startswith("graft.model") for module, _ in steps["ingest"])
    assert not any(module == "graft_tasks.workspace" for one in steps.values() for module, _ in one)


def test_what_is_not_counted_is_there(code: Code) -> None:
    """Each name that is left out is one of a module, package or definition: a renamed one would be counted silently."""
    for name in NOT_COUNTED:
        module, _, inside = name.rpartition(".")
        assert any(f"{one}.".startswith(f"{name}.") for one in code.modules) or (
            inside in code.modules[module].definitions
        )


@pytest.mark.parametrize(
    "text",
    [
        COMPUTE.replace("LIMIT = 3", "LIMIT = 4"),
        COMPUTE.replace("helper(x) + LIMIT", "helper(x) - LIMIT"),
        COMPUTE.replace("return rate(x)", "return rate(x, 1)"),
        COMPUTE.replace("return rate(x)", "return rate(x, '1')"),
        COMPUTE + "\nimport warnings\nwarnings.simplefilter('error')\n",
    ],
    ids=["a constant", "an operation", "a call of a helper", "a text", "a statement of the module"],
)
def test_what_counts(text: str) -> None:
    """A change of what ``run`` reaches gives another digest."""
    assert digest(text) != digest(COMPUTE)


@pytest.mark.parametrize(
    ("a", "b", "more"),
    [
        (COMPUTE, OTHER.replace("return x\n", "return x + 1\n"), {}),
        ('"""Says more."""\n# why\n' + COMPUTE.replace("def run(x):", 'def run(x):\n    """Runs."""'), OTHER, {}),
        (COMPUTE.replace("helper(x) + LIMIT", "(\n        helper( x ) + LIMIT\n    )"), OTHER, {}),
        (COMPUTE.replace("def run(x):", "def run(x: int) -> int:"), OTHER, {}),
        (COMPUTE.replace("from b import rate\n", "").replace("    return rate", "    from b import rate\n    return rate"),
         OTHER, {}),
        (COMPUTE.replace("from b import", "from renamed import"), "", {"renamed": OTHER}),
        (COMPUTE.replace("from b import rate", "import b").replace("rate(x)", "b.rate(x)"), OTHER, {}),
        (COMPUTE.replace("from b", "from shown"), OTHER, {"shown": "from b import rate\n__all__ = ['rate']\n"}),
    ],
    ids=["unused code", "docstrings and comments", "layout", "annotations", "an import in a function", "a module's name",
         "a name through its module", "a name through another module"],
)  # fmt: skip
def test_what_does_not_count(a: str, b: str, more: dict[str, str]) -> None:
    """What changes no bytes, and what no step reaches, gives the same digest."""
    assert digest(a, b, **more) == digest(COMPUTE)


def test_words_of_errors_do_not_count_and_their_types_do() -> None:
    """An error's sentence may be made better without a question."""
    first = "def run(x):\n    if x:\n        raise ValueError('no')\n"
    assert digest(first) == digest(first.replace("'no'", "f'{x} is wrong'"))
    assert digest(first) != digest(first.replace("ValueError", "TypeError"))


def test_a_type_leads_to_its_methods() -> None:
    """A method that is called on an argument counts, because the argument's type is named."""
    first = "from b import Model\n\ndef run(model: Model):\n    return model.score()\n"
    model = "class Model:\n    def score(self):\n        return 1\n"
    assert digest(first, model) != digest(first, model.replace("return 1", "return 2"))


def test_a_modality_counts_member_by_member() -> None:
    """Of a modality, which every step finds in a table, a step's code is what it asks of it."""

    def found(text: str) -> str:
        module = parse(text)
        module.split_classes()
        run = parse("from graft.modality.m import TABLE\n\ndef run(x):\n    return TABLE[x].sketch(x)\n")
        return digest_of(Code({"a": run, "graft.modality.m": module}).reached("a.run"))

    first = "class Text:\n    side = 3\n    def sketch(self, x):\n        return x\n    def show(self, x):\n        return x\n"
    first += "TABLE = {'text': Text()}\n"
    assert found(first) == found(
        first.replace("def show(self, x):\n        return x", "def show(self, x):\n        return 1")
    )
    assert found(first) == found(first.replace("side = 3", "side = 4"))
    assert found(first) != found(
        first.replace("def sketch(self, x):\n        return x", "def sketch(self, x):\n        return 1")
    )
    assert found(first) != found(first.replace("return x\n    def show", "return self.side\n    def show"))


def test_the_question_names_step_and_code() -> None:
    """A changed step is asked about under its old number, by the names of what changed; with a new number it is not."""
    old, new = (
        Code({"a": parse(text), "b": parse(OTHER)}).reached("a.run") for text in (COMPUTE, COMPUTE + "LIMIT = 9")
    )
    then = {"embed": Step(4, digest_of(old))}
    definitions = {".".join(place): one for place, one in old.items()}
    assert changed({"embed": old}, {"embed": 4}, then, definitions) == {}
    assert changed({"embed": new}, {"embed": 5}, then, definitions) == {}
    (sentence,) = changed({"embed": new}, {"embed": 4}, then, definitions).values()
    assert sentence == "embed is version 4 as before, and its code is another: a.LIMIT"
