"""Where one scenario works: its folder, and all that it starts."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from .parties import Party
from .processes import Process, kill_descendants

TAIL = 40
P = TypeVar("P", bound=Party)


class Lab:
    """A folder of its own, and the processes started in it, which end with it.

    With `stand_in` a genuine site plays the part of fedlink, to try the scenario itself.
    """

    def __init__(self, folder: Path, *, stand_in: bool) -> None:
        self.folder = folder
        self.stand_in = stand_in
        self._processes: list[Process] = []
        self._clean_ups: list[Callable[[], None]] = []
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    def add(self, party: P) -> P:
        """Has this party stopped at the end, if not before."""
        self._processes.append(party.process)
        return party

    def at_end(self, clean_up: Callable[[], None]) -> None:
        self._clean_ups.append(clean_up)

    def close(self) -> None:
        """Stops all that still runs, the latest first, and whatever that has left behind."""
        for clean_up in reversed(self._clean_ups):
            clean_up()
        for process in reversed(self._processes):
            process.stop()
        kill_descendants()

    def tails(self) -> str:
        """The end of each log."""
        return "\n".join(
            f"--- {process.log.path}\n{process.log.tail(TAIL)}" for process in self._processes
        )
