"""What a step takes: measured or estimated, priced or not, and said so in a few words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import graft_tasks.steps.cost
from graft.errors import InputError
from graft.records.cost import Cost, add_up, money
from graft_tasks.steps.cost import Counter, Meter, Rates, Source, gpus, processors, rates
from graft_tasks.workspace import Workspace

BURN = "import time\nwhile time.process_time() < 0.3: pass"


def workspace(folder: Path, cost: object) -> Workspace:
    """Return a workspace whose params.yaml has this below ``cost``."""
    (folder / "params.yaml").write_text(yaml.safe_dump({"recipes": {}, "cost": cost}))
    return Workspace(folder)


def socket(folder: Path, name: str, kind: str, microjoules: int, limit: int = 10**9) -> Path:
    """Write a counter as Linux shows it, and return the file that counts."""
    (folder / name).mkdir()
    (folder / name / "name").write_text(f"{kind}\n")
    (folder / name / "max_energy_range_uj").write_text(f"{limit}\n")
    (folder / name / "energy_uj").write_text(f"{microjoules}\n")
    return folder / name / "energy_uj"


def a_cost(**changed: object) -> Cost:
    known = {"started_at": "2026-11-20T06:00:00Z", "seconds": 60, "cpu_seconds": 90, "peak_memory_bytes": 5}
    return Cost.model_validate(known | changed)


def test_rates_are_optional(tmp_path: Path) -> None:
    """Without the key nothing has a price; with it, time has one."""
    assert rates(workspace(tmp_path, None)) == Rates()
    assert Rates().price(3600) is None
    assert rates(workspace(tmp_path, {"price_per_hour": 2, "currency": "EUR"})).price(1800) == 1.0


@pytest.mark.parametrize(
    ("cost", "said"),
    [({"price_per_hour": -1, "currency": "EUR"}, '"cost.price_per_hour"'),
     ({"price_per_hour": "2", "currency": "EUR"}, '"cost.price_per_hour"'),
     ({"price_per_hour": True, "currency": "EUR"}, '"cost.price_per_hour"'),
     ({"price_per_hour": float("nan"), "currency": "EUR"}, '"cost.price_per_hour"'),
     ({"price_per_hour": 2}, '"cost.currency"'), ({"currency": "\x1b[31m"}, '"cost.currency"'),
     ({"watts_per_core": 0}, '"cost.watts_per_core"'), ({"per_hour": 2}, '"cost.per_hour"'), (7, '"cost"')],
)  # fmt: skip
def test_a_wrong_rate_is_named(tmp_path: Path, cost: object, said: str) -> None:
    """One sentence says which key is wrong."""
    with pytest.raises(InputError, match=r"params\.yaml has a") as caught:
        rates(workspace(tmp_path, cost))
    assert said in caught.value.what
    assert caught.value.where == str(tmp_path / "params.yaml")


def test_energy_is_estimated_from_processor_time_of_children_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is measured: seconds of this process and of those it waited for, times watts."""
    monkeypatch.setattr(graft_tasks.steps.cost, "processors", list)
    monkeypatch.setattr(graft_tasks.steps.cost, "gpus", list)
    meter = Meter(Rates(watts_per_core=10, price_per_hour=36, currency="EUR"))
    subprocess.run([sys.executable, "-c", BURN], check=True)
    cost = meter.stop()
    assert cost.cpu_seconds > 0.29
    assert cost.energy_joules == pytest.approx(10 * cost.cpu_seconds, abs=0.01)
    assert cost.price == pytest.approx(0.01 * cost.seconds, abs=1e-5)
    assert (cost.energy_is_measured, cost.currency) == (False, "EUR")


