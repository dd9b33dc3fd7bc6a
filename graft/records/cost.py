"""What a step took on the machine where it ran: never in a record, never in a digest."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from graft.records.values import Value


class Cost(Value):
    """What a step took on the machine where it ran. Never in a record, never in a digest."""

    started_at: str
    seconds: float = Field(ge=0)
    cpu_seconds: float = Field(ge=0, description="of the step's process and of those that it started")
    peak_memory_bytes: int = Field(ge=0)
    energy_joules: float | None = Field(default=None, ge=0)
    energy_is_measured: bool = Field(default=False, description="false: estimated from the processor time")
    price: float | None = Field(default=None, ge=0)
    currency: str = ""

    @property
    def energy(self) -> str:
        """The energy in words; empty where it is not known."""
        if self.energy_joules is None:
            return ""
        hours = self.energy_joules / 3600
        shown = f"{hours / 1000:,.1f} kWh" if hours >= 999.5 else f"{hours:.{1 if hours < 99.95 else 0}f} Wh"
        return f"{'under 0.1 Wh' if hours < 0.05 else shown}, {'measured' if self.energy_is_measured else 'estimated'}"

    @property
    def money(self) -> str:
        """The price in words; empty where it is not known."""
        return "" if self.price is None else money(self.price, self.currency)


def money(amount: float, currency: str) -> str:
    """Return a sum of money in words."""
    return f"under 0.01 {currency}" if 0 < amount < 0.005 else f"{amount:,.2f} {currency}"


def add_up(costs: Sequence[Cost]) -> Cost:
    """Return what several steps, one at least, took together: energy and price only where those of each are known."""
    energies = [cost.energy_joules for cost in costs if cost.energy_joules is not None]
    prices = [cost.price for cost in costs if cost.price is not None]
    currencies = {cost.currency for cost in costs}
    is_priced = len(prices) == len(costs) and len(currencies) == 1
    return Cost(
        started_at=min(cost.started_at for cost in costs),
        seconds=sum(cost.seconds for cost in costs),
        cpu_seconds=sum(cost.cpu_seconds for cost in costs),
        peak_memory_bytes=max(cost.peak_memory_bytes for cost in costs),
        energy_joules=sum(energies) if len(energies) == len(costs) else None,
        energy_is_measured=all(cost.energy_is_measured for cost in costs),
        price=sum(prices) if is_priced else None,
        currency=currencies.pop() if is_priced else "",
    )
