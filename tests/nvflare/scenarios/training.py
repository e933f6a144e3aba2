"""Jobs worked next to a genuine site."""

from collections.abc import Sequence

from harness.federation import Federation
from harness.jobs import Job, check_equal
from harness.lab import Lab
from harness.provision import SITES
from harness.outcome import check
from harness.scenario import scenario


@scenario("job-tcp", quick=True)
def job_tcp(lab: Lab) -> None:
    """Three rounds of fedlink and a genuine site over TCP: both updates are used, and the
    model is that of two genuine sites."""
    job = Job("scatter", SITES)
    federation = Federation(lab)
    federation.fedlink("site-1")
    federation.genuine("site-2")
    model = federation.run(job)
    check_equal(model, job.expected(), "the model and what it must be")
