"""The command line: chooses scenarios, plays them, and says how many passed."""

import argparse
import importlib.util
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from scenarios import SCENARIOS

from .processes import adopt_orphans
from .runner import alone, play
from .scenario import Scenario


def main() -> int:
    options = parse()
    if options.list:
        for each in SCENARIOS.values():
            print(f"{each.name:24} {'quick' if each.quick else '':6} {each.text}")
        return 0
    adopt_orphans()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    wanted = chosen(options)
    with alone():
        outcomes = [play(each, keep=options.keep, stand_in=options.stand_in) for each in wanted]
    if options.outcomes:
        options.outcomes.write_text(json.dumps([asdict(each) for each in outcomes]))
    passed = sum(each.passed for each in outcomes)
    print(f"\n{passed} passed, {len(outcomes) - passed} failed", flush=True)
    return 0 if passed == len(outcomes) else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests/nvflare/run",
        description="Runs fedlink against the genuine NVFlare server, on loopback.",
        epilog="Everything is written under target/nvflare/. Releases of NVFlare are compared by "
        "`--versions`, alone or before their numbers. `--release VERSION` plays scenarios with "
        "another release; `--release pre` with the newest pre-release. With `--torch` there is "
        "PyTorch, which takes 5 GB.",
    )
    parser.add_argument("names", nargs="*", metavar="SCENARIO", help="play just these")
    parser.add_argument("--quick", action="store_true", help="play the short ones")
    parser.add_argument("--all", action="store_true", help="play every one")
    parser.add_argument("--list", action="store_true", help="say which there are")
    parser.add_argument("--keep", action="store_true", help="leave the folders of what passed")
    parser.add_argument(
        "--stand-in",
        action="store_true",
        help="have a genuine site play the part of fedlink, to try the scenarios themselves",
    )
    # What `--versions` reads to print its table.
    parser.add_argument("--outcomes", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = set(options.names) - SCENARIOS.keys()
    if unknown:
        parser.error(f"no scenario is called {', '.join(sorted(unknown))}: see --list")
    if not (options.names or options.quick or options.all or options.list):
        parser.error("say which: --quick, --all, or names from --list")
    return options


def chosen(options: argparse.Namespace) -> list[Scenario]:
    def is_chosen(each: Scenario) -> bool:
        if each.name in options.names:
            return True
        playable = each.stand_in or not options.stand_in
        return playable and (options.all or (options.quick and each.quick))

    def is_possible(each: Scenario) -> bool:
        possible = not each.needs or importlib.util.find_spec(each.needs) is not None
        if not possible:
            print(f"{each.name} is not played without {each.needs}: see tests/nvflare/README.md")
        return possible

    return [each for each in SCENARIOS.values() if is_chosen(each) and is_possible(each)]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted: all that was started is ended")
