"""Two processes with the name of one site."""

from harness.federation import Federation
from harness.lab import Lab
from harness.outcome import check
from harness.scenario import scenario

SITE = "site-1"
NOTICE = 60.0
SAYS_SO = r"(?i)replaced|another process|same name"


@scenario("twin-stop", stand_in=False)
def twin_stop(lab: Lab) -> None:
    """A second process takes the name of the site: the first one says so and stops, and the
    second one stays."""
    federation = Federation(lab)
    first = federation.fedlink(SITE, on_replaced="stop", label="first")
    federation.server.has_registered(SITE)
    second = federation.fedlink(SITE, on_replaced="stop", label="second")
    federation.server.has_registered(SITE, times=2)
    first.says(SAYS_SO, NOTICE)
    check(first.process.wait(NOTICE) != 0, "the first one ended as if all were well")
    check(second.process.alive, "the second one ended too")
    federation.listed(SITE)


@scenario("twin-take-over", stand_in=False)
def twin_take_over(lab: Lab) -> None:
    """A second process takes the name of the site: the first one says so and takes it back,
    whereupon the second one stops."""
    federation = Federation(lab)
    first = federation.fedlink(SITE, on_replaced="take-over", label="first")
    federation.server.has_registered(SITE)
    second = federation.fedlink(SITE, on_replaced="stop", label="second")
    first.says(SAYS_SO, NOTICE)
    federation.server.has_registered(SITE, times=3)
    check(second.process.wait(NOTICE) != 0, "the second one ended as if all were well")
    check(first.process.alive, "the first one ended too")
    federation.listed(SITE)
