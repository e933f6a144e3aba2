"""Jobs worked next to a genuine site."""

from harness.federation import Federation
from harness.jobs import Job, check_equal
from harness.lab import Lab
from harness.provision import SITES
from harness.scenario import scenario


@scenario("job-tcp", quick=True)
def job_tcp(lab: Lab) -> None:
    """Three rounds of fedlink and a genuine site over TCP: each update is used, and the model
    is that of two genuine sites."""
    compare(lab, Job("scatter", SITES, workflow="scatter"), scheme="tcp")


@scenario("job-grpc")
def job_grpc(lab: Lab) -> None:
    """Three rounds of fedlink and a genuine site over gRPC: each update is used, and the model
    is that of two genuine sites."""
    compare(lab, Job("fedavg", SITES, workflow="fedavg"), scheme="grpc")


@scenario("job-http", quick=True)
def job_http(lab: Lab) -> None:
    """Three rounds of fedlink and a genuine site over WebSocket, the scheme that kits have by
    default: each update is used, and the model is that of two genuine sites."""
    compare(lab, Job("scatter", SITES, workflow="scatter"), scheme="http")


def compare(lab: Lab, job: Job, *, scheme: str) -> None:
    genuine = Federation(lab, "genuine", scheme=scheme)
    for site in SITES:
        genuine.genuine(site)
    wanted = genuine.run(job)
    check_equal(wanted, job.expected(), "the genuine model and its arithmetic")
    lab.stop()

    mixed = Federation(lab, "mixed", scheme=scheme)
    mixed.fedlink("site-1")
    mixed.genuine("site-2")
    check_equal(mixed.run(job), wanted, "the model with fedlink and the genuine one")
