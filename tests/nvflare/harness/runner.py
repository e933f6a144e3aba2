"""Plays one scenario and says how it went."""

import fcntl
import shutil
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .lab import Lab
from .outcome import Failure
from .scenario import Scenario

RUNS = Path(__file__).resolve().parents[3] / "target" / "nvflare" / "runs"


@dataclass(frozen=True)
class Outcome:
    """How a scenario went, and which of its steps have passed."""

    scenario: str
    passed: bool
    steps: list[str]


@contextmanager
def alone() -> Iterator[None]:
    """Keeps other runs out: they would use the same folders."""
    RUNS.mkdir(parents=True, exist_ok=True)
    with (RUNS / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("another run is under way here")
        yield


def play(scenario: Scenario, *, keep: bool, stand_in: bool) -> Outcome:
    """How it went. Its folder stays if it did not pass, or if it is to be kept."""
    print(f"\n== {scenario.name}: {scenario.text}", flush=True)
    begun = time.monotonic()
    lab = Lab(RUNS / scenario.name, stand_in=stand_in)
    problem = ""
    try:
        scenario.play(lab)
    except Failure as failure:
        problem = str(failure)
    except Exception:
        problem = traceback.format_exc()
    finally:
        lab.stop()
    seconds = time.monotonic() - begun
    if problem:
        print(
            f"{lab.tails()}\n---\nFAIL {scenario.name} after {seconds:.1f} s: {problem}", flush=True
        )
    else:
        print(f"PASS {scenario.name} in {seconds:.1f} s", flush=True)
        if not keep:
            shutil.rmtree(lab.folder)
    return Outcome(scenario.name, not problem, lab.steps)
