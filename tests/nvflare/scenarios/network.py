"""The network between the site and the server fails."""

import time

from harness.federation import Federation
from harness.jobs import Job, check_equal
from harness.kits import server_at
from harness.lab import Lab
from harness.outcome import wait_until
from harness.provision import SITES
from harness.proxy import Cut, Proxy
from harness.scenario import scenario

from .large import LARGE, MIB

UPSTREAM = 8 * MIB
BEFORE_CUT = 16 * MIB
CUT = 30.0
BEGIN = 90.0


@scenario("cut-silent")
def cut_silent(lab: Lab) -> None:
    """In the middle of an upload of 64 MiB the network swallows everything for 30 s: the job
    ends well, and each update is used once."""
    upload(lab, Cut.SILENT)


# The genuine server goes on waiting for what a genuine site had begun to send: for minutes.
@scenario("cut-reset", stand_in=False)
def cut_reset(lab: Lab) -> None:
    """In the middle of an upload of 64 MiB connections break and are refused for 30 s: the job
    ends well, and each update is used once."""
    upload(lab, Cut.RESET)


def upload(lab: Lab, how: Cut) -> None:
    federation = Federation(lab)
    proxy = Proxy(federation.project.port, upstream=UPSTREAM)
    lab.at_end(proxy.close)
    federation.fedlink("site-1", change_kit=server_at(proxy.port))
    federation.genuine("site-2")
    job = Job("upload", SITES, LARGE, rounds=2)
    since = federation.server.log.mark()
    with federation.admin() as admin:
        submitted = federation.submit(admin, job)
        federation.gate.trainer("site-1", 0, BEGIN)
        before = proxy.sent
        wait_until("an upload", lambda: proxy.sent > before + BEFORE_CUT, BEGIN, pause=0.1)
        proxy.cut(how)
        print(f"   cut after {(proxy.sent - before) / MIB:.0f} MiB", flush=True)
        time.sleep(CUT)
        proxy.mend()
        model = federation.finish(admin, submitted)
    job.check_used(federation.server.log, since)
    check_equal(model, job.expected(), "the model and what it must be")
