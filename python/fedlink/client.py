"""Trainers of your own.

    from fedlink.client import tasks

    for task in tasks():
        weights = train(task.params, epochs=task.config.get("epochs", 1))
        task.done(weights, weight=len(data), metrics={"accuracy": before})

`metrics` of a result tell how good the model is that the task *brought*.
"""

from __future__ import annotations

import contextlib
import logging
import math
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

# What the site takes: the least and the largest weight, bytes of all headers and of a metric's
# name, and how many metrics at a time.
MIN_WEIGHT = 2.0**-64
MAX_WEIGHT = 2.0**53
MAX_HEADERS = 64 << 10
MAX_METRIC_NAME = 255
MAX_METRICS = 1_000
# How many names are warned of: more tell nothing new.
MAX_WARNINGS = 1_000

logger = logging.getLogger("fedlink")
_warned: set[str] = set()


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
        number = float(done)
        if number == number:
            self._connection.say("progress", id=self.id, done=min(max(number, 0.0), 1.0))

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
            fields["weight"] = as_weight(weight)
        if metrics is not None:
            fields["metrics"] = as_numbers(metrics)
        if headers is not None:
            fields["headers"] = as_headers(headers)
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
    try:
        _task = Task(connection, message, job())
    except Exception as error:
        # The coordinator hears of a file that cannot be read, not of an exit code.
        connection.say("failed", id=message["id"], text=describe(error))
        raise
    return _task


def tasks() -> Iterator[Task]:
    """The tasks of the job, one after another, until it is over."""
    while (task := next_task()) is not None:
        yield task
        if task.is_open and task.stopped is not None:
            task.failed("Stopped")
        if task.is_open:
            raise RuntimeError(f"task {task.id} has no result: call its `done` or `failed`")


def log(values: Mapping[str, float], step: int | None = None) -> None:
    """Tells numbers for a plot."""
    fields: dict[str, Any] = {"values": as_numbers(values)}
    if step is not None:
        with contextlib.suppress(ValueError, OverflowError):
            fields["step"] = int(step)
    if fields["values"]:
        connect().say("metrics", **fields)


def as_numbers(values: Mapping[str, float]) -> dict[str, int | float]:
    """Those that can be sent. Training does not end because of the others: a warning names
    each once."""
    numbers: dict[str, int | float] = {}
    for name, value in values.items():
        what = f"metric `{name}`"
        try:
            number = as_number(what, value)
        except ValueError as error:
            warn_once(str(name), f"{error}: it is left out")
            continue
        if len(str(name).encode(errors="replace")) > MAX_METRIC_NAME:
            warn_once(str(name), f"{what:.100} has a name of more than {MAX_METRIC_NAME} bytes: it is left out")
        elif len(numbers) == MAX_METRICS:
            warn_once("", f"more than {MAX_METRICS} metrics at a time: the rest is left out")
        else:
            numbers[str(name)] = number
    return numbers


def as_number(what: str, value: Any) -> int | float:
    """A number of this process, or of another library, as JSON has it."""
    if isinstance(value, str) or not hasattr(value, "__float__"):
        raise TypeError(f"{what} must be a number, not {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{what} is {number}, and must be finite")
    if isinstance(value, int):
        return int(value)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def as_weight(value: Any) -> int | float:
    number = as_number("weight", value)
    if not MIN_WEIGHT <= number <= MAX_WEIGHT:
        raise ValueError(f"weight is {number}: it has to be more than 0 and at most 2**53")
    return number


def as_headers(headers: Mapping[str, str]) -> dict[str, str]:
    for name, text in headers.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise TypeError(f"header `{name}` must be a text, not {type(text).__name__}")
    size = sum(len(part.encode(errors="replace")) for pair in headers.items() for part in pair)
    if size > MAX_HEADERS:
        raise ValueError(f"the headers have {size} bytes, more than {MAX_HEADERS}")
    return dict(headers)


def warn_once(name: str, text: str) -> None:
    """A warning in the log of the site. No second one has this name."""
    if len(_warned) < MAX_WARNINGS and name not in _warned:
        _warned.add(name)
        logger.warning(text)


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
