"""A site for the tests: it drives one program over the socket, step by step."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from types import TracebackType
from typing import Any

from fedlink import container

SCRIPTS = os.path.join(os.path.dirname(__file__), "scripts")


class Site:
    def __init__(self, *words: str, config: dict[str, Any] | None = None, environment: dict[str, str] | None = None):
        self._folder = tempfile.TemporaryDirectory()
        self.folder = self._folder.name
        path = os.path.join(self.folder, "socket")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(1)
            listener.settimeout(60)
            self.program = subprocess.Popen(
                [sys.executable, *words],
                env={**os.environ, **(environment or {}), "FEDLINK_SOCKET": path},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            self._connection, _ = listener.accept()
        self._lines = self._connection.makefile("r")
        self.hello = self.hear()
        job = {"v": 1, "job": "job-1", "kind": "plus", "site": "site-1", "config": config or {}}
        self.say("job", **job, folder=self.folder)
        self.ready = self.hear()

    def say(self, what: str, **fields: Any) -> None:
        self._connection.sendall(json.dumps({"say": what, **fields}).encode() + b"\n")

    def hear(self) -> dict[str, Any]:
        line = self._lines.readline()
        return json.loads(line) if line else {"say": "closed"}

    def give(self, id: str, params: Any = None, task: str = "train", **fields: Any) -> None:
        if params is not None:
            fields["file"] = f"{id}.in"
            container.save(os.path.join(self.folder, fields["file"]), params)
        self.say("task", id=id, task=task, headers=fields.pop("headers", {}), again=False, **fields)

    def result(self, refused: str | None = None) -> dict[str, Any]:
        """The next message that is no metrics; a result has its arrays as `params`."""
        message = self.hear()
        while message["say"] in ("metrics", "progress"):
            message = self.hear()
        if message["say"] == "result":
            if "file" in message:
                message["params"] = container.load(os.path.join(self.folder, message["file"]))
            self.say("taken", id=message["id"], **({} if refused is None else {"refused": refused}))
        return message

    def run(self, id: str, params: Any = None, task: str = "train", **fields: Any) -> dict[str, Any]:
        self.give(id, params, task, **fields)
        return self.result()

    def end(self) -> tuple[int, str]:
        """The exit code of the program, and what it has printed."""
        self.say("end", why="done")
        return self.wait()

    def wait(self) -> tuple[int, str]:
        printed, _ = self.program.communicate(timeout=60)
        return self.program.returncode, printed

    def __enter__(self) -> Site:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.program.kill()
        self.program.communicate()
        self._lines.close()
        self._connection.close()
        self._folder.cleanup()


def flare(script: str, *words: str, **fields: Any) -> Site:
    """A site that runs a script for NVFlare's Client API, given as a text or a file's name."""
    if script.endswith(".py"):
        return Site("-m", "fedlink.flare", *words, os.path.join(SCRIPTS, script), **fields)
    file = tempfile.NamedTemporaryFile("w", suffix=".py", delete=False)
    with file:
        file.write(script)
    return Site("-m", "fedlink.flare", *words, file.name, **fields)
