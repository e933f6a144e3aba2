"""Where one scenario works: its folder, and all that it starts."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .processes import Process, kill_descendants

TAIL = 40
# Of a scenario that starts very many.
MOST_TAILS = 6


class Lab:
    """A folder of its own, and the processes started in it, which end with it.

    With `stand_in` a genuine site plays the part of fedlink, to try the scenario itself.
    """

    def __init__(self, folder: Path, *, stand_in: bool) -> None:
        self.folder = folder
        self.stand_in = stand_in
        self.steps: list[str] = []
        self._processes: list[Process] = []
        self._clean_ups: list[Callable[[], None]] = []
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    def start(self, process: Process) -> None:
        """Starts a process, and has it stopped at the end, if not before."""
        self._processes.append(process)
        process.start()

    def at_end(self, clean_up: Callable[[], None]) -> None:
        """Has this called before the processes are stopped."""
        self._clean_ups.append(clean_up)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A part of the scenario that the table of releases shows, once it has passed."""
        yield
        self.steps.append(name)

    def stop(self) -> None:
        """Stops all that still runs, the latest first, and whatever that has left behind."""
        while self._clean_ups:
            self._clean_ups.pop()()
        for process in reversed(self._processes):
            process.stop()
        kill_descendants()

    def tails(self) -> str:
        """The end of each log: of the server's, and of the latest others."""
        logs = [process.log for process in self._processes]
        shown = logs[:1] + logs[1:][-MOST_TAILS:]
        return "\n".join(f"--- {log.path}\n{log.tail(TAIL)}" for log in shown)
