"""The genuine NVFlare server: a project of its own, over TCP with TLS on both sides."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from crew import Crew, Failure, Process
from harness.logs import Log
from harness.provision import SERVER, Project, edit, provision
from system import System

HERE = Path(__file__).resolve().parent
START = 60.0


class Nvflare(System):
    """NVFlare's server and sites."""

    name = "NVFlare"
    requests: ClassVar = {"heartbeat": 1, "rejoin": 4}

    def __init__(self, crew: Crew, folder: Path, sites: Sequence[str]) -> None:
        self.project = provision(folder, sites=sites)
        self.port = self.project.port
        self.server = _start(crew, self.project)
        self.sites = _start_sites(crew, self.project, sites)

    def received(self) -> int:
        counts = self.sites.ask("count")
        # Asking is a request too, of another kind.
        return sum(counts.values())


def _start(crew: Crew, project: Project) -> Process:
    """Starts the server as its kit's own script does, and waits until it serves."""
    workspace = project.unpack(SERVER, project.folder / "server")
    tally = {"id": "tally", "path": "nvflare_tally.Tally", "args": {}}
    edit(
        workspace / "local" / "resources.json",
        lambda resources: resources["components"].append(tally),
    )
    command = [
        *(sys.executable, "-u", "-m", "nvflare.private.fed.app.server.server_train"),
        *("-m", workspace, "-s", "fed_server.json", "--set", "config_folder=config"),
        *("secure_train=true", "org=example"),
    ]
    server = crew.start(
        "nvflare-server", command, cwd=workspace, environment=_home(project), speaks=False
    )
    Log(server.log).wait_for(r"Server started", START, alive=lambda: server.alive)
    return server


def _start_sites(crew: Crew, project: Project, sites: Sequence[str]) -> Process:
    """Starts one process with a genuine cell, on a connection of its own, for each site."""
    kits = [project.kit(site) for site in sites]
    command = [sys.executable, HERE / "nvflare_sites.py", str(project.port), *kits]
    process = crew.start("nvflare-sites", command, environment=_home(project))
    if process.answer()["sites"] != len(sites):
        raise Failure("not all sites of NVFlare have started")
    return process


def _home(project: Project) -> dict[str, str]:
    home = project.folder / "home"
    home.mkdir(exist_ok=True)
    return {"HOME": str(home), "PYTHONPATH": f"{HERE}:{HERE.parents[1] / 'tests' / 'nvflare'}"}
