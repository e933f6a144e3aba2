"""What the genuine server's handlers take by themselves: called in its processes, with what
clients have sent or would send, and without a connection."""

import time
from collections import Counter
from typing import Any

from nvflare.apis.client import Client
from nvflare.apis.fl_constant import FLContextKey, ServerCommandKey, ServerCommandNames
from nvflare.apis.fl_context import FLContextManager
from nvflare.apis.shareable import Shareable
from nvflare.apis.utils.fl_context_utils import gen_new_peer_ctx
from nvflare.fuel.f3.cellnet.defs import MessageHeaderKey, MessagePropKey
from nvflare.fuel.f3.message import Message
from nvflare.fuel.utils import fobs
from nvflare.private.fed.server.server_commands import ServerCommands


class LastRequest:
    """The last request of a kind that a cell has received, to be handled again."""

    def __init__(self, cell: Any, channel: str, topic: str) -> None:
        self._cell = cell.core_cell
        self._last: tuple[Any, dict[str, Any], Any] | None = None
        self._cell.add_incoming_filter(channel, topic, self._remember)

    def repeat(self, times: int) -> float:
        """Seconds of CPU that one takes: counted, authenticated, decoded, and handled. No
        answer is wanted, so none is encoded."""
        if self._last is None:
            raise RuntimeError("no such request has come")
        endpoint, headers, payload = self._last
        requests = [Message(_copied(headers), payload) for _ in range(times)]
        begun = time.thread_time()
        for request in requests:
            self._cell.process_message(endpoint, None, 0, request)
        return (time.thread_time() - begun) / times

    def _remember(self, message: Message) -> None:
        endpoint = message.get_prop(MessagePropKey.ENDPOINT)
        self._last = (endpoint, _copied(message.headers), message.payload)


def _copied(headers: dict[str, Any]) -> dict[str, Any]:
    """The headers as they came, for a request to which nobody expects an answer."""
    route = list(headers.get(MessageHeaderKey.ROUTE) or [])
    return {**headers, MessageHeaderKey.ROUTE: route, MessageHeaderKey.REPLY_EXPECTED: False}


class Desk:
    """Handles what clients ask of a job, in the job's own process: decoded, handled, and the
    answer encoded; without the check of who asks."""

    def __init__(self, engine: Any, job: str) -> None:
        self._engine = engine
        self._job = job
        self.cpu: Counter[str] = Counter()

    def ask(self, row: str, client: Client) -> Shareable:
        """A client asks for a task."""
        return self._handle(row, client, ServerCommandNames.GET_TASK, Shareable())

    def submit(self, row: str, client: Client, task: Shareable, data: bytes) -> None:
        """A client hands in the result of a task that it has."""
        result = Shareable({"data": data})
        result.set_cookie_jar(task.get_cookie_jar())
        result.set_header(FLContextKey.TASK_ID, task.get_header(FLContextKey.TASK_ID))
        result.set_header(FLContextKey.TASK_NAME, task.get_header(ServerCommandKey.TASK_NAME))
        self._handle(row, client, ServerCommandNames.SUBMIT_UPDATE, result)

    def each(self, operations: int) -> dict[str, float]:
        """Seconds of CPU for one of so many of each kind."""
        return {row: cpu / operations for row, cpu in self.cpu.items()}

    def _handle(self, row: str, client: Client, command: str, request: Shareable) -> Any:
        context = FLContextManager(None, client.name, self._job).new_context()
        request.set_peer_context(gen_new_peer_ctx(context))
        sent = fobs.dumps(request)
        begun = time.thread_time()
        received = fobs.loads(sent)
        received.set_header(ServerCommandKey.FL_CLIENT, client)
        with self._engine.new_context() as fl_ctx:
            answer = ServerCommands.get_command(command).process(data=received, fl_ctx=fl_ctx)
        fobs.dumps(answer)
        self.cpu[row] += time.thread_time() - begun
        return answer
