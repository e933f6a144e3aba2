"""Sites whose way to the server goes through an HTTP proxy: Debian's tinyproxy."""

import shutil
import socket
from collections.abc import Mapping

from harness.federation import Federation
from harness.jobs import Job, check_equal
from harness.lab import Lab
from harness.outcome import check, wait_until
from harness.parties import START, Party
from harness.processes import Process
from harness.provision import SITES, free_ports
from harness.scenario import scenario

NAME, PASSWORD = "fred", "s3cret"


@scenario("proxy-http", stand_in=False)
def over_http(lab: Lab) -> None:
    """Three rounds over WebSocket through a genuine proxy that wants a password, beside a
    genuine site that is not behind it."""
    federation = Federation(lab, scheme="http")
    proxy = Proxy(federation)
    site = federation.fedlink(environment=proxy.known)
    federation.genuine()
    federation.listed(*SITES)
    job = Job("scatter", SITES, workflow="scatter")
    check_equal(federation.run(job), job.expected(), "the model and its arithmetic")
    proxy.has_connected(site)


@scenario("proxy-register", stand_in=False)
def register(lab: Lab) -> None:
    """Over TCP and gRPC with TLS the site registers through the proxy; without the password it
    says what to do, and with it later it is registered."""
    for scheme in ("tcp", "grpc"):
        federation = Federation(lab, scheme, scheme=scheme)
        proxy = Proxy(federation)
        stranger = federation.fedlink(
            label="stranger", trains=False, environment=proxy.unknown
        )
        stranger.says("write name and password into HTTPS_PROXY", START)
        check(not proxy.has_passed(), "the proxy lets a stranger through")
        stranger.process.stop()
        site = federation.fedlink(trains=False, environment=proxy.known)
        check(site.process.wait(START) == 0, f"it is not registered over {scheme}")
        proxy.has_connected(site)


class Proxy:
    """A proxy that connects to the server of this federation, for whoever has the password."""

    def __init__(self, federation: Federation) -> None:
        program = shutil.which("tinyproxy")
        check(program is not None, "tinyproxy is not installed: apt-get install tinyproxy")
        (port,) = free_ports(1)
        self._target = f"localhost:{federation.project.port}"
        folder = federation.folder / "proxy"
        folder.mkdir()
        configuration = folder / "tinyproxy.conf"
        configuration.write_text(
            f"Port {port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 50\nLogLevel Connect\n"
            f"BasicAuth {NAME} {PASSWORD}\nConnectPort {federation.project.port}\n"
        )
        command = [str(program), "-d", "-c", configuration]
        process = Process("proxy", command, log=folder / "proxy.log", cwd=folder)
        federation.lab.start(process)
        self._party = Party(process)
        self.known = _environment(f"http://{NAME}:{PASSWORD}@127.0.0.1:{port}")
        self.unknown = _environment(f"http://127.0.0.1:{port}")
        wait_until("the proxy", lambda: _listens(port), START)

    def has_passed(self) -> bool:
        """Whether it has connected somebody."""
        return self._party.log.has("Established connection")

    def has_connected(self, site: Party) -> None:
        """The site has come through here, and its log does not have the password."""
        self._party.says(f"CONNECT {self._target} HTTP/1.1", START)
        check(self.has_passed(), "the proxy has connected nobody")
        check(not site.log.has(PASSWORD), "the site's log has the password")


def _environment(url: str) -> Mapping[str, str]:
    return {"HTTPS_PROXY": url, "https_proxy": "", "no_proxy": "", "NO_PROXY": ""}


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
