"""Child processes, none of which outlives the run."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from .logs import Log
from .outcome import Failure

PATIENCE = 10.0
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Makes this process the parent of whatever its children leave behind."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def kill_descendants() -> None:
    """Ends every process that descends from this one, and reaps it."""
    family = psutil.Process().children(recursive=True)
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family, timeout=PATIENCE)
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return


class Process:
    """A program that can be started again and again, with one log for all its lives."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        cwd: Path,
        environment: Mapping[str, str] = {},
    ) -> None:
        self.name = name
        self.log = Log(log)
        self._command = [str(part) for part in command]
        self._cwd = cwd
        self._environment = {**os.environ, **environment}
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, in a session of its own so that Ctrl-C reaches only the harness."""
        with self.log.path.open("ab") as output:
            self._child = subprocess.Popen(
                self._command,
                cwd=self._cwd,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def wait(self, timeout: float) -> int:
        """Its exit code; fails if it runs for longer than this."""
        assert self._child is not None, f"{self.name} was not started"
        try:
            return self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} did not end within {timeout:.0f} s") from None

    def signal(self, number: signal.Signals) -> None:
        if self.alive:
            assert self._child is not None
            self._child.send_signal(number)

    def kill(self) -> None:
        """Ends it as a crash would; its own children are left to find out."""
        self.signal(signal.SIGKILL)
        if self._child is not None:
            self._child.wait()

    def stop(self) -> None:
        """Asks it to end, and makes it end if it does not."""
        self.signal(signal.SIGTERM)
        end = time.monotonic() + PATIENCE
        while self.alive and time.monotonic() < end:
            time.sleep(0.1)
        self.kill()

    def peak_memory(self) -> int:
        """The most memory that it has held so far, in bytes."""
        assert self._child is not None, f"{self.name} was not started"
        status = Path(f"/proc/{self._child.pid}/status").read_text()
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise Failure(f"{self.name} has ended: its memory cannot be read")
