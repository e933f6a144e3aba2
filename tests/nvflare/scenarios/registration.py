"""Joining a federation and staying in it."""

import time

from harness.federation import Federation
from harness.lab import Lab
from harness.outcome import check
from harness.scenario import scenario

SITE = "site-1"
LISTED = 60.0


@scenario("register-tcp", quick=True)
def register_tcp(lab: Lab) -> None:
    """The site registers over TCP with mutual TLS, and stays alive for 60 s."""
    register(Federation(lab))


@scenario("register-grpc")
def register_grpc(lab: Lab) -> None:
    """The site registers over gRPC with mutual TLS, and stays alive for 60 s."""
    register(Federation(lab, scheme="grpc"))


def register(federation: Federation) -> None:
    site = federation.fedlink(SITE)
    federation.server.has_registered(SITE)
    with federation.admin() as admin:
        check(list(admin.clients()) == [SITE], "the administrator does not see the site")
        begun = time.time()
        heard: set[float] = set()
        while time.time() < begun + LISTED:
            clients = admin.clients()
            check(list(clients) == [SITE], f"the administrator sees {list(clients)}")
            heard.add(clients[SITE])
            time.sleep(2.0)
        late = time.time() - max(heard)
        check(len(heard) >= 5, f"only {len(heard)} heartbeats in {LISTED:.0f} s")
        check(late < 15, f"the last heartbeat is {late:.0f} s old")
        joined = federation.server.log.count(rf"New client {SITE}@")
        check(joined == 1, f"the site has registered {joined} times")
        site.process.stop()
        check(not admin.clients(), "the administrator still sees the site that has left")
