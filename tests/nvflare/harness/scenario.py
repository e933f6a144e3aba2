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
    stand_in: bool
    needs: str


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    name: str, *, quick: bool = False, stand_in: bool = True, needs: str = ""
) -> Callable[[Play], Play]:
    """Registers a function as a scenario. Its docs are shown to people.

    Without `stand_in` it is about what fedlink alone does: a genuine site cannot play it.
    What it `needs` is a Python module that is large, and not installed for all the others.
    """

    def register(play: Play) -> Play:
        text = " ".join((play.__doc__ or "").split())
        SCENARIOS[name] = Scenario(name, text, play, quick, stand_in, needs)
        return play

    return register
