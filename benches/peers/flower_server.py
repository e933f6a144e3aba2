"""The genuine SuperLink of Flower, over TLS, its state in memory."""

import json
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar
from urllib.request import urlopen

from harness.logs import Log
from harness.outcome import Failure
from harness.provision import SERVER, Project, free_ports

from crew import Crew, Process
from system import System

HERE = Path(__file__).resolve().parent
START = 180.0
COUNT = "/peers/count"


class Flower(System):
    """Flower's SuperLink and nodes."""

    name = "Flower"
    requests: ClassVar = {"heartbeat": 1, "rejoin": 5, "poll": 1, "fetch": 5, "submit": 4}

    def __init__(self, crew: Crew, folder: Path, project: Project) -> None:
        """TLS is with the certificate of NVFlare's server."""
        self._crew = crew
        self._folder = folder
        (self.port,) = free_ports(1)
        startup = project.kit(SERVER) / "startup"
        self._root = startup / "rootCA.pem"
        self._trust = ssl.create_default_context(cafile=self._root)
        command = [
            *(sys.executable, HERE / "flower_tally.py", "--isolation", "process"),
            *("--host", "127.0.0.1", "--port", str(self.port), "--ssl-ca-certfile", self._root),
            *("--ssl-certfile", startup / "server.crt", "--ssl-keyfile", startup / "server.key"),
        ]
        self.server = self._start("server", command)
        Log(self.server.log).wait_for(r"Uvicorn running on", START, alive=lambda: self.server.alive)

    def bring(self, names: Sequence[str]) -> Process:
        address, count = f"{SERVER}:{self.port}", str(len(names))
        command = [sys.executable, HERE / "flower_sites.py", address, self._root, count]
        process = self._crew.start(f"{self._folder.name}-sites", command)
        if process.answer()["sites"] != len(names):
            raise Failure("not all nodes of Flower have started")
        return process

    def received(self) -> int:
        with urlopen(f"https://{SERVER}:{self.port}{COUNT}", context=self._trust) as answer:
            return sum(json.load(answer).values())

    def begin(self) -> None:
        self.sites.ask("begin")

    def assign(self, size: int) -> None:
        # A node that has been silent for too long is given nothing.
        self.sites.ask("heartbeat 1")
        self.sites.ask(f"assign {size}")

    def handed_in(self) -> int:
        return int(self.sites.ask("handed_in")["bytes"])

    def start_client(self, name: str) -> Process:
        command = [
            *(Path(sys.executable).parent / "flower-supernode", "--isolation", "process"),
            *("--superlink", f"{SERVER}:{self.port}", "--root-certificates", self._root),
            *("--host", "127.0.0.1", "--port", str(free_ports(1)[0])),
        ]
        return self._start(name, command)

    def is_registered(self, client: Process) -> bool:
        return Log(client.log).has(r"SuperNode ID")

    def _start(self, label: str, command: Sequence[str | Path]) -> Process:
        home = self._folder / label
        home.mkdir(parents=True, exist_ok=True)
        environment = {
            **{"HOME": str(home), "FLWR_HOME": str(home)},
            **{"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"},
        }
        return self._crew.start(
            f"{self._folder.name}-{label}", command, environment=environment, speaks=False
        )