def test_energy_is_measured_where_there_are_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processors and GPUs are added up, and processor time no longer counts."""
    processor, gpu = iter([100.0, 107.0]), iter([5.0, 25.0])
    monkeypatch.setattr(graft_tasks.steps.cost, "processors", lambda: [Source(lambda: next(processor))])
    monkeypatch.setattr(graft_tasks.steps.cost, "gpus", lambda: [Source(lambda: next(gpu))])
    cost = Meter(Rates(watts_per_core=1000)).stop()
    assert (cost.energy_joules, cost.energy_is_measured, cost.price) == (27.0, True, None)


def test_a_measured_gpu_beside_estimated_processors_is_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured counts, but the sum is not called measured."""
    gpu = iter([0.0, 1000.0])
    monkeypatch.setattr(graft_tasks.steps.cost, "processors", list)
    monkeypatch.setattr(graft_tasks.steps.cost, "gpus", lambda: [Source(lambda: next(gpu))])
    cost = Meter(Rates(watts_per_core=1)).stop()
    assert cost.energy_joules is not None
    assert cost.energy_joules >= 1000
    assert not cost.energy_is_measured


def test_a_socket_counts_and_begins_anew(tmp_path: Path) -> None:
    """Sockets are added up, once each: parts of one and the whole board, which hold the same energy, are left out."""
    one = socket(tmp_path, "intel-rapl:0", "package-0", 3_000_000, limit=10_000_000)
    two = socket(tmp_path, "intel-rapl:1", "package-1", 0)
    socket(tmp_path, "intel-rapl:0:0", "core", 1)
    socket(tmp_path, "intel-rapl:2", "psys", 1)
    counter = Counter(processors(tmp_path))
    one.write_text("9000000\n")
    assert counter.joules() == 6.0
    one.write_text("2000000\n")
    two.write_text("500000\n")
    assert counter.joules() == 6.0 + 3.0 + 0.5


def test_a_counter_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    """Linux lets root alone read them: then nothing is there, and nothing fails. One that goes away stands still."""
    socket(tmp_path, "intel-rapl:0", "package-0", 0).unlink()
    assert not Counter(processors(tmp_path)).is_there
    assert not Counter(processors(tmp_path / "absent")).is_there
    going = socket(tmp_path, "intel-rapl:1", "package-1", 0)
    counter = Counter(processors(tmp_path))
    going.unlink()
    assert counter.joules() == 0.0


@pytest.mark.gpu
def test_a_gpu_counts() -> None:
    """NVIDIA's library is there and its counter never goes back."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    counter = Counter(gpus())
    assert counter.is_there
    torch.ones(2048, 2048, device="cuda").matrix_power(64).sum().item()
    assert counter.joules() >= 0


def test_what_an_older_graft_wrote_is_read() -> None:
    """A cost without energy and price says nothing of them, and neither does a sum that holds one."""
    old = a_cost()
    assert (old.energy, old.money) == ("", "")
    both = add_up([old, a_cost(energy_joules=3600, price=2, currency="EUR")])
    assert (both.seconds, both.cpu_seconds, both.energy, both.money) == (120, 180, "", "")


def test_a_sum_is_measured_only_where_all_is() -> None:
    """Energies and prices add up; two currencies do not."""
    measured = a_cost(energy_joules=3600, energy_is_measured=True, price=1.2, currency="EUR")
    assert (add_up([measured, measured]).energy, add_up([measured] * 2).money) == ("2.0 Wh, measured", "2.40 EUR")
    estimated = measured.model_copy(update={"energy_is_measured": False, "currency": "USD"})
    assert (add_up([measured, estimated]).energy, add_up([measured, estimated]).money) == ("2.0 Wh, estimated", "")


@pytest.mark.parametrize(
    ("joules", "words"),
    [(100, "under 0.1 Wh"), (876, "0.2 Wh"), (3.6e5, "100 Wh"), (3.59e6, "997 Wh"), (3.6e6, "1.0 kWh")],
)
def test_energy_is_said_in_watt_hours(joules: float, words: str) -> None:
    """As on a bill, and always with how it is known."""
    assert a_cost(energy_joules=joules).energy == f"{words}, estimated"


@pytest.mark.parametrize(("amount", "words"), [(0, "0.00 EUR"), (0.001, "under 0.01 EUR"), (1234.5, "1,234.50 EUR")])
def test_money_is_said_in_hundredths(amount: float, words: str) -> None:
    """What is little is not said to be nothing."""
    assert money(amount, "EUR") == words
