"""The program's end of the trainer protocol: docs/trainers.md describes it."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import socket
import threading
from typing import Any

VERSION = 1
# The longest line, in bytes with its end.
MAX_LINE = 1 << 20
# The variable that names the socket.
SOCKET = "FEDLINK_SOCKET"

Message = dict[str, Any]


class SiteGone(ConnectionError):
    """The site has closed its end of the socket."""


class Connection:
    """One connection to the site. A thread reads it, so that `stop` is heard while the
    program computes, and `ping` answered."""

    def __init__(self) -> None:
        path = os.environ.get(SOCKET)
        if not path:
            raise RuntimeError(
                f"{SOCKET} is not set: this program is started by a site, as docs/trainers.md"
                " says; to try it, start it with `fedlink-trainer --model FILE -- PROGRAM`"
            )
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(path)
        self._sending = threading.Lock()
        self._tasks: queue.Queue[Message | None] = queue.Queue()
        self._answers: queue.Queue[Message | None] = queue.Queue()
        self._stopped: dict[str, str] = {}
        self.ended: str | None = None
        self._lines = self._socket.makefile("rb")
        self.say("hello", versions=[VERSION], pid=os.getpid())
        self.job = self._first()
        threading.Thread(target=self._listen, name="fedlink", daemon=True).start()
        self.say("ready")

    def _first(self) -> Message:
        message = self._read()
        if message is None:
            raise SiteGone("the site closed the socket before it told of the job")
        if message.get("say") != "job" or message.get("v") != VERSION:
            raise RuntimeError(f"the site began with {message.get('say')!r}, version {message.get('v')!r}")
        return message

    def _read(self) -> Message | None:
        """The next message, or None at the end."""
        line = self._lines.readline(MAX_LINE)
        if not line.endswith(b"\n"):
            return None
        message = json.loads(line)
        if not isinstance(message, dict):
            raise RuntimeError("the site sent a line that is no JSON object")
        return message

    def _listen(self) -> None:
        # A line that means nothing ends the connection, and who waits must hear of it.
        with contextlib.suppress(OSError, ValueError, KeyError, RecursionError, RuntimeError):
            while (message := self._read()) is not None:
                match message.get("say"):
                    case "task":
                        self._tasks.put(message)
                    case "taken":
                        self._answers.put(message)
                    case "stop":
                        self._stopped[message["id"]] = message.get("why", "")
                        self._answers.put(message)
                    case "end":
                        self.ended = message.get("why", "")
                        break
                    case "ping":
                        self.say("pong")
        if self.ended is None:
            self.ended = "the site is gone"
        self._tasks.put(None)
        self._answers.put(None)

    def say(self, what: str, **fields: Any) -> None:
        """Sends one message. Numbers must be finite: JSON has no others."""
        line = json.dumps({"say": what, **fields}, allow_nan=False).encode() + b"\n"
        if len(line) > MAX_LINE:
            raise ValueError(f"a message of {len(line)} bytes is longer than {MAX_LINE}")
        with self._sending:
            try:
                self._socket.sendall(line)
            except OSError as error:
                raise SiteGone(f"the site is gone: {error}") from error

    def next_task(self, timeout: float | None = None) -> Message | None:
        """Waits for a task. None: the time is over, or, if `ended` is set, the job."""
        try:
            message = self._tasks.get(timeout=timeout)
        except queue.Empty:
            return None
        if message is None:
            self._tasks.put(None)
        return message

    def stopped(self, task: str) -> str | None:
        """Why the task is no longer wanted, if it is not."""
        return self._stopped.get(task)

    def answer(self, task: str) -> Message:
        """Waits for `taken` or `stop` of this task."""
        while (message := self._answers.get()) is not None:
            if message["id"] == task:
                return message
        self._answers.put(None)
        raise SiteGone(f"the result was not confirmed: {self.ended}")

    def forget_answers(self) -> None:
        """What is left of tasks before."""
        with contextlib.suppress(queue.Empty):
            while True:
                message = self._answers.get_nowait()
                if message is None:
                    self._answers.put(None)
                    return

    def path(self, name: str) -> str:
        """A file of the folder that this process shares with the site."""
        return os.path.join(self.job["folder"], name)


