"""The parties of a federation: the genuine server, genuine sites, and fedlink."""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from .logs import Log
from .processes import Process
from .provision import SERVER, Project

START = 60.0
TRAINER = Path(__file__).parent.parent / "app" / "exec_trainer"


class Party:
    """A process of the federation and its log."""

    def __init__(self, process: Process) -> None:
        self.process = process

    @property
    def log(self) -> Log:
        return self.process.log

    def start(self) -> None:
        self.process.start()

    def says(self, pattern: str, timeout: float, *, times: int = 1, since: int = 0) -> None:
        """Waits until its log says so."""
        self.log.wait_for(
            pattern, timeout, times=times, since=since, alive=lambda: self.process.alive
        )


class Server(Party):
    """The genuine server. What its jobs' processes say stands in its log too."""

    def __init__(self, project: Project, folder: Path, environment: dict[str, str], secure: bool):
        workspace = project.unpack(SERVER, folder / "server")
        super().__init__(
            Process(
                "server",
                _genuine("server.server_train", workspace, "fed_server.json", secure),
                log=folder / "server.log",
                cwd=workspace,
                environment=environment,
            )
        )

    def start(self) -> None:
        """Starts it and waits until it serves."""
        since = self.log.mark()
        super().start()
        self.says(r"Server started", START, since=since)

    def has_registered(self, site: str, *, times: int = 1, since: int = 0) -> None:
        """Waits until the site has registered so often."""
        self.says(rf"New client {site}@\S+ joined", START, times=times, since=since)


class GenuineSite(Party):
    """A genuine site."""

    def __init__(
        self, project: Project, name: str, folder: Path, environment: dict[str, str], secure: bool
    ) -> None:
        workspace = project.unpack(name, folder / name)
        super().__init__(
            Process(
                name,
                _genuine("client.client_train", workspace, "fed_client.json", secure)
                + [f"uid={name}"],
                log=folder / f"{name}.log",
                cwd=workspace,
                environment=environment,
            )
        )


class FedlinkSite(Party):
    """The program under test, with a copy of the kit as it was made, and what it writes."""

    def __init__(
        self,
        project: Project,
        name: str,
        folder: Path,
        environment: dict[str, str],
        *,
        arguments: Sequence[str] = (),
        change_kit: Callable[[Path], None] = lambda _kit: None,
        label: str = "",
    ) -> None:
        label = label or f"fedlink-{name}"
        home = folder / label
        kit = home / "kit"
        shutil.copytree(project.kit(name), kit)
        change_kit(kit)
        command = [os.environ["FEDLINK_PROGRAM"], "join", "--nvflare", kit]
        command += ["--state", home / "state", "--exec", TRAINER, *arguments]
        super().__init__(
            Process(label, command, log=folder / f"{label}.log", cwd=home, environment=environment)
        )


def _genuine(module: str, workspace: Path, configuration: str, secure: bool) -> list[str]:
    return [
        *(sys.executable, "-u", "-m", f"nvflare.private.fed.app.{module}"),
        *("-m", str(workspace), "-s", configuration, "--set"),
        *(f"secure_train={str(secure).lower()}", "org=example", "config_folder=config"),
    ]
