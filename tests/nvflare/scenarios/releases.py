"""What every release of NVFlare is tried with, over each scheme that it has."""

import psutil

from harness.federation import Federation
from harness.jobs import Job, check_equal
from harness.lab import Lab
from harness.outcome import check, wait_until
from harness.provision import SITES
from harness.scenario import scenario

from .aborts import BEGIN, END
from .large import LARGE
from .restarts import DOWN

SITE, GENUINE = SITES
# A trainer hears of an abort with the next heartbeat at the latest.
STOP = 30.0


@scenario("release-tcp")
def over_tcp(lab: Lab) -> None:
    """Beside a genuine site over TCP: registration, a job, an abort, a result of 64 MiB, and a
    restart of the server."""
    play(lab, "tcp")


@scenario("release-grpc")
def over_grpc(lab: Lab) -> None:
    """Beside a genuine site over gRPC: registration, a job, an abort, a result of 64 MiB, and a
    restart of the server."""
    play(lab, "grpc")


@scenario("release-http")
def over_http(lab: Lab) -> None:
    """Beside a genuine site over WebSocket: registration, a job, an abort, a result of 64 MiB,
    and a restart of the server."""
    play(lab, "http")


def play(lab: Lab, scheme: str) -> None:
    with lab.step("register"):
        federation = Federation(lab, scheme=scheme)
        federation.fedlink(SITE)
        federation.genuine(GENUINE)
        federation.server.has_registered(SITE)
        federation.listed(*SITES)
    with lab.step("job"):
        right(federation, Job("small", SITES))
    with lab.step("abort"):
        abort(federation)
    with lab.step("64 MiB"):
        right(federation, Job("large", SITES, LARGE, rounds=1))
    with lab.step("restart"):
        federation.server.restart(DOWN)
        federation.listed(*SITES)
        right(federation, Job("after", SITES))


def right(federation: Federation, job: Job) -> None:
    check_equal(federation.run(job), job.expected(), "the model and what it must be")


def abort(federation: Federation) -> None:
    federation.gate.hold(SITE, 0)
    with federation.admin() as admin:
        job = federation.submit(admin, Job("aborted", SITES))
        trainer = federation.gate.trainer(SITE, 0, BEGIN)
        admin.abort(job)
        wait_until("the end of the trainer", lambda: not psutil.pid_exists(trainer), STOP)
        status = admin.wait_for_end(job, END)
        check(status == "FINISHED:ABORTED", f"the job ended with {status}")
    federation.gate.let_go(SITE, 0)
