"""Projects made by the genuine `nvflare provision`, and changes to their kits."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .outcome import Failure, check

ADMIN = "admin@example.org"
PROJECT = "proof"
SERVER = "localhost"
SITES = ("site-1", "site-2")

_PROJECT_FILE = """\
api_version: 3
name: {name}
description: a federation on one machine
participants:
  - name: {server}
    type: server
    org: example
    fed_learn_port: {port}
    admin_port: {admin_port}
    host_names: [127.0.0.1]
{sites}
  - {{name: {admin}, type: admin, org: example, role: project_admin}}
"""
RELEASE = tuple(int(number) for number in re.findall(r"\d+", version("nvflare"))[:2])


@dataclass(frozen=True)
class Project:
    """A provisioned project."""

    folder: Path
    port: int

    def kit(self, party: str) -> Path:
        """The kit as it was made. Nobody runs in it: see `unpack`."""
        return self.folder / "made" / PROJECT / "prod_00" / party

    @property
    def authority_key(self) -> bytes:
        """The private key, in PEM, that signs the project's certificates."""
        state = self.folder / "made" / PROJECT / "state" / "cert.json"
        return str(json.loads(state.read_text())["root_pri_key"]).encode()

    def unpack(self, party: str, folder: Path) -> Path:
        """Copies a kit, whole, to where its party runs, and gives that folder."""
        shutil.copytree(self.kit(party), folder)
        local = folder / "local"
        for name in ("resources", "authorization", "log_config"):
            template = local / f"{name}.json.default"
            if template.exists():
                shutil.copy(template, local / f"{name}.json")
        resources = local / "resources.json"
        # The server's own stores stand in /tmp by default. An administrator's kit of an old
        # release has no such file.
        if resources.exists():
            changed = resources.read_text().replace("/tmp/nvflare/", f"{folder}/store/")
            resources.write_text(changed)
        return folder


def provision(
    folder: Path, *, scheme: str = "tcp", secure: bool = True, sites: Sequence[str] = SITES
) -> Project:
    """Makes a project with a server, sites and an administrator, on free ports.

    Unless `secure`, its kits say that connections are in the clear.
    """
    folder.mkdir(parents=True)
    port, admin_port = free_ports(2)
    lines = [f"  - {{name: {site}, type: client, org: example}}" for site in sites]
    (folder / "project.yml").write_text(
        _PROJECT_FILE.format(
            name=PROJECT,
            server=SERVER,
            port=port,
            admin_port=admin_port,
            sites="\n".join(lines),
            admin=ADMIN,
        )
        + json.dumps({"builders": _builders(scheme, port, admin_port)})[1:-1]
    )
    made = subprocess.run(
        [Path(sys.executable).parent / "nvflare", "provision", "-p", "project.yml", "-w", "made"],
        cwd=folder,
        env={**os.environ, "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise Failure(f"nvflare provision failed:\n{made.stdout}{made.stderr}")
    project = Project(folder, port)
    if not secure:
        kits = project.kit("")
        # Kits before 2.7 have no such field: there the start scripts decide alone.
        for file in kits.glob("*/startup/fed_*.json") if RELEASE >= (2, 7) else []:
            replace(file, '"connection_security": "mtls"', '"connection_security": "clear"')
        for file in kits.glob("*/startup/sub_start.sh"):
            replace(file, "secure_train=true", "secure_train=false")
    return project


def _builders(scheme: str, port: int, admin_port: int) -> list[dict[str, Any]]:
    """What this release makes kits with, as its own sample of a project says."""
    workspace: dict[str, Any] = {}
    files: dict[str, Any] = {"config_folder": "config", "scheme": scheme}
    names = ["workspace.WorkspaceBuilder", "static_file.StaticFileBuilder"]
    if RELEASE < (2, 7):
        workspace["template_file"] = ["master_template.yml", "aws_template.yml"]
        workspace["template_file"] += ["azure_template.yml"]
        files["overseer_agent"] = {
            "path": "nvflare.ha.dummy_overseer_agent.DummyOverseerAgent",
            "overseer_exists": False,
            "args": {"sp_end_point": f"{SERVER}:{port}:{admin_port}"},
        }
    if RELEASE < (2, 6):
        names.insert(1, "template.TemplateBuilder")
    names += ["cert.CertBuilder", "signature.SignatureBuilder"]
    arguments = {names[0]: workspace, "static_file.StaticFileBuilder": files}
    return [
        {"path": f"nvflare.lighter.impl.{name}", "args": arguments.get(name, {})} for name in names
    ]


def edit(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes a JSON file in place."""
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content, indent=2))


def replace(file: Path, old: str, new: str) -> None:
    """Changes a text file in place; fails if there is nothing to change."""
    text = file.read_text()
    check(old in text, f"{file} does not say {old}")
    file.write_text(text.replace(old, new))


def free_ports(count: int) -> list[int]:
    """Different loopback ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
