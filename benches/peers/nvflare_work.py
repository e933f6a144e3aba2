"""The genuine server's part of the job: a controller that broadcasts tasks when it is asked
to, and counts what it gets.

It is asked by a cell: channel `peers`, topics `assign`, `count`, and `alone`, which has
each client's part of some rounds handled here, without the client.
"""

import time
from collections import Counter
from threading import Lock
from typing import Any

from nvflare.apis.client import Client
from nvflare.apis.controller_spec import ClientTask, Task
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_context import FLContext
from nvflare.apis.impl.controller import Controller
from nvflare.apis.shareable import Shareable
from nvflare.apis.signal import Signal
from nvflare.fuel.f3.cellnet.core_cell import make_reply
from nvflare.fuel.f3.cellnet.defs import ReturnCode
from nvflare.fuel.f3.message import Message

from nvflare_alone import Desk
from nvflare_tally import CHANNEL

PAUSE = 0.5


class Work(Controller):
    """Runs until the job is aborted."""

    def __init__(self) -> None:
        super().__init__(task_check_period=0.05)
        self._counts = Counter({"asked": 0, "results": 0, "result_bytes": 0})
        self._lock = Lock()

    def start_controller(self, fl_ctx: FLContext) -> None:
        cell: Any = fl_ctx.get_engine().get_cell()
        cell.core_cell.register_request_cb(CHANNEL, "assign", self._assign)
        cell.core_cell.register_request_cb(CHANNEL, "count", self._report)
        cell.core_cell.register_request_cb(CHANNEL, "alone", self._alone, fl_ctx.get_job_id())

    def control_flow(self, abort_signal: Signal, fl_ctx: FLContext) -> None:
        while not abort_signal.triggered:
            time.sleep(PAUSE)

    def stop_controller(self, fl_ctx: FLContext) -> None:
        pass

    def process_result_of_unknown_task(
        self,
        client: Client,
        task_name: str,
        client_task_id: str,
        result: Shareable,
        fl_ctx: FLContext,
    ) -> None:
        self._add(unknown=1)

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        if event_type == EventType.BEFORE_PROCESS_TASK_REQUEST:
            self._add(asked=1)

    def _assign(self, request: Message) -> Message:
        self._broadcast(request.payload["sites"], request.payload["bytes"])
        return make_reply(ReturnCode.OK, body={})

    def _alone(self, request: Message, job: str) -> Message:
        rounds, size = request.payload["rounds"], request.payload["bytes"]
        clients = self._engine.get_clients()
        desk = Desk(self._engine, job)
        for _ in range(rounds):
            for client in clients:
                desk.ask("poll", client)
            self._broadcast(len(clients), size)
            tasks = [desk.ask("fetch", client) for client in clients]
            for client, task in zip(clients, tasks, strict=True):
                desk.submit("submit", client, task, bytes(size))
        return make_reply(ReturnCode.OK, body=desk.each(rounds * len(clients)))

    def _broadcast(self, sites: int, size: int) -> None:
        task = Task(
            name="train",
            data=Shareable({"data": bytes(size)}),
            result_received_cb=self._received,
        )
        with self._engine.new_context() as fl_ctx:
            self.broadcast(task, fl_ctx, min_responses=sites)

    def _received(self, client_task: ClientTask, fl_ctx: FLContext) -> None:
        data = client_task.result["data"]
        self._add(results=1, result_bytes=len(data) if isinstance(data, bytes) else data.nbytes)
        client_task.result = None

    def _add(self, **counts: int) -> None:
        with self._lock:
            self._counts.update(counts)

    def _report(self, _: Message) -> Message:
        with self._lock:
            return make_reply(ReturnCode.OK, body=dict(self._counts))
