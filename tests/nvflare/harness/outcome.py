"""How a scenario says that something is not as it must be."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Failure(Exception):
    """An expectation that did not hold."""


def check(holds: bool, otherwise: str) -> None:
    """Fails with this text unless it holds."""
    if not holds:
        raise Failure(otherwise)


def wait_until(what: str, ask: Callable[[], T], timeout: float, pause: float = 0.5) -> T:
    """Asks until the answer is true, and gives it; fails after `timeout` seconds."""
    end = time.monotonic() + timeout
    while not (answer := ask()):
        check(time.monotonic() < end, f"{what}: not within {timeout:.0f} s")
        time.sleep(pause)
    return answer
