"""All that was measured."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from harness.outcome import Failure

from system import System
from work import Cost, Memory, Start, Transfer

Transferred = tuple[str, Callable[[str], System], str]
"""What a transfer is called, who makes its server, and what the site does."""


@dataclass
class Report:
    """Figures by row, or by system, or both."""

    about: dict[str, str]
    sites: int
    small: dict[str, dict[str, Cost]] = field(default_factory=dict)
    bare: dict[str, float] = field(default_factory=dict)
    """Of those that can tell."""
    idle: dict[str, float] = field(default_factory=dict)
    alone: dict[str, dict[str, float]] = field(default_factory=dict)
    """By system first."""
    memory: dict[str, Memory] = field(default_factory=dict)
    start: dict[str, Start] = field(default_factory=dict)
    transfer: dict[str, Transfer] = field(default_factory=dict)

    def check(self, systems: Iterable[str]) -> None:
        """Fails if a figure is missing."""
        rows = {**self.small, "idle": self.idle, "memory": self.memory, "start": self.start}
        for row, by_system in rows.items():
            for system in systems:
                if system not in by_system:
                    raise Failure(f"a figure is missing: {row}, {system}")
        if not any(self.bare.values()):
            raise Failure("a figure is missing: a bare exchange")
        figures = {row for by_row in self.alone.values() for row in by_row}
        for system, by_row in self.alone.items():
            if by_row and by_row.keys() != figures:
                raise Failure(f"a figure is missing: {system} alone has only {list(by_row)}")
        for system, memory in self.memory.items():
            if memory.bytes <= 0:
                raise Failure(f"a figure is missing: the memory of {system} has not grown")
        for row, by_system in self.small.items():
            for system, cost in by_system.items():
                if cost.cpu <= 0 or cost.wire_bytes <= 0:
                    raise Failure(f"a figure is missing: CPU or bytes of {row}, {system}")
