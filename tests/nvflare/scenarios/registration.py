"""Joining a federation, staying in it, and leaving it."""

import os
import subprocess
import time

from harness import kits
from harness.federation import Federation
from harness.lab import Lab
from harness.outcome import check, wait_until
from harness.parties import START, Party
from harness.processes import Process
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


@scenario("poc-kit", quick=True, stand_in=False)
def poc_kit(lab: Lab) -> None:
    """A kit exactly as `nvflare poc prepare` makes it: the site registers with the server of the
    same command, and leaves."""
    home = lab.folder / "home"
    home.mkdir()
    environment = {"HOME": str(home), "NVFLARE_POC_WORKSPACE": str(lab.folder / "poc")}
    prepare = ["nvflare", "poc", "prepare", "-n", "1"]
    subprocess.run(
        prepare,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    kits = lab.folder / "poc" / "example_project" / "prod_00"

    def process(name: str, command: list[str]) -> Process:
        log = lab.folder / f"{name}.log"
        return Process(name, command, log=log, cwd=kits, environment=environment)

    server = Party(process("server", ["bash", str(kits / "server/startup/sub_start.sh")]))
    lab.start(server.process)
    server.says("Server started", START)
    program = os.environ["FEDLINK_PROGRAM"]
    join = [program, "join", "--nvflare", str(kits / "site-1"), "--once"]
    site = process("fedlink", join)
    lab.start(site)
    check(site.wait(START) == 0, "the site was not registered")
    Party(site).says("registered as site-1 at example_project", START)


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
