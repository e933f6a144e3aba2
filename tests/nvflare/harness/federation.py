"""A project, its genuine server, and whoever joins it."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from .admin import Admin, log_in
from .gate import Gate
from .jobs import Job, final_model
from .lab import Lab
from .outcome import check
from .parties import FedlinkSite, GenuineSite, Party, Server
from .provision import ADMIN, Project, edit, provision

COMPLETED = "FINISHED:COMPLETED"
JOB = 180.0


class Federation:
    """A new project whose server has started.

    `secure` is false for the plain mode: no TLS, no proofs of identity.
    """

    def __init__(
        self, lab: Lab, name: str = "federation", *, scheme: str = "tcp", secure: bool = True
    ) -> None:
        self.lab = lab
        self.folder = lab.folder / name
        self.secure = secure
        self.project = provision(self.folder / "project", scheme=scheme)
        if not secure:
            _turn_off_security(self.project)
        self.gate = Gate(self.folder / "gate")
        home = self.folder / "home"
        home.mkdir()
        self._environment = {"HOME": str(home), "PROOF_GATE": str(self.gate.folder)}
        self.server = lab.add(Server(self.project, self.folder, self._environment, secure))
        self.server.start()

    def fedlink(self, name: str = "site-1", **options: Any) -> Party:
        """Starts fedlink as this site; `options` are those of `FedlinkSite`."""
        if self.lab.stand_in:
            return self.genuine(name)
        site = FedlinkSite(self.project, name, self.folder, self._environment, **options)
        return self._join(site)

    def genuine(self, name: str = "site-2") -> Party:
        """Starts a genuine site of this name."""
        site = GenuineSite(self.project, name, self.folder, self._environment, self.secure)
        return self._join(site)

    def _join(self, site: Party) -> Party:
        self.lab.add(site).start()
        return site

    def admin(self) -> AbstractContextManager[Admin]:
        """A session of the administrator, for one `with` block."""
        kit = self.folder / "admin"
        if not kit.exists():
            self.project.unpack(ADMIN, kit)
        return log_in(kit)

    def run(self, job: Job, timeout: float = JOB) -> dict[str, np.ndarray]:
        """Runs a job to its end, which must be good, and gives the final model."""
        with self.admin() as admin:
            return self.finish(admin, admin.submit(self.write(job)), timeout)

    def write(self, job: Job) -> Path:
        return job.write(self.folder / "jobs")

    def finish(self, admin: Admin, job: str, timeout: float = JOB) -> dict[str, np.ndarray]:
        """Waits for the good end of a job and gives the final model."""
        status = admin.wait_for_end(job, timeout)
        check(status == COMPLETED, f"job {job} ended with {status}")
        return final_model(admin.download(job, self.folder / "results"))


def _turn_off_security(project: Project) -> None:
    for file in project.kit("").glob("*/startup/fed_*.json"):

        def change(content: dict[str, Any]) -> None:
            for part in [content, *content.values()]:
                for each in part if isinstance(part, list) else [part]:
                    if isinstance(each, dict) and "connection_security" in each:
                        each["connection_security"] = "clear"

        edit(file, change)
