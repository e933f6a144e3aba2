"""What a process has said, read from its log file."""

import re
import time
from collections.abc import Callable
from pathlib import Path

from .outcome import Failure

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
POLL = 0.2


class Log:
    """A text file that another process appends to."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def text(self, since: int = 0) -> str:
        """All of it, or what came after a `mark`, without colours."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            file.seek(since)
            return COLOURS.sub("", file.read().decode(errors="replace"))

    def mark(self) -> int:
        """Where it ends now."""
        return self.path.stat().st_size if self.path.exists() else 0

    def count(self, pattern: str, since: int = 0) -> int:
        """How often the pattern occurs."""
        return len(re.findall(pattern, self.text(since)))

    def has(self, pattern: str, since: int = 0) -> bool:
        return self.count(pattern, since) > 0

    def tail(self, lines: int) -> str:
        return "\n".join(self.text().splitlines()[-lines:])

    def wait_for(
        self,
        pattern: str,
        timeout: float,
        *,
        times: int = 1,
        since: int = 0,
        alive: Callable[[], bool] = lambda: True,
    ) -> None:
        """Waits until the pattern has occurred `times` times.

        Fails after `timeout` seconds, or as soon as the process that writes is gone.
        """
        end = time.monotonic() + timeout
        while True:
            still = alive()
            if self.count(pattern, since) >= times:
                return
            if not still:
                raise Failure(f"{self.path.name}: ended without saying /{pattern}/")
            if time.monotonic() > end:
                raise Failure(
                    f"{self.path.name}: no /{pattern}/ ({times} times) within {timeout:.0f} s"
                )
            time.sleep(POLL)
