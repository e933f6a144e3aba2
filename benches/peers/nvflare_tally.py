"""Counts what the genuine server receives: a component of its own, from its resources.

A cell anywhere gets the counts by asking: channel `peers`, topic `count`; and by topic
`alone` what a heartbeat takes when there is nothing around it.
"""

from collections import Counter
from threading import Lock
from typing import Any

from nvflare.apis.event_type import EventType
from nvflare.apis.fl_component import FLComponent
from nvflare.apis.fl_context import FLContext
from nvflare.fuel.f3.cellnet.core_cell import make_reply
from nvflare.fuel.f3.cellnet.defs import CellChannelTopic, MessageHeaderKey, ReturnCode
from nvflare.fuel.f3.message import Message

from nvflare_alone import LastRequest

CHANNEL = "peers"


class Tally(FLComponent):
    """Requests by topic, each when its handler is about to be called."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: Counter[str] = Counter()
        self._lock = Lock()

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        if event_type == EventType.SYSTEM_BOOTSTRAP:
            cell: Any = fl_ctx.get_engine().get_cell()
            self._heartbeat = LastRequest(cell, "task", CellChannelTopic.HEART_BEAT)
            cell.core_cell.add_incoming_request_filter("task", "*", self._count)
            cell.core_cell.register_request_cb(CHANNEL, "count", self._report)
            cell.core_cell.register_request_cb(CHANNEL, "alone", self._alone)

    def _count(self, message: Message) -> None:
        with self._lock:
            self._counts[message.get_header(MessageHeaderKey.TOPIC)] += 1

    def _report(self, _: Message) -> Message:
        with self._lock:
            return make_reply(ReturnCode.OK, body=dict(self._counts))

    def _alone(self, request: Message) -> Message:
        seconds = self._heartbeat.repeat(request.payload["times"])
        return make_reply(ReturnCode.OK, body={"heartbeat": seconds})
