"""fedlink's coordinator on the tokio host, and sites on the blocking one."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from harness.outcome import Failure
from harness.provision import free_ports

from crew import Crew, Process
from system import System

PROJECT = "peers"


class Fedlink(System):
    """A project with this suite over this transport."""

    name = "fedlink"
    requests: ClassVar = {"heartbeat": 1, "rejoin": 4, "poll": 1, "fetch": 1, "submit": 1}

    def __init__(
        self,
        crew: Crew,
        folder: Path,
        names: Sequence[str],
        *,
        suite: str = "bearer",
        transport: str = "tls",
    ) -> None:
        self._crew = crew
        self._folder = folder
        (self.port,) = free_ports(1)
        address = f"127.0.0.1:{self.port}"
        make = [
            *(program("fedlink"), "provision", "--project", PROJECT, "--out", folder),
            *("--host", address, "--sites", ",".join(names)),
            *("--suite", suite, "--transport", transport, "--trusted-path"),
        ]
        made = subprocess.run(make, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise Failure(f"fedlink provision failed: {made.stderr}")
        command = [program("peers-server"), folder / "server", address]
        self.server = crew.start(f"{folder.name}-server", command)
        self.server.answer()

    def bring(self, names: Sequence[str]) -> Process:
        self._sites = len(names)
        kits = [self._kit(name) for name in names]
        process = self._crew.start(f"{self._folder.name}-sites", [program("peers-sites"), *kits])
        process.answer()
        return process

    def received(self) -> int:
        return int(self.server.ask("count")["messages"])

    def begin(self) -> None:
        """The job runs from the start."""

    def assign(self, size: int) -> None:
        self.server.ask(f"assign {self._sites} {size}")

    def handed_in(self) -> int:
        return int(self.server.ask("count")["result_bytes"])

    def alone(self, times: int, size: int) -> dict[str, float]:
        # So short that more of them are needed.
        return self.server.ask(f"alone {100 * times} {size}")

    def bare(self) -> int:
        return int(self.server.ask("bare")["port"])

    def start_client(self, name: str) -> Process:
        command = [program("peers-client"), self._kit(name)]
        return self._crew.start(f"{self._folder.name}-client", command, speaks=False)

    def is_registered(self, client: Process) -> bool:
        return "registered" in client.log.read_text()

    def _kit(self, name: str) -> Path:
        return self._folder / "sites" / name


def program(name: str) -> Path:
    """One of the programs that were built."""
    return Path(os.environ["PEERS_PROGRAMS"]) / name
