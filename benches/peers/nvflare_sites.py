"""Sites of NVFlare: `nvflare_sites.py PORT KIT...`. See `sites.py` for its commands.

Each is a genuine cell that speaks through NVFlare's own client, `Communicator`; only what
surrounds that in a client process, its engine, is made up.
"""

import json
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import sites
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FLContextKey, SecureTrainConst
from nvflare.apis.fl_context import FLContext, FLContextManager
from nvflare.fuel.f3.cellnet.cell import Cell
from nvflare.fuel.f3.cellnet.defs import MessageHeaderKey, ReturnCode
from nvflare.fuel.f3.cellnet.fqcn import FQCN
from nvflare.fuel.f3.drivers.driver_params import DriverParams
from nvflare.fuel.f3.message import Message
from nvflare.private.fed.client.communicator import Communicator
from nvflare.private.fed.utils.fed_utils import fobs_initialize
from nvflare_tally import CHANNEL

SERVER = "localhost"
PROJECT = "proof"
TIMEOUT = 60.0


class Engine:
    """What `Communicator` asks of a client's engine: a context, no jobs, and to be told of
    heartbeats, so that it can be stopped after some."""

    def __init__(self, name: str, communicator: Communicator) -> None:
        self._contexts = FLContextManager(self, name)
        self._communicator = communicator
        self.left = 0

    def new_context(self) -> FLContext:
        return self._contexts.new_context()

    def get_all_job_ids(self) -> list[str]:
        return []

    def fire_event(self, event: str, _: FLContext) -> None:
        if event == EventType.AFTER_CLIENT_HEARTBEAT:
            self.left -= 1
            self._communicator.heartbeat_done = self.left == 0


class Site:
    """One site."""

    def __init__(self, port: int, kit: Path) -> None:
        self.name = kit.name
        startup = kit / "startup"
        files = {
            SecureTrainConst.SSL_ROOT_CERT: str(startup / "rootCA.pem"),
            SecureTrainConst.SSL_CERT: str(startup / "client.crt"),
            SecureTrainConst.PRIVATE_KEY: str(startup / "client.key"),
        }
        self._credentials = {
            DriverParams.CA_CERT.value: files[SecureTrainConst.SSL_ROOT_CERT],
            DriverParams.CLIENT_CERT.value: files[SecureTrainConst.SSL_CERT],
            DriverParams.CLIENT_KEY.value: files[SecureTrainConst.PRIVATE_KEY],
            DriverParams.CONNECTION_SECURITY.value: "mtls",
        }
        self._url = f"tcp://{SERVER}:{port}"
        self._config = {"client_name": self.name, **files}
        self.cell = self._cell(self.name)
        self._communicator = self._speaker(self.cell)
        self._engine = Engine(self.name, self._communicator)

    def enter(self) -> int:
        """Registers, and sends its first heartbeat."""
        context = self._engine.new_context()
        context.set_prop(FLContextKey.CLIENT_CONFIG, self._config)
        context.set_prop(FLContextKey.SERVER_CONFIG, [{"identity": SERVER}])
        context.set_prop(FLContextKey.SECURE_MODE, True)
        token, _, _ = self._communicator.client_registration(self.name, PROJECT, context)
        if not token:
            raise RuntimeError(f"{self.name} was not registered")
        return self.heartbeat()

    def rejoin(self) -> int:
        """Says goodbye, registers anew, and sends the first heartbeat."""
        self._communicator.quit_remote(None, PROJECT, None, None, self._engine.new_context())
        self._communicator.abort_signal.reset(False)
        return self.enter()

    def heartbeat(self) -> int:
        """One heartbeat."""
        self._engine.left = 1
        self._communicator.heartbeat_done = False
        self._communicator.send_heartbeat(
            *(None, PROJECT, None, None, self.name, self._engine), interval=0
        )
        return 0

    def _cell(self, name: str) -> Cell:
        cell = Cell(
            fqcn=name,
            root_url=self._url,
            secure=True,
            credentials=dict(self._credentials),
            auth_identity=self.name,
            auth_identity_map={name: self.name, FQCN.ROOT_SERVER: SERVER},
        )
        cell.start()
        return cell

    def _speaker(self, cell: Cell) -> Communicator:
        communicator = Communicator(
            client_config=self._config,
            secure_train=True,
            timeout=TIMEOUT,
            maint_msg_timeout=TIMEOUT,
        )
        communicator.set_cell(cell)
        return communicator


def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    fobs_initialize()
    port, *kits = sys.argv[1:]
    all_sites = [Site(int(port), Path(kit)) for kit in kits]

    def count() -> dict[str, Any]:
        reply = all_sites[0].cell.send_request(CHANNEL, "count", "server", Message(), TIMEOUT)
        code = reply.get_header(MessageHeaderKey.RETURN_CODE)
        if code != ReturnCode.OK:
            raise RuntimeError(f"the server does not say its counts: {code}")
        return dict(reply.payload)

    sites.serve(all_sites, {"count": count})


if __name__ == "__main__":
    try:
        main()
    except BaseException:
        traceback.print_exc()
    sys.stderr.flush()
    # Threads of the cells would keep the process.
    os._exit(0)
