"""What the programs with sites of NVFlare and of Flower have in common: commands on
standard input, one a line, which every site carries out in a thread of its own, and for
each a line of JSON with what was answered in all."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Protocol

SMALL = 1 << 16


class Site(Protocol):
    """Has a method for each command. Each gives how many bytes of payload it moved."""


def payload(size: int) -> bytes:
    """So many bytes that nobody can compress, or has seen before if they are few."""
    return os.urandom(size) if size <= SMALL else _large(size)


@cache
def _large(size: int) -> bytes:
    return os.urandom(size)


def serve(sites: Sequence[Site], others: dict[str, Callable[..., dict[str, Any]]]) -> None:
    """Obeys until the input ends. A command is a method of the sites, which each calls so
    often as the first number says, or one of the `others`, which is called once; `prepare`
    makes a payload ahead."""
    print(json.dumps({"sites": len(sites)}), flush=True)
    with ThreadPoolExecutor(len(sites)) as threads:
        for line in sys.stdin:
            name, *words = line.split()
            numbers = [int(word) for word in words]
            if name == "prepare":
                answer = {"bytes": len(payload(*numbers))}
            elif name in others:
                answer = others[name](*numbers)
            else:
                answer = _everywhere(threads, sites, name, *(numbers or [1]))
            print(json.dumps(answer), flush=True)


def _everywhere(
    threads: ThreadPoolExecutor, sites: Sequence[Site], name: str, times: int, *numbers: int
) -> dict[str, Any]:
    def work(site: Site) -> int:
        return sum(getattr(site, name)(*numbers) for _ in range(times))

    moved = list(threads.map(work, sites))
    return {"operations": times * len(moved), "bytes": sum(moved)}
