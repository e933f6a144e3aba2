"""The genuine SuperLink of Flower, over TLS, its state in memory."""

import json
import ssl
import sys
import time
from pathlib import Path
from typing import ClassVar
from urllib.request import urlopen

import psutil

from crew import Crew, Failure, Process
from harness.provision import SERVER, Project, free_ports
from system import System

HERE = Path(__file__).resolve().parent
START = 60.0
COUNT = "/peers/count"


class Flower(System):
    """Flower's SuperLink and nodes."""

    name = "Flower"
    requests: ClassVar = {"heartbeat": 1, "rejoin": 5}

    def __init__(self, crew: Crew, folder: Path, project: Project, sites: int) -> None:
        """TLS is with the certificate of NVFlare's server."""
        (self.port,) = free_ports(1)
        startup = project.kit(SERVER) / "startup"
        self._trust = ssl.create_default_context(cafile=startup / "rootCA.pem")
        self.server = _start(crew, folder, startup, self.port)
        self.sites = _start_sites(crew, startup / "rootCA.pem", self.port, sites)

    def received(self) -> int:
        with urlopen(f"https://{SERVER}:{self.port}{COUNT}", context=self._trust) as answer:
            return sum(json.load(answer).values())


def _start(crew: Crew, home: Path, startup: Path, port: int) -> Process:
    home.mkdir()
    command = [
        *(sys.executable, HERE / "flower_tally.py", "--isolation", "process"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--ssl-ca-certfile", startup / "rootCA.pem"),
        *("--ssl-certfile", startup / "server.crt", "--ssl-keyfile", startup / "server.key"),
    ]
    environment = {"HOME": str(home), "FLWR_HOME": str(home), "FLWR_TELEMETRY_ENABLED": "0"}
    server = crew.start("flower-server", command, environment=environment, speaks=False)
    end = time.monotonic() + START
    while not _listens(server, port):
        if time.monotonic() > end:
            raise Failure("the SuperLink does not listen")
        time.sleep(0.1)
    return server


def _start_sites(crew: Crew, root: Path, port: int, count: int) -> Process:
    command = [sys.executable, HERE / "flower_sites.py", f"{SERVER}:{port}", root, str(count)]
    process = crew.start("flower-sites", command)
    if process.answer()["sites"] != count:
        raise Failure("not all nodes of Flower have started")
    return process


def _listens(server: Process, port: int) -> bool:
    connections = (each for one in server.family() for each in one.net_connections("tcp"))
    return any(
        each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in connections
    )
