"""The genuine NVFlare server, over TCP with TLS on both sides."""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from harness.admin import log_in
from harness.logs import Log
from harness.outcome import Failure
from harness.provision import ADMIN, SERVER, Project, edit

from crew import Crew, Process
from system import System

HERE = Path(__file__).resolve().parent
START = 180.0


class Nvflare(System):
    """NVFlare's server and sites."""

    name = "NVFlare"
    requests: ClassVar = {"heartbeat": 1, "rejoin": 4, "poll": 1, "fetch": 1, "submit": 1}

    def __init__(self, crew: Crew, folder: Path, project: Project) -> None:
        self._crew = crew
        self._folder = folder
        self._works = False
        self.project = project
        self.port = project.port
        workspace = self._unpack(SERVER)
        tally = {"id": "tally", "path": "nvflare_tally.Tally", "args": {}}
        edit(
            workspace / "local" / "resources.json",
            lambda resources: resources["components"].append(tally),
        )
        self.server = self._start("server", "server.server_train", workspace, "fed_server.json")
        Log(self.server.log).wait_for(r"Server started", START, alive=lambda: self.server.alive)

    def bring(self, names: Sequence[str]) -> Process:
        self._names = names
        kits = [self.project.kit(name) for name in names]
        command = [sys.executable, HERE / "nvflare_sites.py", str(self.port), *kits]
        process = self._crew.start(
            f"{self._folder.name}-sites", command, environment=self._environment()
        )
        if process.answer()["sites"] != len(names):
            raise Failure("not all sites of NVFlare have started")
        return process

    def received(self) -> int:
        counts = self.sites.ask("count")
        # Asking is a request too, of another kind.
        if self._works:
            work = self.sites.ask("count_work")
            return sum(counts.values()) + work["asked"] + work["results"]
        return sum(counts.values())

    def begin(self) -> None:
        """Starts the job, and waits until all sites are in it."""
        with log_in(self._unpack(ADMIN)) as admin:
            admin.submit(_write_job(self._folder / "job"))
        self.sites.ask("start_job")
        self.sites.ask("wait_for_job")
        self._works = True

    def assign(self, size: int) -> None:
        self.sites.ask(f"assign {size}")

    def handed_in(self) -> int:
        return int(self.sites.ask("count_work")["result_bytes"])

    def alone(self, times: int, size: int) -> dict[str, float]:
        rounds = times // len(self._names)
        heartbeat = self.sites.ask(f"alone {times}")
        return {**heartbeat, **self.sites.ask(f"alone_in_job {rounds} {size}")}

    def start_client(self, name: str) -> Process:
        workspace = self._unpack(name)
        return self._start(name, "client.client_train", workspace, "fed_client.json", f"uid={name}")

    def is_registered(self, client: Process) -> bool:
        return Log(client.log).has(r"Successfully registered client")

    def _unpack(self, party: str) -> Path:
        folder = self._folder / "parties" / party
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        return self.project.unpack(party, folder)

    def _start(
        self, label: str, module: str, workspace: Path, configuration: str, *more: str
    ) -> Process:
        """Starts a party as its kit's own script does."""
        command = [
            *(sys.executable, "-u", "-m", f"nvflare.private.fed.app.{module}"),
            *("-m", workspace, "-s", configuration, "--set", "config_folder=config"),
            *("secure_train=true", "org=example", *more),
        ]
        return self._crew.start(
            f"{self._folder.name}-{label}",
            command,
            cwd=workspace,
            environment=self._environment(),
            speaks=False,
        )

    def _environment(self) -> dict[str, str]:
        home = self._folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        return {"HOME": str(home)}


def _write_job(job: Path) -> Path:
    """The job as the administrator submits it."""
    app = job / "app"
    (app / "config").mkdir(parents=True)
    (app / "custom").mkdir()
    shutil.copy(HERE / "nvflare_work.py", app / "custom")
    common = {"format_version": 2, "task_data_filters": [], "task_result_filters": []}
    work = {"id": "work", "path": "nvflare_work.Work", "args": {}}
    configurations = {
        "server": {**common, "components": [], "workflows": [work]},
        "client": {**common, "components": [], "executors": []},
    }
    for party, configuration in configurations.items():
        file = app / "config" / f"config_fed_{party}.json"
        file.write_text(json.dumps(configuration))
    meta = {"name": "work", "resource_spec": {}, "min_clients": 1, "deploy_map": {"app": ["@ALL"]}}
    (job / "meta.json").write_text(json.dumps(meta))
    return job
