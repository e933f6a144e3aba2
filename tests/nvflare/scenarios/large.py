"""A model of 64 MiB."""

from harness.federation import Federation
from harness.jobs import Job, Shapes, check_equal
from harness.lab import Lab
from harness.outcome import check
from harness.provision import SITES
from harness.scenario import scenario

MIB = 1024 * 1024
MODEL = 64 * MIB
ROOM = 32 * MIB
LARGE: Shapes = {"dense.kernel": ("float32", [4096, 4095]), "dense.bias": ("float32", [4096])}


@scenario("large-by-reference")
def by_reference(lab: Lab) -> None:
    """A model of 64 MiB whose arrays are pulled from the server: right, and within 96 MiB."""
    work(lab, Job("reference", SITES, LARGE))


@scenario("large-inline")
def inline(lab: Lab) -> None:
    """A model of 64 MiB whose arrays come within messages: right, and within 96 MiB."""
    work(lab, Job("inline", SITES, LARGE, inline=True))


@scenario("large-grpc")
def over_grpc(lab: Lab) -> None:
    """A model of 64 MiB over gRPC, pulled from the server: right, and within 96 MiB."""
    work(lab, Job("grpc", SITES, LARGE), scheme="grpc")


@scenario("large-http")
def over_http(lab: Lab) -> None:
    """A model of 64 MiB over WebSocket, pulled from the server: right, and within 96 MiB."""
    work(lab, Job("http", SITES, LARGE), scheme="http")


def work(lab: Lab, job: Job, *, scheme: str = "tcp") -> None:
    federation = Federation(lab, scheme=scheme)
    site = federation.fedlink("site-1")
    federation.genuine("site-2")
    check_equal(federation.run(job), job.expected(), "the model and what it must be")
    peak = site.process.peak_memory()
    print(f"   peak memory of the site: {peak / MIB:.1f} MiB")
    if not lab.stand_in:
        check(peak <= MODEL + ROOM, f"the site has held {peak / MIB:.1f} MiB")
