"""The whole comparison: starts one system after another, has each do the same work, and
prints the table."""

import json
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from mmap import PAGESIZE, mmap
from pathlib import Path

from harness.outcome import Failure
from harness.provision import provision

import machine
import table
from crew import Crew
from fedlink import Fedlink
from flower_server import Flower
from nvflare_server import Nvflare
from options import parse
from report import Report, Transferred
from system import System
from work import (
    measure,
    measure_bare,
    measure_idle,
    measure_memory,
    measure_start,
    measure_tasks,
    measure_transfer,
)

RUN = Path(__file__).resolve().parents[2] / "target" / "peers" / "run"
SITES = 16
SMALL = 1024


@dataclass(frozen=True)
class Amount:
    """How much of everything; each site does so many of an operation."""

    heartbeats: int
    rejoins: int
    polls: int
    rounds: int
    large: int
    registered: int
    idle: float
    starts: int
    alone: int
    """In all, for NVFlare; fedlink does a hundred times as many."""


FULL = Amount(250, 25, 100, 25, 1 << 30, 64, 5.0, 3, 3200)
QUICK = Amount(50, 5, 20, 5, 64 << 20, 32, 1.0, 1, 320)


def compare(amount: Amount, crew: Crew, folder: Path, report: Report) -> None:
    """Fills the report."""
    names = [f"site-{number:02}" for number in range(1, amount.registered + 1)]
    _say("making certificates for NVFlare")
    project = provision(folder / "kits", sites=names)
    fedlinks = {
        label: lambda place, suite=suite, transport=transport: Fedlink(
            crew, folder / place, names, suite=suite, transport=transport
        )
        for label, suite, transport in (
            ("fedlink, TLS", "bearer", "tls"),
            ("fedlink, sealed", "sealed", "tcp"),
            ("fedlink, in the clear", "bearer", "tcp"),
        )
    }
    makers: dict[str, Callable[[str], System]] = {
        "fedlink": fedlinks["fedlink, TLS"],
        "NVFlare": lambda place: Nvflare(crew, folder / place, project),
        "Flower": lambda place: Flower(crew, folder / place, project),
    }
    transfers: list[Transferred] = [
        *((label, make, "submit") for label, make in fedlinks.items()),
        ("NVFlare, bytes", makers["NVFlare"], "submit"),
        ("NVFlare, array", makers["NVFlare"], "submit_array"),
        ("Flower, array", makers["Flower"], "submit_array"),
    ]
    for name, make in makers.items():
        place = name.lower()
        _say(f"{name}: small messages")
        _small(make(f"{place}-small"), amount, names[:SITES], report)
        crew.stop()
        _say(f"{name}: memory")
        report.memory[name] = measure_memory(make(f"{place}-memory"), names)
        crew.stop()
        _say(f"{name}: start of clients")
        report.start[name] = measure_start(make(f"{place}-start"), names[0], amount.starts)
        crew.stop()
    _touch(6 * amount.large)
    for number, (label, make, operation) in enumerate(transfers):
        _say(f"{label}: {amount.large >> 20} MiB")
        system = make(f"transfer-{number}")
        report.transfer[label] = measure_transfer(system, names[0], amount.large, operation)
        crew.stop()


def _small(system: System, amount: Amount, names: list[str], report: Report) -> None:
    sites = len(names)
    system.sites = system.enter(names)
    costs = {
        "heartbeat": measure(system, "heartbeat", sites, amount.heartbeats),
        "quit, challenge, register, first heartbeat": measure(
            system, "rejoin", sites, amount.rejoins
        ),
    }
    system.begin()
    costs["poll, no task there"] = measure(system, "poll", sites, amount.polls)
    fetched, submitted = measure_tasks(system, sites, amount.rounds, SMALL)
    costs["fetch a task of 1 KiB"] = fetched
    costs["hand in a result of 1 KiB"] = submitted
    for row, cost in costs.items():
        report.small.setdefault(row, {})[system.name] = cost
    report.bare[system.name] = measure_bare(system, sites, amount.heartbeats)
    report.idle[system.name] = measure_idle(system, amount.idle)
    report.alone[system.name] = system.alone(amount.alone, SMALL)


def _touch(size: int) -> None:
    """Uses so much memory once. Memory that a virtual machine has never used is dear, and
    whoever came first would pay for it."""
    room = mmap(-1, size)
    for place in range(0, size, PAGESIZE):
        room[place] = 1
    room.close()


def _say(text: str) -> None:
    print(f"[{time.monotonic() - BEGUN:4.0f} s] {text}", file=sys.stderr, flush=True)


def main() -> None:
    options = parse(sys.argv[1:])
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir(parents=True)
    report = Report(machine.describe(), SITES)
    print("\n".join(f"{name}: {value}" for name, value in report.about.items()), flush=True)
    try:
        with Crew(RUN) as crew:
            compare(QUICK if options.quick else FULL, crew, RUN, report)
        report.check(table.SYSTEMS)
    except Failure as failure:
        sys.exit(f"benches/peers/run: {failure}\nThe logs are in {RUN}.")
    except KeyboardInterrupt:
        sys.exit("benches/peers/run: interrupted")
    print(table.render(report))
    if options.json:
        options.json.write_text(json.dumps(asdict(report), indent=2) + "\n")


BEGUN = time.monotonic()

if __name__ == "__main__":
    main()
