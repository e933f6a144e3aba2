"""The project's administrator, through the genuine admin API."""

import contextlib
import io
from collections.abc import Iterator
from inspect import signature
from pathlib import Path

from nvflare.fuel.flare_api.flare_api import Session, new_secure_session

from .outcome import wait_until
from .provision import ADMIN

LOGIN = 30.0


class Admin:
    """A session with the server."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def clients(self) -> dict[str, float]:
        """The sites that the server lists, and when each was last heard of (Unix seconds)."""
        listed = self._session.get_connected_client_list()
        return {client.name: client.last_connect_time for client in listed}

    def submit(self, job: Path) -> str:
        """Signs and submits a job's folder, and gives the job's id."""
        return str(self._session.submit_job(str(job)))

    def status(self, job: str) -> str:
        return str(self._session.get_job_meta(job).get("status", ""))

    def wait_for_end(self, job: str, timeout: float) -> str:
        """The status with which the job has ended, such as FINISHED:COMPLETED."""

        def ended() -> str:
            status = self.status(job)
            return status if status.startswith("FINISHED") else ""

        return wait_until(f"the end of job {job}", ended, timeout, pause=1.0)

    def abort(self, job: str) -> None:
        self._session.abort_job(job)

    def disable(self, site: str) -> None:
        self._session.disable_client(site)

    def download(self, job: str, folder: Path) -> Path:
        """Fetches what a finished job has left, and gives its folder."""
        download = self._session.download_job_result
        # Releases before 2.9 choose the folder themselves.
        where = (str(folder),) if "destination" in signature(download).parameters else ()
        return Path(download(job, *where))


@contextlib.contextmanager
def log_in(kit: Path) -> Iterator[Admin]:
    """A session that ends with the block. What the API prints is left out."""
    with contextlib.redirect_stdout(io.StringIO()):
        session = new_secure_session(ADMIN, str(kit), timeout=LOGIN)
    try:
        yield Admin(session)
    finally:
        with contextlib.redirect_stdout(io.StringIO()):
            session.close()
