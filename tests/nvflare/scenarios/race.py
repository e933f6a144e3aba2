"""Registrations while the machine is busy."""

import os
import sys
import time

from harness.federation import Federation
from harness.lab import Lab
from harness.outcome import check
from harness.processes import Process
from harness.scenario import scenario

SITE = "site-1"
CONNECTS = 200
EACH = 30.0
BUSY = "while True: pass"


@scenario("busy-race", stand_in=False)
def busy_race(lab: Lab) -> None:
    """While all cores are busy the site connects 200 times, and is registered within 30 s each
    time: no request is lost to a server that is not ready yet."""
    federation = Federation(lab)
    for number in range(os.cpu_count() or 1):
        log = lab.folder / f"busy-{number}.log"
        lab.start(Process("busy", [sys.executable, "-c", BUSY], log=log, cwd=lab.folder))
    slowest = 0.0
    for number in range(1, CONNECTS + 1):
        begun = time.monotonic()
        site = federation.fedlink(SITE, label=f"fedlink-{number}", trains=False)
        code = site.process.wait(EACH)
        slowest = max(slowest, time.monotonic() - begun)
        check(code == 0, f"connect {number} ended with {code}")
    print(f"   the slowest took {slowest:.1f} s")
    joined = federation.server.registrations(SITE)
    check(joined == CONNECTS, f"the server has seen {joined} registrations")
