"""All that was measured."""

from collections.abc import Callable
from dataclasses import dataclass, field

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
    idle: dict[str, float] = field(default_factory=dict)
    memory: dict[str, Memory] = field(default_factory=dict)
    start: dict[str, Start] = field(default_factory=dict)
    transfer: dict[str, Transfer] = field(default_factory=dict)
