"""What the programs with sites of NVFlare and of Flower have in common: commands on
standard input, one a line, which every site carries out in a thread of its own, and for
each a line of JSON with what was answered in all."""

import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol


class Site(Protocol):
    """Has a method for each command. Each gives how many bytes of payload it moved."""


def serve(sites: Sequence[Site], others: dict[str, Callable[..., dict[str, Any]]]) -> None:
    """Obeys until the input ends. A command is a method of the sites, which each calls so
    often as the first number says, or one of the `others`, which is called once."""
    print(json.dumps({"sites": len(sites)}), flush=True)
    with ThreadPoolExecutor(len(sites)) as threads:
        for line in sys.stdin:
            name, *numbers = line.split()
            if name in others:
                answer = others[name](*map(int, numbers))
            else:
                times, *rest = map(int, numbers or ["1"])

                def work(site: Site) -> int:
                    return sum(getattr(site, name)(*rest) for _ in range(times))

                moved = list(threads.map(work, sites))
                answer = {"operations": times * len(moved), "bytes": sum(moved)}
            print(json.dumps(answer), flush=True)
