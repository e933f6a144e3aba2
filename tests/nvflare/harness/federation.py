"""A project, its genuine server, and whoever joins it."""

import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

from app.maths import Model

from .admin import Admin, log_in
from .gate import Gate
from .jobs import Job, final_model
from .kits import Change, as_made
from .lab import Lab
from .outcome import check, wait_until
from .parties import FedlinkSite, GenuineSite, Party, Place, Server
from .provision import ADMIN, provision

COMPLETED = "FINISHED:COMPLETED"
JOB_TIME = 240.0
BACK_TIME = 90.0
STORE_TIME = 60.0
P = TypeVar("P", bound=Party)


class Federation:
    """A new project whose server has started, unless `start` is false.

    `secure` is false for the plain mode: no TLS, no proofs of identity.
    """

    def __init__(
        self,
        lab: Lab,
        name: str = "federation",
        *,
        scheme: str = "tcp",
        secure: bool = True,
        start: bool = True,
    ) -> None:
        self.lab = lab
        self.folder = lab.folder / name
        self.project = provision(self.folder / "project", scheme=scheme, secure=secure)
        self.gate = Gate(self.folder / "gate")
        home = self.folder / "home"
        home.mkdir()
        environment = {"HOME": str(home), "PROOF_GATE": str(self.gate.folder)}
        # Nothing goes through a proxy of this machine.
        environment |= {"NO_PROXY": "*", "no_proxy": "*"}
        self._place = Place(self.project, self.folder, environment, secure)
        if start:
            self.serve()

    def serve(self, change_kit: Change = as_made) -> None:
        """Starts the server."""
        self.server = Server(self._place, change_kit)
        self.lab.start(self.server.process)
        self.server.is_up()

    def fedlink(
        self, name: str = "site-1", *, change_kit: Change = as_made, **options: Any
    ) -> Party:
        """Starts fedlink as this site; `options` are the others of `FedlinkSite`."""
        if self.lab.stand_in:
            return self.genuine(name, change_kit)
        return self._join(FedlinkSite(self._place, name, change_kit=change_kit, **options))

    def genuine(self, name: str = "site-2", change_kit: Change = as_made) -> Party:
        """Starts a genuine site of this name."""
        return self._join(GenuineSite(self._place, name, change_kit))

    def _join(self, site: P) -> P:
        self.lab.start(site.process)
        return site

    def admin(self) -> AbstractContextManager[Admin]:
        """A session of the administrator, for one `with` block."""
        kit = self.folder / "admin"
        if not kit.exists():
            self.project.unpack(ADMIN, kit)
        return log_in(kit)

    def listed(self, *sites: str) -> None:
        """Waits until the administrator sees just these sites."""
        with self.admin() as admin:
            wait_until(
                f"the administrator's list of {sites}",
                lambda: sorted(admin.clients()) == sorted(sites),
                BACK_TIME,
            )

    def submit(self, admin: Admin, job: Job) -> str:
        """Submits a job and gives its id."""
        return admin.submit(job.write(self.folder / "jobs"))

    def finish(self, admin: Admin, job: str) -> Model:
        """Waits for the good end of a job and gives the final model."""
        return final_model(self.result(admin, job, "final.npz"))

    def complete(self, admin: Admin, job: str) -> None:
        """Waits for the good end of a job."""
        status = admin.wait_for_end(job, JOB_TIME)
        check(status == COMPLETED, f"job {job} ended with {status}")

    def result(self, admin: Admin, job: str, file: str) -> Path:
        """Waits for the good end of a job and gives its downloaded result, in which there is
        this file. A job has ended before all of it is stored: what was fetched too early is
        dropped, and fetched again."""
        self.complete(admin, job)

        def whole() -> Path | None:
            folder = admin.download(job, self.folder / "results")
            if any(folder.rglob(file)):
                return folder
            shutil.rmtree(folder)
            return None

        found = wait_until(f"the stored result of job {job}", whole, STORE_TIME, pause=1.0)
        assert found is not None
        return found

    def run(self, job: Job) -> Model:
        """Runs a job to its good end, checks that the server has given and used each task
        once, and gives the final model."""
        since = self.server.log.mark()
        with self.admin() as admin:
            model = self.finish(admin, self.submit(admin, job))
        job.check_used(self.server.log, since)
        job.check_asked(self.server.log, since)
        return model
