"""The work, the same for every system, and what it costs the server."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from harness.outcome import Failure

from system import System

SETTLE = 2.0
TAIL = 0.02
CLIENT_START = 180.0


@dataclass(frozen=True)
class Cost:
    """Operations of the same kind, and what they took."""

    operations: int
    requests: int
    """What the server has received, by its own count."""
    wire_bytes: int
    """What the system has received for it."""
    payload_bytes: int
    cpu: float
    """Seconds that the server's processes spent on CPUs."""
    seconds: float

    def __add__(self, other: "Cost") -> "Cost":
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Cost(*(mine + its for mine, its in pairs))


def measure(system: System, operation: str, sites: int, times: int, size: int = 0) -> Cost:
    """Has each site do this so many times, one after another.

    Fails if the server did not receive just the requests that the work is made of.
    """
    expected = sites * times
    received, wire = system.received(), system.wire_bytes()
    time.sleep(TAIL)
    before, begun = system.server.cpu(), time.monotonic()
    answer = system.sites.ask(f"{operation} {times} {size}" if size else f"{operation} {times}")
    seconds = time.monotonic() - begun
    time.sleep(TAIL)
    cpu, wire = system.server.cpu() - before, system.wire_bytes() - wire
    wanted = expected * system.requests[operation]
    requests = _settled(system, received, wanted)
    if (answer["operations"], requests) != (expected, wanted):
        raise Failure(
            f"unequal work: {operation} with {system.name}: {expected} operations of "
            f"{system.requests[operation]} requests were wanted, {answer['operations']} were "
            f"answered, and the server has received {requests} requests"
        )
    return Cost(expected, requests, wire, answer["bytes"], cpu, seconds)


def measure_bare(system: System, sites: int, times: int) -> float:
    """Seconds of CPU that the server takes to answer a heartbeat's bytes with as many as its
    answer has: what no server can do without on such connections. Zero if it cannot."""
    port = system.bare()
    if not port:
        return 0.0
    system.sites.ask(f"bare 1 {port}")
    time.sleep(TAIL)
    before = system.server.cpu()
    system.sites.ask(f"bare {times} {port}")
    time.sleep(TAIL)
    return (system.server.cpu() - before) / (sites * times)


def measure_tasks(system: System, sites: int, rounds: int, size: int) -> tuple[Cost, Cost]:
    """In each round every site fetches a task and then hands in its result, both of this
    size. The costs of fetching and of handing in; what the application does is in neither."""
    fetched = submitted = Cost(0, 0, 0, 0, 0.0, 0.0)
    handed_in = system.handed_in()
    for _ in range(rounds):
        system.assign(size)
        fetched += measure(system, "fetch", sites, 1)
        submitted += measure(system, "submit", sites, 1, size)
    _check_bytes(system, "fetched", fetched.payload_bytes, sites * rounds * size)
    _check_bytes(system, "handed in", system.handed_in() - handed_in, sites * rounds * size)
    return fetched, submitted


@dataclass(frozen=True)
class Transfer:
    """One large result, from one site to the server."""

    payload_bytes: int
    wire_bytes: int
    cpu: float
    seconds: float
    memory: int
    """Resident bytes of the server before."""
    peak: int
    """The most of them while it came."""


def measure_transfer(system: System, site: str, size: int, operation: str) -> Transfer:
    """The first thing that a new server does, so that nothing else is in its memory."""
    system.sites = system.enter([site])
    system.begin()
    system.sites.ask(f"prepare {size}")
    system.assign(1024)
    system.sites.ask("fetch 1")
    handed_in, wire = system.handed_in(), system.wire_bytes()
    system.server.forget_peak()
    memory, before, begun = system.server.memory(), system.server.cpu(), time.monotonic()
    system.sites.ask(f"{operation} 1 {size}")
    seconds = time.monotonic() - begun
    time.sleep(TAIL)
    cpu, peak = system.server.cpu() - before, system.server.peak()
    wire = system.wire_bytes() - wire
    _check_bytes(system, "handed in", system.handed_in() - handed_in, size)
    if wire < size:
        raise Failure(f"{system.name}: {size} bytes were handed in and {wire} have come")
    return Transfer(size, wire, cpu, seconds, memory, peak)


@dataclass(frozen=True)
class Memory:
    """What a server holds for those that have registered."""

    clients: int
    bytes: int
    """By which its resident memory has grown for so many clients."""


def measure_memory(system: System, names: Sequence[str]) -> Memory:
    """How much the second half of these sites adds: the first half warms the server up."""
    half = len(names) // 2
    system.sites = system.enter(names[:half])
    time.sleep(1)
    before = system.server.memory()
    system.enter(names[half:])
    time.sleep(1)
    return Memory(len(names) - half, system.server.memory() - before)


@dataclass(frozen=True)
class Start:
    """What it takes until a client process has registered."""

    seconds: float
    cpu: float
    peak: int


def measure_start(system: System, name: str, times: int) -> Start:
    """The medians of so many starts, one after another."""
    starts = [_start(system, name) for _ in range(times)]
    columns = zip(*(vars(start).values() for start in starts), strict=True)
    seconds, cpu, peak = (median(column) for column in columns)
    return Start(seconds, cpu, int(peak))


def _start(system: System, name: str) -> Start:
    begun = time.monotonic()
    client = system.start_client(name)
    while not system.is_registered(client):
        if time.monotonic() - begun > CLIENT_START or not client.alive:
            raise Failure(f"a client of {system.name} did not register: see {client.log}")
        time.sleep(0.002)
    start = Start(time.monotonic() - begun, client.cpu(), client.peak())
    client.stop()
    return start


def measure_idle(system: System, seconds: float) -> float:
    """The share of a CPU that the server takes while its sites are silent."""
    before = system.server.cpu()
    time.sleep(seconds)
    return (system.server.cpu() - before) / seconds


def _settled(system: System, before: int, wanted: int) -> int:
    """Requests received since; the server may take a moment to tell of the last ones."""
    end = time.monotonic() + SETTLE
    while (requests := system.received() - before) < wanted and time.monotonic() < end:
        time.sleep(0.05)
    return requests


def _check_bytes(system: System, what: str, came: int, wanted: int) -> None:
    if came != wanted:
        raise Failure(f"unequal work with {system.name}: {came} bytes were {what}, not {wanted}")
