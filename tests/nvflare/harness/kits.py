"""Changes to a kit that make it point elsewhere, or make it wrong."""

import datetime
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from .provision import Project, edit, replace

Change = Callable[[Path], None]


def as_made(_kit: Path) -> None:
    """No change."""


def server_at(port: int) -> Change:
    """The server is at this port of this machine."""
    return _in_server(lambda server: server["service"].update(target=f"localhost:{port}"))


def server_identity(name: str) -> Change:
    """The server is expected to be called so."""
    return _in_server(lambda server: server.update(identity=name))


def project_name(name: str) -> Change:
    """The site wants to take part in this project."""
    return _in_server(lambda server: server.update(name=name))


def asks_for_proof(kit: Path) -> None:
    """A site of a plain project has the server prove its identity all the same."""
    replace(kit / "startup" / "sub_start.sh", "secure_train=false", "secure_train=true")


def dead_after(seconds: int) -> Change:
    """The server drops a site that it has not heard of for so long."""

    def change(kit: Path) -> None:
        edit(
            kit / "startup" / "fed_server.json",
            lambda content: content["servers"][0].update(heart_beat_timeout=seconds),
        )

    return change


def files_of(other: Project, *names: str) -> Change:
    """These files are those of a site of another project."""

    def change(kit: Path) -> None:
        for name in names:
            shutil.copy(other.kit("site-1") / "startup" / name, kit / "startup")

    return change


def valid_until(end: datetime.datetime, project: Project, certificate: str) -> Change:
    """The certificate of this file name runs out at that time."""

    def change(kit: Path) -> None:
        file = kit / "startup" / certificate
        old = x509.load_pem_x509_certificate(file.read_bytes())
        authority = serialization.load_pem_private_key(project.authority_key, password=None)
        assert isinstance(authority, rsa.RSAPrivateKey)
        new = (
            x509.CertificateBuilder()
            .subject_name(old.subject)
            .issuer_name(old.issuer)
            .public_key(old.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - datetime.timedelta(days=1))
            .not_valid_after(end)
        )
        for extension in old.extensions:
            new = new.add_extension(extension.value, extension.critical)
        signed = new.sign(authority, hashes.SHA256())
        file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    return change


def _in_server(change: Callable[[dict[str, Any]], None]) -> Change:
    """A change to what the kit says of the server."""

    def apply(kit: Path) -> None:
        edit(kit / "startup" / "fed_client.json", lambda content: change(content["servers"][0]))

    return apply
