"""The whole comparison: starts the systems one after another, has them do the work, and
prints the table."""

import json
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path

import machine
import table
from crew import Crew, Failure
from fedlink import Fedlink
from flower_server import Flower
from nvflare_server import Nvflare
from options import parse
from system import System
from work import Figure, Row, measure

RUN = Path(__file__).resolve().parents[2] / "target" / "peers" / "run"
SITES = 16


def rows(quick: bool) -> list[Row]:
    much = 1 if quick else 5
    return [
        Row("heartbeat", "heartbeat", 50 * much),
        Row("rejoin", "goodbye, challenge, registration, first heartbeat", 5 * much),
    ]


def compare(quick: bool, folder: Path) -> dict[str, dict[str, Figure | None]]:
    """The figures by row and system."""
    names = [f"site-{number:02}" for number in range(1, SITES + 1)]
    figures: dict[str, dict[str, Figure | None]] = {row.text: {} for row in rows(quick)}
    with Crew(folder) as crew:
        _say("starting NVFlare, Flower and fedlink")
        nvflare = Nvflare(crew, folder / "nvflare", names)
        flower = Flower(crew, folder / "flower", nvflare.project, SITES)
        fedlink = Fedlink(crew, folder / "fedlink", names)
        systems: list[System] = [fedlink, nvflare, flower]
        for system in systems:
            system.enter()
        for row in rows(quick):
            for system in systems:
                _say(f"{row.text}: {system.name}")
                figures[row.text][system.name] = measure(system, row, SITES)
    return figures


def _say(text: str) -> None:
    print(f"[{time.monotonic() - BEGUN:5.0f} s] {text}", file=sys.stderr, flush=True)


def main() -> None:
    options = parse(sys.argv[1:])
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir(parents=True)
    about = machine.describe()
    print("\n".join(f"{name}: {value}" for name, value in about.items()), flush=True)
    try:
        figures = compare(options.quick, RUN)
    except Failure as failure:
        sys.exit(f"benches/peers/run: {failure}\nThe logs are in {RUN}.")
    except KeyboardInterrupt:
        sys.exit("benches/peers/run: interrupted")
    print(table.render(figures, SITES))
    if options.json:
        told = {
            row: {name: figure and asdict(figure) for name, figure in by_system.items()}
            for row, by_system in figures.items()
        }
        options.json.write_text(json.dumps({"about": about, "rows": told}, indent=2))


BEGUN = time.monotonic()

if __name__ == "__main__":
    main()
