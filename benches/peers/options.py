"""The command line."""

import argparse
from collections.abc import Sequence
from pathlib import Path

DESCRIPTION = """\
Drives fedlink, NVFlare and Flower with the same work over loopback, and prints what it
costs the server of each, by the operating system's accounts. Exits with 1, and says why,
when the work was not the same or a figure is missing."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benches/peers/run", description=DESCRIPTION)
    parser.add_argument("--quick", action="store_true", help="less of everything: two minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    return parser.parse_args(arguments)
