"""Jobs that the administrator aborts."""

import time

import psutil

from harness.federation import Federation
from harness.jobs import Job
from harness.lab import Lab
from harness.outcome import check, wait_until
from harness.scenario import scenario

SITE = "site-1"
BEGIN = 60.0
HEARTBEAT = 10.0
END = 60.0
# Long enough for a result that should not be sent to arrive.
AFTERWARDS = 5.0


@scenario("abort", quick=True)
def abort(lab: Lab) -> None:
    """The administrator aborts a job in the middle of a training: the trainer stops within one
    heartbeat, its result is not sent, and the site works the next job."""
    federation = Federation(lab)
    federation.fedlink(SITE)
    federation.gate.hold(SITE, 0)
    with federation.admin() as admin:
        job = federation.submit(admin, Job("aborted", [SITE]))
        trainer = federation.gate.trainer(SITE, 0, BEGIN)
        admin.abort(job)
        wait_until("the end of the trainer", lambda: not psutil.pid_exists(trainer), HEARTBEAT)
        status = admin.wait_for_end(job, END)
        check(status == "FINISHED:ABORTED", f"the job ended with {status}")
    time.sleep(AFTERWARDS)
    check(not federation.server.log.has(f"got result from client {SITE}"), "its result was sent")
    federation.gate.let_go(SITE, 0)
    federation.run(Job("next", [SITE]))
