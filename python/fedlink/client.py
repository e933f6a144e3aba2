"""Trainers of your own.

    from fedlink.client import tasks

    for task in tasks():
        weights = train(task.params, epochs=task.config.get("epochs", 1))
        task.done(weights, weight=len(data), metrics={"accuracy": before})

`metrics` of a result tell how good the model is that the task *brought*.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Literal

from . import container
from ._connection import Connection, Message
from ._failure import describe

__all__ = ["Job", "Refused", "Task", "job", "log", "tasks"]

Kind = Literal["full", "diff"]


class Refused(RuntimeError):
    """The site did not take the result; the text says why."""


class Job:
    """The job that this program was started for."""

    def __init__(self, message: Message) -> None:
        self.id: str = message["job"]
        self.kind: str = message["kind"]
        self.site: str = message["site"]
        self.config: dict[str, Any] = message.get("config", {})


class Task:
    """One task. It ends with `done` or `failed`."""

    def __init__(self, connection: Connection, message: Message, job: Job) -> None:
        self._connection = connection
        self._open = True
        self.job = job
        self.id: str = message["id"]
        self.name: str = message["task"]
        self.round: int | None = message.get("round")
        self.rounds: int | None = message.get("rounds")
        self.kind: str | None = message.get("kind")
        self.headers: dict[str, str] = message.get("headers", {})
        self.again: bool = message.get("again", False)
        # As a rule a dict of arrays by name. None: the task brings no model.
        self.params: Any = None
        if (name := message.get("file")) is not None:
            path = connection.path(name)
            self.params = container.load(path)
            os.unlink(path)

    @property
    def config(self) -> dict[str, Any]:
        """What the job tells its trainers."""
        return self.job.config

    @property
    def stopped(self) -> str | None:
        """Why the task is no longer wanted, if it is not: look at it between batches, and go
        on to the next task when it is set."""
        return self._connection.stopped(self.id)

    def progress(self, done: float) -> None:
        """Tells how much of the task is done, from 0 to 1."""
        self._connection.say("progress", id=self.id, done=float(done))

    def log(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Tells numbers for a plot."""
        log(values, step)

    def done(
        self,
        params: Any = None,
        *,
        weight: float | None = None,
        metrics: Mapping[str, float] | None = None,
        headers: Mapping[str, str] | None = None,
        kind: Kind = "full",
    ) -> None:
        """Hands in the result. When it returns the site keeps it for good, unless the task is
        `stopped`.

        Raises Refused if the site does not take it.
        """
        self._must_be_open()
        if self.stopped is not None:
            return self.failed("Stopped")
        fields: dict[str, Any] = {}
        if params is not None:
            fields |= {"file": f"{self.id}.out", "kind": kind}
            container.save(self._connection.path(fields["file"]), params)
        if weight is not None:
            fields["weight"] = as_number("weight", weight)
        if metrics is not None:
            fields["metrics"] = as_numbers(metrics)
        if headers is not None:
            fields["headers"] = dict(headers)
        self._connection.forget_answers()
        self._connection.say("result", id=self.id, **fields)
        # Only now: whatever went wrong before is told as the failure of the task.
        self._open = False
        answer = self._connection.answer(self.id)
        if answer.get("refused") is not None:
            raise Refused(answer["refused"])

    def failed(self, text: str) -> None:
        """Tells that there is no result. What of the text leaves the site is the operator's
        choice: by default only the type before its first colon, as in `ValueError: …`."""
        self._must_be_open()
        self._open = False
        self._connection.say("failed", id=self.id, text=text)

    def _must_be_open(self) -> None:
        if not self._open:
            raise RuntimeError(f"task {self.id} has ended already")

    @property
    def is_open(self) -> bool:
        """True until `done` or `failed`."""
        return self._open


_connection: Connection | None = None
_job: Job | None = None
_task: Task | None = None


def connect() -> Connection:
    """The connection of this process; made when it is first asked for."""
    global _connection, _job
    if _connection is None:
        _connection = Connection()
        _job = Job(_connection.job)
        sys.excepthook = _report_and(sys.excepthook)
    return _connection


def job() -> Job:
    """The job that this program was started for."""
    connect()
    assert _job is not None
    return _job


def next_task(timeout: float | None = None) -> Task | None:
    """Waits for a task, as long as it may take. None: the time is over, or the job."""
    global _task
    connection = connect()
    if (message := connection.next_task(timeout)) is None:
        return None
    _task = Task(connection, message, job())
    return _task


def tasks() -> Iterator[Task]:
    """The tasks of the job, one after another, until it is over."""
    while (task := next_task()) is not None:
        yield task
        if task.is_open:
            raise RuntimeError(f"task {task.id} has no result: call its `done` or `failed`")


def log(values: Mapping[str, float], step: int | None = None) -> None:
    """Tells numbers for a plot."""
    fields: dict[str, Any] = {"values": as_numbers(values)}
    if step is not None:
        fields["step"] = int(step)
    connect().say("metrics", **fields)


def as_numbers(values: Mapping[str, float]) -> dict[str, int | float]:
    return {str(name): as_number(f"metric `{name}`", value) for name, value in values.items()}


def as_number(what: str, value: Any) -> int | float:
    """A number of this process, or of another library, as JSON has it."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str) or not hasattr(value, "__float__"):
        raise TypeError(f"{what} must be a number, not {type(value).__name__}")
    number = float(value)
    if number - number != 0:
        raise ValueError(f"{what} is {number}, and must be finite")
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def report(error: BaseException) -> None:
    """Tells the site why the open task has no result."""
    if _task is not None and _task.is_open:
        _task.failed(describe(error))


def _report_and(hook: Any) -> Any:
    def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        try:
            report(error)
        except OSError:
            pass
        hook(kind, error, trace)

    return tell
