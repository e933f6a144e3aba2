"""fedlink's coordinator on the tokio host, and sites on the blocking one."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from crew import Crew, Failure
from harness.provision import free_ports
from system import System

PROJECT = "peers"


class Fedlink(System):
    """A project with this suite over this transport."""

    name = "fedlink"
    requests: ClassVar = {"heartbeat": 1, "rejoin": 4}

    def __init__(
        self,
        crew: Crew,
        folder: Path,
        sites: Sequence[str],
        *,
        suite: str = "bearer",
        transport: str = "tls",
    ) -> None:
        (self.port,) = free_ports(1)
        address = f"127.0.0.1:{self.port}"
        make = [
            *(program("fedlink"), "provision", "--project", PROJECT, "--out", folder),
            *("--host", address, "--sites", ",".join(sites)),
            *("--suite", suite, "--transport", transport, "--trusted-path"),
        ]
        made = subprocess.run(make, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise Failure(f"fedlink provision failed: {made.stderr}")
        label = f"{suite}-{transport}"
        kit = folder / "server"
        self.server = crew.start(f"fedlink-server-{label}", [program("peers-server"), kit, address])
        self.server.answer()
        self.kits = [folder / "sites" / site for site in sites]
        self.sites = crew.start(f"fedlink-sites-{label}", [program("peers-sites"), *self.kits])
        self.sites.answer()

    def received(self) -> int:
        return int(self.server.ask("count")["messages"])


def program(name: str) -> Path:
    """One of the programs that were built."""
    return Path(os.environ["PEERS_PROGRAMS"]) / name
