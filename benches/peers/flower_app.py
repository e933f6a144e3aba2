"""Flower's application: a run that the SuperLink starts, and the part of it that gives
messages to nodes and takes their replies, as a ServerApp does."""

from pathlib import Path

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.cli.build import build_fab_from_files
from flwr.common.serde import run_from_proto
from flwr.proto.control_pb2 import StartRunRequest
from flwr.proto.fab_pb2 import Fab
from flwr.proto.runtime_pb2 import AcquireTaskRequest, PullTaskInputRequest
from flwr.supercore.constant import TaskType
from flwr.supercore.control.control_http_client import ControlHttpClient
from flwr.supercore.heartbeat import HeartbeatSender, make_task_heartbeat_fn_http
from flwr.supercore.interceptors.http.runtime_version import (
    RuntimeVersionHttpInterceptor,
)
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.grid import HttpGrid

from sites import payload

PROJECT = """\
[project]
name = "work"
version = "1.0.0"
license = "Apache-2.0"
dependencies = ["flwr"]

[tool.flwr.app]
publisher = "peers"

[tool.flwr.app.components]
serverapp = "work.server_app:app"
clientapp = "work.client_app:app"
"""


class Application:
    """A run, and what it has been given."""

    def __init__(self, address: str, root: str) -> None:
        version = RuntimeVersionHttpInterceptor(component_name="peers")
        files = {"pyproject.toml": PROJECT.encode()}
        for part in ("__init__", "server_app", "client_app"):
            files[f"work/{part}.py"] = b"app = None\n"
        bundle, _ = build_fab_from_files(files)
        control = ControlHttpClient.from_server_address(address, False, root, [version])
        control.StartRun(StartRunRequest(fab=Fab(content=bundle)))
        executor = RuntimeHttpClient.from_server_address(address, False, root, [version])
        task = executor.AcquireTask(AcquireTaskRequest(supported_task_types=[TaskType.SERVER_APP]))
        if not task.token:
            raise RuntimeError("there is no run")
        self._grid = HttpGrid(address, False, Path(root).read_bytes(), token=task.token)
        client = self._grid._runtime_client
        self._heartbeats = HeartbeatSender(make_task_heartbeat_fn_http(client))
        self._heartbeats.start()
        given = client.PullTaskInput(PullTaskInputRequest())
        TaskIdentity.task_id = given.task_id
        TaskIdentity.run_id = given.run.run_id
        TaskIdentity.node_id = given.context.node_id
        self._grid.set_run(run_from_proto(given.run))
        self._waiting: set[str] = set()
        self._bytes = 0

    def assign(self, nodes: list[int], size: int) -> None:
        """Gives each node a message with so many bytes."""
        messages = [
            Message(RecordDict({"work": ConfigRecord({"data": payload(size)})}), node, "train")
            for node in nodes
        ]
        self._waiting.update(self._grid.push_messages(messages))

    def handed_in(self) -> int:
        """Takes all replies that are there; bytes in all of them so far."""
        for reply in self._grid.pull_messages(self._waiting) if self._waiting else []:
            if not reply.has_content():
                raise RuntimeError(f"a reply is missing: {reply.error}")
            self._waiting.remove(reply.metadata.reply_to_message_id)
            for record in reply.content.values():
                values = record.values()
                self._bytes += sum(
                    len(value) if isinstance(value, bytes) else value.numpy().nbytes
                    for value in values
                )
        return self._bytes
