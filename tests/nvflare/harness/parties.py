"""The parties of a federation: the genuine server, genuine sites, and fedlink."""

import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .kits import Change, as_made
from .logs import Log
from .processes import Process
from .provision import SERVER, Project

START = 60.0
APP = Path(__file__).parent.parent / "app"
# What the executors of the jobs here do, done by a program.
EXECUTOR = "site_app.NumpyExecutor"


@dataclass(frozen=True)
class Place:
    """Where the parties of a project run, and how."""

    project: Project
    folder: Path
    environment: dict[str, str]
    secure: bool

    def process(
        self,
        name: str,
        command: Sequence[str | Path],
        cwd: Path,
        environment: Mapping[str, str] = {},
    ) -> Process:
        log = self.folder / f"{name}.log"
        both = {**self.environment, **environment}
        return Process(name, command, log=log, cwd=cwd, environment=both)

    def genuine(self, module: str, workspace: Path, configuration: str) -> list[str]:
        """The command that a kit's own start script ends with."""
        return [
            *(sys.executable, "-u", "-m", f"nvflare.private.fed.app.{module}"),
            *("-m", str(workspace), "-s", configuration, "--set", "config_folder=config"),
            *(f"secure_train={str(self.secure).lower()}", "org=example"),
        ]


class Party:
    """A process of the federation and its log."""

    def __init__(self, process: Process) -> None:
        self.process = process

    @property
    def log(self) -> Log:
        return self.process.log

    def says(self, pattern: str, timeout: float, *, times: int = 1, since: int = 0) -> None:
        """Waits until its log says so."""
        self.log.wait_for(
            pattern, timeout, times=times, since=since, alive=lambda: self.process.alive
        )


class Server(Party):
    """The genuine server. What its jobs' processes say stands in its log too."""

    def __init__(self, place: Place, change_kit: Change = as_made) -> None:
        workspace = place.project.unpack(SERVER, place.folder / "server")
        change_kit(workspace)
        command = place.genuine("server.server_train", workspace, "fed_server.json")
        super().__init__(place.process("server", command, workspace))

    def is_up(self, since: int = 0) -> None:
        """Waits until it serves."""
        self.says(r"Server started", START, since=since)

    def restart(self, pause: float) -> None:
        """Kills it as a crash would, and starts it again after so many seconds."""
        self.process.kill()
        time.sleep(pause)
        since = self.log.mark()
        self.process.start()
        self.is_up(since)

    def registrations(self, site: str) -> int:
        """How often the site has registered."""
        return self.log.count(_joined(site))

    def has_registered(self, site: str, *, times: int = 1) -> None:
        """Waits until the site has registered `times` times."""
        self.says(_joined(site), START, times=times)


def _joined(site: str) -> str:
    return rf"New client {site}@\S+ joined"


class GenuineSite(Party):
    """A genuine site."""

    def __init__(self, place: Place, name: str, change_kit: Change = as_made) -> None:
        workspace = place.project.unpack(name, place.folder / name)
        change_kit(workspace)
        command = place.genuine("client.client_train", workspace, "fed_client.json")
        super().__init__(place.process(name, [*command, f"uid={name}"], workspace))


class FedlinkSite(Party):
    """The program under test, with a kit as it was made unless that is to be changed.

    Two processes may have the same name of a site, under different labels. One that does
    not train leaves as soon as it is registered and a heartbeat was answered.
    """

    def __init__(
        self,
        place: Place,
        name: str,
        *,
        change_kit: Change = as_made,
        label: str = "fedlink",
        trains: bool = True,
        program: str = "exec_trainer",
        accepts: Sequence[str] = ("--accept-executors", EXECUTOR),
        on_replaced: str = "stop",
        environment: Mapping[str, str] = {},
    ) -> None:
        home = place.folder / label
        kit = home / "kit"
        shutil.copytree(place.project.kit(name), kit)
        change_kit(kit)
        work = [*accepts, "--exec", APP / program] if trains else ["--once"]
        command = [
            *(os.environ["FEDLINK_PROGRAM"], "join", "--nvflare", kit),
            *("--state", home / "state", "--on-replaced", on_replaced, *work),
        ]
        super().__init__(place.process(label, command, home, environment))
