"""Sees trainings begin, and holds them: the other side of app/gate.py."""

from pathlib import Path

from .outcome import wait_until


class Gate:
    """The folder through which the harness and the trainers see each other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)

    def hold(self, site: str, number: int) -> None:
        """Has this round of the site wait, once it begins in the next job."""
        self._file(site, number, "begun").unlink(missing_ok=True)
        self._file(site, number, "hold").touch()

    def let_go(self, site: str, number: int) -> None:
        self._file(site, number, "hold").unlink()

    def trainer(self, site: str, number: int, timeout: float) -> int:
        """Waits until this round of the site has begun; the process id of its trainer."""
        begun = self._file(site, number, "begun")
        wait_until(f"round {number} of {site}", begun.exists, timeout)
        return int(begun.read_text())

    def _file(self, site: str, number: int, state: str) -> Path:
        return self.folder / f"{site}-round-{number}.{state}"
