"""Processes of one run: they are started here, talked to, measured, and never outlive it."""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psutil
from harness.outcome import Failure

PATIENCE = 10.0
_PR_SET_CHILD_SUBREAPER = 36
T = TypeVar("T")


class Crew:
    """All processes of a run. `with Crew(folder) as crew:` ends them, whatever happens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._all: list[Process] = []

    def __enter__(self) -> "Crew":
        # Whatever children leave behind comes here, to be ended too.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        signal.signal(signal.SIGTERM, lambda *_: exit(1))
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends all that was started so far, and whatever that has left behind."""
        while self._all:
            self._all.pop().stop()
        for orphan in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                orphan.kill()

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] = {},
        speaks: bool = True,
    ) -> "Process":
        """Starts a program. What it has to complain about goes to a log of its name, and
        all that it says unless it `speaks` in lines of JSON."""
        log = self.folder / f"{name}.log"
        process = Process(log, command, cwd or self.folder, environment, speaks)
        self._all.append(process)
        return process


class Process:
    """A program, and all that it has started."""

    def __init__(
        self,
        log: Path,
        command: Sequence[str | Path],
        cwd: Path,
        environment: Mapping[str, str],
        speaks: bool,
    ) -> None:
        self.log = log
        self._text = b""
        self._known: set[int] = set()
        log.write_bytes(b"")
        with log.open("ab") as complaints:
            self._child = subprocess.Popen(
                [str(word) for word in command],
                cwd=cwd,
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if speaks else complaints,
                stderr=complaints,
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        return self._child.poll() is None

    @property
    def pid(self) -> int:
        return self._child.pid

    def ask(self, command: str, patience: float = 300.0) -> dict[str, Any]:
        """Gives a command, one line, and takes the answer, a line of JSON."""
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(f"{command}\n".encode())
            self._child.stdin.flush()
        except BrokenPipeError:
            raise self._ended(command) from None
        return self.answer(command, patience)

    def answer(self, what: str = "its first word", patience: float = 60.0) -> dict[str, Any]:
        """The next line of JSON that it says; other lines are for its log."""
        assert self._child.stdout is not None
        end = time.monotonic() + patience
        while True:
            line, found, rest = self._text.partition(b"\n")
            if found:
                self._text = rest
                if line.startswith(b"{"):
                    return dict(json.loads(line))
                with self.log.open("ab") as log:
                    log.write(line + b"\n")
                continue
            ready, _, _ = select.select([self._child.stdout], [], [], end - time.monotonic())
            if not ready:
                raise Failure(f"{self.log.stem}: no answer to {what!r} in {patience:.0f} s")
            read = os.read(self._child.stdout.fileno(), 1 << 16)
            if not read:
                raise self._ended(what)
            self._text += read

    def cpu(self) -> float:
        """Seconds of CPU time so far, as the system counts them, of it and of all that it
        has started. Fails if one of those has ended: its time would be missing."""
        clocks = self._each(lambda pid: time.clock_gettime(_cpu_clock(pid)))
        if not self._known <= clocks.keys():
            raise Failure(f"{self.log.stem}: a process of it has ended, and its cost with it")
        self._known = set(clocks)
        return sum(clocks.values())

    def memory(self) -> int:
        """Resident bytes, of all its processes together."""
        return sum(self._each(lambda pid: _status(pid, "VmRSS")).values())

    def peak(self) -> int:
        """The most bytes that were ever resident, summed over its processes."""
        return sum(self._each(lambda pid: _status(pid, "VmHWM")).values())

    def forget_peak(self) -> None:
        """From now on `peak` is of what comes."""
        self._each(lambda pid: Path(f"/proc/{pid}/clear_refs").write_text("5"))

    def _each(self, look: Callable[[int], T]) -> dict[int, T]:
        """What a look at each of its processes shows, but for those that end meanwhile."""
        seen = {}
        for process in self._family():
            with contextlib.suppress(OSError):
                seen[process.pid] = look(process.pid)
        return seen

    def _family(self) -> list[psutil.Process]:
        if not self.alive:
            raise self._ended("work")
        parent = psutil.Process(self._child.pid)
        return [parent, *parent.children(recursive=True)]

    def stop(self) -> None:
        """Ends it and what it has started."""
        family = self._family() if self.alive else []
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                stream.close()
        if self.alive:
            self._child.terminate()
            try:
                self._child.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                pass
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        self._child.wait()

    def _ended(self, what: str) -> Failure:
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
        return Failure(f"{self.log.stem} has ended before the answer to {what!r}:\n{tail}")


def _cpu_clock(pid: int) -> int:
    """The clock of a process's CPU time, in nanoseconds, its ended threads included: what
    `clock_getcpuclockid` gives."""
    return (~pid << 3) | 2


def _status(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise Failure(f"process {pid} has no {field}")
