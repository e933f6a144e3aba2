"""What is compared: a server, the sites before it, and how to tell what the server got."""

import re
import subprocess
from abc import ABC, abstractmethod

from crew import Failure, Process


class System(ABC):
    """A server that runs, with sites that have not registered yet."""

    name: str
    server: Process
    sites: Process
    port: int
    requests: dict[str, int]
    """How many requests each operation takes; what is not here has no equivalent."""

    def enter(self) -> None:
        """Has every site register."""
        self.sites.ask("enter")

    @abstractmethod
    def received(self) -> int:
        """Requests of sites that the server has received, as the server itself tells."""

    def wire_bytes(self) -> int:
        """Bytes that the system has received for the server on connections that stand, with
        all that TLS and framing add."""
        command = ["ss", "-tinH", "state", "established", f"( sport = :{self.port} )"]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        if told.returncode != 0:
            raise Failure(f"ss does not work: {told.stderr}")
        return sum(map(int, re.findall(r"\bbytes_received:(\d+)", told.stdout)))
