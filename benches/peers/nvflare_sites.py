"""Sites of NVFlare: `nvflare_sites.py PORT KIT...`. See `sites.py` for its commands.

Each is a genuine cell that speaks through NVFlare's own client, `Communicator`; only what
surrounds that in a client process, its engine, is made up.
"""

import logging
import os
import queue
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import (
    FLContextKey,
    ReservedKey,
    SecureTrainConst,
    ServerCommandKey,
)
from nvflare.apis.fl_context import FLContext, FLContextManager
from nvflare.apis.shareable import Shareable
from nvflare.fuel.f3.cellnet.cell import Cell
from nvflare.fuel.f3.cellnet.defs import MessageHeaderKey, ReturnCode
from nvflare.fuel.f3.cellnet.fqcn import FQCN
from nvflare.fuel.f3.drivers.driver_params import DriverParams
from nvflare.fuel.f3.message import Message
from nvflare.private.admin_defs import Message as AdminMessage
from nvflare.private.admin_defs import ok_reply
from nvflare.private.defs import (
    CellChannel,
    RequestHeader,
    SpecialTaskName,
    TrainingTopic,
    new_cell_message,
)
from nvflare.private.fed.client.communicator import Communicator
from nvflare.private.fed.utils.fed_utils import fobs_initialize
from nvflare.private.scheduler_constants import ShareableHeader

import sites
from nvflare_tally import CHANNEL

SERVER = "localhost"
PROJECT = "proof"
TIMEOUT = 60.0
LONG = 300.0


class Engine:
    """What `Communicator` asks of a client's engine: a context, no jobs, and to be told of
    heartbeats, so that it can be stopped after some."""

    def __init__(self, name: str, communicator: Communicator) -> None:
        place = {ReservedKey.FQSN: name, ReservedKey.IS_LEAF: True}
        self._contexts = FLContextManager(self, name, public_stickers=place)
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
        self.cell.register_request_cb(CellChannel.CLIENT_MAIN, "*", self._administer)
        self._communicator = self._speaker(self.cell)
        self._engine = Engine(self.name, self._communicator)
        self._job: queue.Queue[str] = queue.Queue()
        self._task = Shareable()

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

    def start_job(self) -> int:
        """Waits for the job that the server starts, and gives it a cell of its own, on one
        more connection, as the process for the job has."""
        job = self._job.get(timeout=TIMEOUT)
        client = self._communicator
        self.worker = self._cell(FQCN.join([self.name, job]))
        self._worker = Communicator(client_config=self._config, secure_train=True, timeout=TIMEOUT)
        self._worker.set_auth(client.client_name, client.token, client.token_signature, client.ssid)
        self._worker.set_cell(self.worker)
        contexts = FLContextManager(None, self.name, job)
        self._context = contexts.new_context()
        self._context.set_prop(FLContextKey.SSID, client.ssid, sticky=False)
        end = time.monotonic() + TIMEOUT
        # The server's process for the job takes a while to start.
        while not self._pull() and time.monotonic() < end:
            time.sleep(0.5)
        return 0

    def poll(self) -> int:
        """Asks for a task while there is none."""
        if (name := self._ask()) != SpecialTaskName.TRY_AGAIN:
            raise RuntimeError(f"there was a task: {name}")
        return 0

    def fetch(self) -> int:
        """Fetches a task."""
        if (name := self._ask()) != "train":
            raise RuntimeError(f"there was no task: {name}")
        return len(self._task["data"])

    def submit(self, size: int) -> int:
        """Hands in a result of so many bytes."""
        return self._submit(sites.payload(size), size)

    def submit_array(self, size: int) -> int:
        """Hands in a result of so many bytes, as an array of numbers."""
        return self._submit(numpy.frombuffer(sites.payload(size), dtype=numpy.float32), size)

    def _submit(self, data: Any, size: int) -> int:
        result = Shareable({"data": data})
        result.set_cookie_jar(self._task.get_cookie_jar())
        result.set_header(FLContextKey.TASK_ID, self._task.get_header(FLContextKey.TASK_ID))
        code = self._worker.submit_update(
            *(PROJECT, None, self._worker.ssid, self._context, self.name, result, "train"),
            timeout=LONG,
        )
        if code != ReturnCode.OK:
            raise RuntimeError(f"a result was not taken: {code}")
        return size

    def _ask(self) -> str:
        if not self._pull():
            raise RuntimeError("no answer")
        return str(self._task.get_header(ServerCommandKey.TASK_NAME))

    def _pull(self) -> bool:
        answer = self._worker.pull_task(PROJECT, None, self._worker.ssid, self._context)
        if answer is not None:
            self._task = answer.payload
        return answer is not None

    def _administer(self, request: Message) -> Message:
        """Agrees to whatever the server plans."""
        asked = request.payload
        answer = ok_reply(topic=f"reply_{asked.topic}")
        if asked.topic == TrainingTopic.CHECK_RESOURCE:
            enough = Shareable()
            enough.set_header(ShareableHeader.IS_RESOURCE_ENOUGH, True)
            enough.set_header(ShareableHeader.RESOURCE_RESERVE_TOKEN, "")
            answer = AdminMessage(f"reply_{asked.topic}", enough)
        elif asked.topic == TrainingTopic.START_JOB:
            self._job.put(asked.get_header(RequestHeader.JOB_ID))
        return new_cell_message({}, answer)

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

    def ask(cell: Cell, topic: str, target: str, **request: int) -> dict[str, Any]:
        reply = cell.core_cell.send_request(
            CHANNEL, topic, target, new_cell_message({}, request), TIMEOUT
        )
        code = reply.get_header(MessageHeaderKey.RETURN_CODE)
        if code != ReturnCode.OK:
            raise RuntimeError(f"{target} does not answer {topic}: {code}")
        return dict(reply.payload)

    def of_job(topic: str, **request: int) -> dict[str, Any]:
        cell = all_sites[0].worker
        return ask(cell, topic, f"server.{FQCN.split(cell.get_fqcn())[-1]}", **request)

    def wait_for_job() -> dict[str, Any]:
        end = time.monotonic() + TIMEOUT
        while True:
            try:
                return of_job("count")
            except RuntimeError:
                if time.monotonic() > end:
                    raise
            time.sleep(0.5)

    sites.serve(
        all_sites,
        {
            "count": lambda: ask(all_sites[0].cell, "count", "server"),
            "wait_for_job": wait_for_job,
            "count_work": lambda: of_job("count"),
            "assign": lambda size: of_job("assign", sites=len(all_sites), bytes=size),
            "alone": lambda times: ask(all_sites[0].cell, "alone", "server", times=times),
            "alone_in_job": lambda rounds, size: of_job("alone", rounds=rounds, bytes=size),
        },
    )


if __name__ == "__main__":
    try:
        main()
    except BaseException:
        traceback.print_exc()
    sys.stderr.flush()
    # Threads of the cells would keep the process.
    os._exit(0)
