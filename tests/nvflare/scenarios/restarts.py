"""The server crashes and is started again."""

import psutil

from harness.federation import BACK_TIME, Federation
from harness.jobs import Job, check_equal
from harness.lab import Lab
from harness.outcome import wait_until
from harness.provision import SITES
from harness.scenario import scenario

DOWN = 5.0
BEGIN = 60.0


@scenario("restart-idle", quick=True)
def restart_idle(lab: Lab) -> None:
    """The server is killed while no job runs, and started again: the site is back without
    help, and works a job."""
    federation = Federation(lab)
    federation.fedlink("site-1")
    federation.server.has_registered("site-1")
    federation.server.restart(DOWN)
    federation.listed("site-1")
    job = Job("after", ["site-1"])
    check_equal(federation.run(job), job.expected(), "the model and what it must be")


@scenario("restart-between-rounds")
def restart_between_rounds(lab: Lab) -> None:
    """The server is killed between two rounds, and started again: the site drops the job that
    the server has forgotten, is back without help, and works another."""
    federation = Federation(lab)
    federation.fedlink("site-1")
    federation.genuine("site-2")
    federation.gate.hold("site-1", 1)
    with federation.admin() as admin:
        federation.submit(admin, Job("lost", SITES))
        trainer = federation.gate.trainer("site-1", 1, BEGIN)
    federation.server.restart(DOWN)
    federation.listed(*SITES)
    wait_until("the end of the trainer", lambda: not psutil.pid_exists(trainer), BACK_TIME)
    federation.gate.let_go("site-1", 1)
    job = Job("after", SITES)
    check_equal(federation.run(job), job.expected(), "the model and what it must be")
