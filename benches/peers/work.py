"""The work, the same for every system, and what it costs the server."""

import time
from dataclasses import dataclass

from crew import Failure
from system import System

SETTLE = 2.0


@dataclass(frozen=True)
class Row:
    """Something that each site does so many times, one after another."""

    name: str
    text: str
    times: int


@dataclass(frozen=True)
class Figure:
    """What was done, and what it took."""

    operations: int
    requests: int
    wire_bytes: int
    payload_bytes: int
    cpu: float
    """Seconds that the server's processes spent on CPUs."""
    seconds: float


def measure(system: System, row: Row, sites: int) -> Figure | None:
    """Has the sites do the work; none if the system knows no such thing.

    Fails if the server did not receive just the requests that the work is made of.
    """
    per_operation = system.requests.get(row.name)
    if per_operation is None:
        return None
    received, wire = system.received(), system.wire_bytes()
    before, begun = system.server.cpu(), time.monotonic()
    answer = system.sites.ask(f"{row.name} {row.times}")
    seconds = time.monotonic() - begun
    after, wire = system.server.cpu(), system.wire_bytes() - wire
    if before.keys() != after.keys():
        raise Failure(f"{system.name}: the processes of the server have changed in between")
    wanted = sites * row.times
    requests = _settled(system, received, wanted * per_operation)
    if (answer["operations"], requests) != (wanted, wanted * per_operation):
        raise Failure(
            f"{system.name}: unequal work: {row.text}: {wanted} operations of {per_operation} "
            f"requests were wanted, {answer['operations']} were answered, and the server has "
            f"received {requests} requests"
        )
    return Figure(
        operations=wanted,
        requests=requests,
        wire_bytes=wire,
        payload_bytes=answer["bytes"],
        cpu=sum(after.values()) - sum(before.values()),
        seconds=seconds,
    )


def _settled(system: System, before: int, wanted: int) -> int:
    """Requests received since; the server may take a moment to tell of the last ones."""
    end = time.monotonic() + SETTLE
    while (requests := system.received() - before) < wanted and time.monotonic() < end:
        time.sleep(0.05)
    return requests
