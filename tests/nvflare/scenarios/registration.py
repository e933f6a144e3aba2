"""Joining a federation, staying in it, and leaving it."""

import time

from harness import kits
from harness.federation import Federation
from harness.lab import Lab
from harness.outcome import check, wait_until
from harness.scenario import scenario

SITE = "site-1"
STAY = 60.0
# A heartbeat is due every 10 s.
FEWEST_BEATS = 5
LATEST_BEAT = 15.0
LEAVE = 10.0
DEAD = 25
DROPPED = f"Remove the dead Client. Name: {SITE}"


@scenario("register-tcp", quick=True)
def register_tcp(lab: Lab) -> None:
    """The site registers over TCP with mutual TLS, is alive for 60 s, and leaves."""
    stay_and_leave(Federation(lab))


@scenario("register-grpc")
def register_grpc(lab: Lab) -> None:
    """The site registers over gRPC with mutual TLS, is alive for 60 s, and leaves."""
    stay_and_leave(Federation(lab, scheme="grpc"))


def stay_and_leave(federation: Federation) -> None:
    site = federation.fedlink(SITE)
    federation.server.has_registered(SITE)
    with federation.admin() as admin:
        end = time.time() + STAY
        heard: set[float] = set()
        while time.time() < end:
            clients = admin.clients()
            check(list(clients) == [SITE], f"the administrator sees {list(clients)}")
            heard.add(clients[SITE])
            time.sleep(2.0)
        check(len(heard) >= FEWEST_BEATS, f"{len(heard)} heartbeats in {STAY:.0f} s")
        late = time.time() - max(heard)
        check(late < LATEST_BEAT, f"the last heartbeat is {late:.0f} s old")
        joined = federation.server.registrations(SITE)
        check(joined == 1, f"the site has registered {joined} times")
        site.process.stop()
        if not federation.lab.stand_in:  # a genuine site says no farewell
            wait_until("an empty list of sites", lambda: not admin.clients(), LEAVE)


@scenario("plain")
def plain(lab: Lab) -> None:
    """In the plain mode, without TLS and proofs, the site registers, and the server counts it
    as alive for 60 s, until its process is killed.

    An administrator cannot log in to a plain server of this version.
    """
    federation = Federation(lab, secure=False, start=False)
    federation.serve(kits.dead_after(DEAD))
    site = federation.fedlink(SITE)
    server = federation.server
    server.has_registered(SITE)
    time.sleep(STAY)
    check(not server.log.has(DROPPED), "the server takes the site for dead")
    site.process.kill()
    server.says(DROPPED, STAY)
    joined = server.registrations(SITE)
    check(joined == 1, f"the site has registered {joined} times")
