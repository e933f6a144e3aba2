"""What is compared: a server, the sites before it, and how to tell what the server got."""

import re
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence

from harness.outcome import Failure

from crew import Process


class System(ABC):
    """A server that runs. Somebody has to bring sites to it."""

    name: str
    server: Process
    sites: Process
    """Those that do the work."""
    port: int
    requests: dict[str, int]
    """How many requests each operation takes; what is not here has no equivalent."""

    @abstractmethod
    def bring(self, names: Sequence[str]) -> Process:
        """Starts a process with sites of these names, each to have a connection of its own,
        that have not registered yet."""

    @abstractmethod
    def received(self) -> int:
        """Requests of sites that the server has received, as the server itself tells."""

    @abstractmethod
    def begin(self) -> None:
        """Starts the job in which there are tasks."""

    @abstractmethod
    def assign(self, size: int) -> None:
        """Makes a task with an input of so many bytes for each site."""

    @abstractmethod
    def handed_in(self) -> int:
        """Bytes of payload in all results that the server's application has been given."""

    def alone(self, times: int, size: int) -> dict[str, float]:
        """Seconds of CPU that the server's code takes for some operations, done so often in
        its own process, with no connection around them. Empty if that cannot be told."""
        return {}

    def bare(self) -> int:
        """The port on which the server answers bytes with as many as a heartbeat's answer
        has, over the same carrier and with nothing of its own. Zero if it cannot."""
        return 0

    @abstractmethod
    def start_client(self, name: str) -> Process:
        """Starts the process that a site of this name is in the field."""

    @abstractmethod
    def is_registered(self, client: Process) -> bool:
        """Whether that process has said that it is."""

    def enter(self, names: Sequence[str]) -> Process:
        """Brings sites and has them register, and send their first heartbeats."""
        sites = self.bring(names)
        entered = sites.ask("enter")["operations"]
        if entered != len(names):
            raise Failure(f"{entered} of {len(names)} sites of {self.name} have registered")
        return sites

    def wire_bytes(self) -> int:
        """Bytes that the system has received for the server on connections that stand, with
        all that TLS and framing add."""
        command = ["ss", "-tinH", "state", "established", f"( sport = :{self.port} )"]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        if told.returncode != 0:
            raise Failure(f"ss does not work: {told.stderr}")
        return sum(map(int, re.findall(r"\bbytes_received:(\d+)", told.stdout)))
