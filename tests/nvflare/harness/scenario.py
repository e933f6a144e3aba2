"""The scenarios, by name."""

from collections.abc import Callable
from dataclasses import dataclass

from .lab import Lab

Play = Callable[[Lab], None]


@dataclass(frozen=True)
class Scenario:
    """Something that must work. Its text says what it does."""

    name: str
    text: str
    play: Play
    quick: bool


SCENARIOS: dict[str, Scenario] = {}


def scenario(name: str, *, quick: bool = False) -> Callable[[Play], Play]:
    """Registers a function as a scenario. The first paragraph of its docs is shown to people."""

    def register(play: Play) -> Play:
        text = " ".join((play.__doc__ or "").strip().split("\n\n")[0].split())
        SCENARIOS[name] = Scenario(name, text, play, quick)
        return play

    return register
