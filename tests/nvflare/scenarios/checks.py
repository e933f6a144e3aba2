"""What `fedlink check` finds of a kit and its server."""

import json
import os
import subprocess

from harness.federation import Federation
from harness.lab import Lab
from harness.outcome import check
from harness.scenario import scenario

SITE = "site-1"
PATIENCE = 60.0


@scenario("check-tcp", stand_in=False)
def check_tcp(lab: Lab) -> None:
    """A check over TCP finds the server right and does not register."""
    found_right(Federation(lab, start=False))


@scenario("check-grpc", stand_in=False)
def check_grpc(lab: Lab) -> None:
    """A check over gRPC finds the server right and does not register."""
    found_right(Federation(lab, scheme="grpc", start=False))


def found_right(federation: Federation) -> None:
    before = checked(federation)
    check(wrong(before) == ["tcp"], f"without a server: {before}")
    federation.serve()
    after = checked(federation)
    check(wrong(after) == [], f"with a server: {after}")
    names = [line["check"] for line in after["checks"]]
    check("tls" in names and names[-1] == "answer", f"what was looked at: {names}")
    joined = federation.server.registrations(SITE)
    check(joined == 0, f"the site has registered {joined} times")


def checked(federation: Federation) -> dict:
    kit = federation.project.kit(SITE)
    command = [os.environ["FEDLINK_PROGRAM"], "check", "--json", "--nvflare", str(kit)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    found = json.loads(ended.stdout)
    check(found["right"] == (ended.returncode == 0), f"exit code {ended.returncode}: {found}")
    return found


def wrong(found: dict) -> list[str]:
    return [line["check"] for line in found["checks"] if not line["right"]]
