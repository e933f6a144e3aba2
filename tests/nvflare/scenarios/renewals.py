"""A certificate is replaced in a site's kit while the site runs."""

import datetime

from harness import kits
from harness.federation import Federation
from harness.jobs import Job, check_equal
from harness.lab import Lab
from harness.outcome import wait_until
from harness.scenario import scenario

SITE = "site-1"
CERTIFICATE = "client.crt"
# Enough to start the server and the site.
FIRST = datetime.timedelta(seconds=90)
# Certificates here count from a day before their end.
SECOND = datetime.timedelta(hours=12)
TAKEN_UP = 30.0
DOWN = 5.0


@scenario("renewed-tcp", stand_in=False)
def renewed_tcp(lab: Lab) -> None:
    """The site's certificate is replaced while it runs over TCP, and ends: the site goes on,
    comes back to a server that was started again, and works a job."""
    renewed(Federation(lab))


@scenario("renewed-grpc", stand_in=False)
def renewed_grpc(lab: Lab) -> None:
    """The same over gRPC."""
    renewed(Federation(lab, scheme="grpc"))


def renewed(federation: Federation) -> None:
    def certificate(until: datetime.datetime) -> kits.Change:
        return kits.valid_until(until, federation.project, CERTIFICATE)

    end = now() + FIRST
    site = federation.fedlink(SITE, change_kit=certificate(end))
    federation.server.has_registered(SITE)
    certificate(now() + SECOND)(federation.folder / "fedlink" / "kit")
    site.says("takes up the certificate, the key and the way to the server", TAKEN_UP)
    wait_until("the end of the first certificate", lambda: now() > end, FIRST.total_seconds())
    # Whoever shows the first one now is refused by TLS.
    federation.server.restart(DOWN)
    federation.listed(SITE)
    job = Job("after", [SITE])
    check_equal(federation.run(job), job.expected(), "the model and what it must be")


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
