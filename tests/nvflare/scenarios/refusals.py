"""Sites that must not join, and say why."""

import time
from datetime import UTC, datetime, timedelta

from harness import kits
from harness.federation import Federation
from harness.kits import Change, as_made
from harness.lab import Lab
from harness.outcome import check
from harness.provision import provision
from harness.scenario import scenario

SITE = "site-1"
END = 60.0
# Long enough for the server to start, which it does not with an expired certificate.
LAST_SECONDS = timedelta(seconds=20)
UNTRUSTED = r"root|issuer|chain|authority"


@scenario("refuse-root", stand_in=False)
def wrong_root(lab: Lab) -> None:
    """A site with the root and the certificate of another project refuses the server."""
    files = ("rootCA.pem", "client.crt", "client.key")
    refused(Federation(lab), UNTRUSTED, kits.files_of(provision(lab.folder / "other"), *files))


@scenario("refuse-mixed-kit", stand_in=False)
def mixed_kit(lab: Lab) -> None:
    """A kit whose root is not that of its certificate is refused."""
    other = provision(lab.folder / "other")
    refused(Federation(lab), UNTRUSTED, kits.files_of(other, "rootCA.pem"))


@scenario("refuse-identity", stand_in=False)
def wrong_identity(lab: Lab) -> None:
    """A site that expects another server refuses this one."""
    refused(Federation(lab), r"identity|elsewhere", kits.server_identity("elsewhere"))


@scenario("refuse-expired-site", stand_in=False)
def expired_site(lab: Lab) -> None:
    """A site whose certificate has expired says so."""
    federation = Federation(lab)
    yesterday = now() - timedelta(days=1)
    refused(federation, r"expired", kits.valid_until(yesterday, federation.project, "client.crt"))


@scenario("refuse-expired-server", stand_in=False)
def expired_server(lab: Lab) -> None:
    """A site refuses a server whose certificate has expired while it ran, and goes on trying: the
    server may get another one."""
    federation = Federation(lab, start=False)
    end = now() + LAST_SECONDS
    federation.serve(kits.valid_until(end, federation.project, "server.crt"))
    # Certificates end with a whole second, which still counts.
    while now() <= end + timedelta(seconds=1):
        time.sleep(1.0)
    site = federation.fedlink(SITE)
    site.says(r"certificate expired on .* renewed", END, times=3)
    check(site.process.alive, "fedlink has ended")
    check(federation.server.registrations(SITE) == 0, "the site has registered")


@scenario("refuse-project", stand_in=False)
def unknown_project(lab: Lab) -> None:
    """The server refuses a site of another project."""
    refused(
        Federation(lab),
        r"does not match the current server task",
        kits.project_name("elsewhere"),
        server_says=r"login_client failed: elsewhere",
    )


@scenario("refuse-disabled", stand_in=False)
def disabled(lab: Lab) -> None:
    """The server refuses a site that the administrator has disabled."""
    federation = Federation(lab)
    with federation.admin() as admin:
        admin.disable(SITE)
    refused(federation, r"disabled", server_says=f"Reject disabled client registration: {SITE}")


@scenario("refuse-plain-server", stand_in=False)
def plain_server(lab: Lab) -> None:
    """A site that is to prove the server's identity refuses one in the plain mode."""
    refused(Federation(lab, secure=False), r"not in secure mode", kits.asks_for_proof)


def now() -> datetime:
    return datetime.now(UTC)


def refused(
    federation: Federation, reason: str, change_kit: Change = as_made, *, server_says: str = ""
) -> None:
    """Has the site try, and checks that it gives this reason and is not let in."""
    site = federation.fedlink(SITE, change_kit=change_kit)
    site.says(f"(?i){reason}", END)
    check(site.process.wait(END) != 0, "the site ended as if all were well")
    joined = federation.server.registrations(SITE)
    check(joined == 0, "the server has let the site in")
    check(federation.server.log.has(server_says), f"the server does not say /{server_says}/")
