"""What a benchmark prints: each measurement as a ratio to a bound of the same run, and whether it is met."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: what was measured, the bound, and how far ours may be from it."""

    what: str
    ours: float
    unit: str
    bound: float
    bound_is: str
    allowed: float

    @property
    def ratio(self) -> float:
        return self.ours / self.bound

    @property
    def met(self) -> bool:
        return self.ratio <= self.allowed


def report(rows: Iterable[Row]) -> int:
    """Print the table; the exit code, 1 where some row is not met."""
    table = Table("", "ours", "bound", "ratio", "allowed", "met")
    measured = list(rows)
    for row in measured:
        ours, bound = f"{row.ours:,.3g} {row.unit}", f"{row.bound:,.3g} ({row.bound_is})"
        table.add_row(row.what, ours, bound, f"{row.ratio:.2f}", f"≤ {row.allowed:g}", "yes" if row.met else "NO")
    Console(width=160).print(table)
    return 0 if all(row.met for row in measured) else 1
