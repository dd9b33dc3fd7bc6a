"""What a step takes on this machine: time, memory, energy and money. It stands beside the records and in no digest."""

from __future__ import annotations

import ctypes
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from pydantic import Field, ValidationError

from graft.errors import InputError
from graft.records import RECORDS, Value
from graft.records.cost import Cost
from graft.records.safe_read import load_json
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.workspace import Workspace

COST = "cost.json"
WATTS_PER_CORE = 4.0
"""A busy hardware thread with its share of the processor.

Source: 4 W in codecarbon 3.3.2 where it does not know the processor; 3.5, 3.8 and 4.3 W are what the Cloud Carbon Footprint
project takes for a fully used virtual core of AWS, Azure and Google Cloud.
"""
_OURS = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
_POWERCAP = Path("/sys/class/powercap")
_LOOK_EVERY_S = 30.0
"""A processor's counter begins anew after as little as 65 kJ: a minute and a half at 700 W."""


class Rates(Value):
    """What an hour and a busy core take here: the key ``cost`` of params.yaml."""

    price_per_hour: float | None = Field(default=None, ge=0, strict=True)
    currency: str = Field(default="", pattern=r"^[A-Za-z]{0,5}$")
    watts_per_core: float = Field(default=WATTS_PER_CORE, gt=0, le=1000, strict=True)

    def price(self, seconds: float) -> float | None:
        """Return what so many seconds of this machine cost; None where no price is known."""
        return None if self.price_per_hour is None else self.price_per_hour * seconds / 3600


def rates(workspace: Workspace) -> Rates:
    """Return the rates of a workspace.

    Raises:
        InputError: params.yaml has a key below ``cost`` that is unknown or wrong.
    """
    try:
        found = Rates.model_validate(workspace.params().get("cost") or {})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(["cost", *map(str, first["loc"])])
        raise InputError(
            f'params.yaml has a wrong value at "{key}": {first["msg"]}.',
            where=str(workspace.root / "params.yaml"),
            do="see cost in docs/commands.md, graft run",
        ) from error
    if found.price_per_hour is not None and not found.currency:
        raise InputError(
            'params.yaml has a price and no currency at "cost.currency".',
            where=str(workspace.root / "params.yaml"),
            do="add one, such as EUR",
        )
    return found


def costs(handle: RecipeHandle) -> dict[str, Cost]:
    """Return what each step of a recipe took when it ran last."""
    paths = {step: handle.step(step) / COST for step in RECORDS}
    what, do = "what a step took", "delete it: it is beside the records and in no digest"
    return {step: load_json(path, Cost, what, do=do) for step, path in paths.items() if path.is_file()}


def utc_now() -> str:
    """Return the time as it stands in a cost."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Meter:
    """Measures what this process, and those that it started and waited for, take from its making on."""

    rates: Rates
    _started: str = field(default_factory=utc_now)
    _clock: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._cpu = _cpu_seconds()
        self._processors = Counter(processors())
        self._gpus = Counter(gpus())
        self._stopped = threading.Event()
        if self._processors.is_there:
            threading.Thread(target=self._sample, daemon=True).start()

    def _sample(self) -> None:
        while not self._stopped.wait(_LOOK_EVERY_S):
            self._processors.joules()

    def stop(self) -> Cost:
        """Return what was taken so far.

        Energy is measured where the system shows its processors' counters, and then holds what others did meanwhile; else it
        is estimated from the processor time. That of NVIDIA's GPUs is measured.
        """
        self._stopped.set()
        cpu, seconds = _cpu_seconds() - self._cpu, time.monotonic() - self._clock
        is_measured = self._processors.is_there
        joules = self._processors.joules() if is_measured else cpu * self.rates.watts_per_core
        price = self.rates.price(seconds)
        return Cost(
            started_at=self._started,
            seconds=round(seconds, 3),
            cpu_seconds=round(cpu, 3),
            peak_memory_bytes=max(resource.getrusage(who).ru_maxrss for who in _OURS) * 1024,
            energy_joules=round(joules + self._gpus.joules(), 3),
            energy_is_measured=is_measured,
            price=None if price is None else round(price, 6),
            currency=self.rates.currency,
        )


def _cpu_seconds() -> float:
    """Return the processor time of this process and of those that it waited for."""
    used = [resource.getrusage(who) for who in _OURS]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


@dataclass(frozen=True)
class Source:
    """A counter of energy: how to read it, in joules, and where it begins anew, if it does."""

    read: Callable[[], float]
    limit: float = float("inf")


class Counter:
    """Adds up counters of energy from its making on; one that cannot be read is left out from the beginning."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources: list[Source] = []
        self._last: list[float] = []
        self._total = 0.0
        self._lock = threading.Lock()
        for source in sources:
            try:
                self._last.append(source.read())
            except (OSError, ValueError):
                continue
            self._sources.append(source)

    @property
    def is_there(self) -> bool:
        """Whether there is anything to read."""
        return bool(self._sources)

    def joules(self) -> float:
        """Return the joules so far. A counter that begins anew more than once between two calls is counted too low."""
        with self._lock:
            for k, source in enumerate(self._sources):
                try:
                    now = source.read()
                except (OSError, ValueError):
                    continue
                self._total += now - self._last[k] + (source.limit if now < self._last[k] else 0.0)
                self._last[k] = now
            return self._total


def processors(folder: Path = _POWERCAP) -> list[Source]:
    """Return the counters of the processors (RAPL), one for each socket. Linux lets root alone read them, as a rule."""
    found = []
    for zone in sorted(folder.glob("intel-rapl:[0-9]*")):
        try:
            is_socket = ":" not in zone.name[11:] and (zone / "name").read_text().startswith("package")
            limit = _joules(zone / "max_energy_range_uj")
        except (OSError, ValueError):
            continue
        if is_socket:
            found.append(Source(partial(_joules, zone / "energy_uj"), limit))
    return found


def _joules(path: Path) -> float:
    return int(path.read_text()) / 1e6


def gpus() -> list[Source]:
    """Return the counters of NVIDIA's GPUs, by the library that comes with their driver; where there is none, nothing."""
    if sys.platform != "linux":
        return []
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return []
    n = ctypes.c_uint()
    if nvml.nvmlInit_v2() or nvml.nvmlDeviceGetCount_v2(ctypes.byref(n)):
        return []
    return [Source(partial(_gpu_joules, nvml, k)) for k in range(n.value)]


def _gpu_joules(nvml: ctypes.CDLL, index: int) -> float:
    """Return what a GPU took since its driver was loaded.

    Raises:
        OSError: it has no such counter, as those before Volta.
    """
    device, millijoules = ctypes.c_void_p(), ctypes.c_ulonglong()
    if nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(device)) or nvml.nvmlDeviceGetTotalEnergyConsumption(
        device, ctypes.byref(millijoules)
    ):
        raise OSError(f"GPU {index} does not say what energy it takes")
    return millijoules.value / 1000
