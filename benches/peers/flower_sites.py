"""Nodes of Flower: `flower_sites.py ADDRESS ROOT COUNT`. See `sites.py` for the commands.

Each speaks through Flower's own client of the Fleet API, as its SuperNode does.
"""

import logging
import sys

import numpy
from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.common.constant import HEARTBEAT_DEFAULT_INTERVAL
from flwr.common.serde import message_to_proto
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PullMessagesResponse,
    PushMessagesRequest,
    RegisterNodeFleetRequest,
    UnregisterNodeFleetRequest,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.node_pb2 import Node
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_confirm_message_received_fn_protobuf,
    make_pull_object_fn_protobuf,
    make_push_object_fn_protobuf,
)
from flwr.supercore.inflatable.inflatable_utils import (
    inflate_object_from_contents,
    pull_objects,
    push_object_contents_from_iterable,
)
from flwr.supercore.interceptors.http.runtime_version import (
    RuntimeVersionHttpInterceptor,
)
from flwr.supercore.primitives.asymmetric import generate_key_pairs, public_key_to_bytes
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

import sites
from flower_app import Application


class Site:
    """One node."""

    def __init__(self, address: str, root: str) -> None:
        private, public = generate_key_pairs()
        self._key = public_key_to_bytes(public)
        self._proof = NodeAuthHttpInterceptor(private, public)
        interceptors = [RuntimeVersionHttpInterceptor(component_name="SuperNode"), self._proof]
        self._client = FleetHttpClient.from_server_address(
            address, False, root, interceptors=interceptors
        )
        self._node = Node()

    def enter(self) -> int:
        """Registers, and sends its first heartbeat."""
        self._client.RegisterNode(RegisterNodeFleetRequest(public_key=self._key))
        interval = HEARTBEAT_DEFAULT_INTERVAL
        activated = self._client.ActivateNode(
            ActivateNodeRequest(public_key=self._key, heartbeat_interval=interval)
        )
        self._node = Node(node_id=activated.node_id)
        return self.heartbeat()

    def rejoin(self) -> int:
        """Says goodbye, registers anew, and sends the first heartbeat."""
        self._client.DeactivateNode(DeactivateNodeRequest(node_id=self._node.node_id))
        self._client.UnregisterNode(UnregisterNodeFleetRequest(node_id=self._node.node_id))
        # A key serves only once: the SuperNode makes new ones at each start.
        private, public = generate_key_pairs()
        self._key = public_key_to_bytes(public)
        self._proof.__init__(private, public)
        return self.enter()

    def heartbeat(self) -> int:
        """One heartbeat."""
        request = SendNodeHeartbeatRequest(
            node=self._node, heartbeat_interval=HEARTBEAT_DEFAULT_INTERVAL
        )
        if not self._client.SendNodeHeartbeat(request).success:
            raise RuntimeError("a heartbeat failed")
        return 0

    @property
    def node(self) -> int:
        return self._node.node_id

    def poll(self) -> int:
        """Asks for a message while there is none."""
        if self._pull().messages_list:
            raise RuntimeError("there was a message")
        return 0

    def fetch(self) -> int:
        """Fetches a message, with all that it is made of, and confirms it."""
        pulled = self._pull()
        if not pulled.messages_list:
            raise RuntimeError("there was no message")
        header, tree = pulled.messages_list[0], pulled.message_object_trees[0]
        run = header.metadata.run_id
        parts = pull_objects(
            [part.object_id for part in iterate_object_tree(tree)],
            make_pull_object_fn_protobuf(self._client.PullObject, self._node, run),
            max_concurrent_pulls=1,
        )
        confirm = make_confirm_message_received_fn_protobuf(
            self._client.ConfirmMessageReceived, self._node, run
        )
        confirm(tree.object_id)
        message = inflate_object_from_contents(tree.object_id, parts)
        message.metadata.__dict__["_message_id"] = tree.object_id
        self._message = message
        return len(message.content["work"]["data"])

    def submit(self, size: int) -> int:
        """Replies with so many bytes."""
        return self._reply(ConfigRecord({"data": sites.payload(size)}), size)

    def submit_array(self, size: int) -> int:
        """Replies with so many bytes, as an array of numbers."""
        numbers = numpy.frombuffer(sites.payload(size), dtype=numpy.uint32)
        return self._reply(ArrayRecord([numbers]), size)

    def _reply(self, record: ArrayRecord | ConfigRecord, size: int) -> int:
        reply = Message(RecordDict({"work": record}), reply_to=self._message)
        with no_object_id_recompute():
            reply.metadata.__dict__["_message_id"] = reply.object_id
            parts = get_all_nested_objects(reply)
            pushed = self._client.PushMessages(
                PushMessagesRequest(
                    node=self._node,
                    messages_list=[message_to_proto(remove_content_from_message(reply))],
                    message_object_trees=[get_object_tree(reply)],
                    clientapp_runtime_list=[0.0],
                )
            )
            wanted = set(pushed.objects_to_push)
            push_object_contents_from_iterable(
                ((name, part.deflate()) for name, part in parts.items() if name in wanted),
                make_push_object_fn_protobuf(
                    self._client.PushObject, self._node, reply.metadata.run_id, pushed.session_id
                ),
                max_concurrent_pushes=1,
            )
        return size

    def _pull(self) -> PullMessagesResponse:
        return self._client.PullMessages(PullMessagesRequest(node=self._node))


def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    address, root, count = sys.argv[1:]
    nodes = [Site(address, root) for _ in range(int(count))]
    run: list[Application] = []

    def begin() -> dict[str, int]:
        run.append(Application(address, root))
        return {}

    def assign(size: int) -> dict[str, int]:
        run[0].assign([site.node for site in nodes], size)
        return {}

    sites.serve(
        nodes,
        {
            "begin": begin,
            "assign": assign,
            "handed_in": lambda: {"bytes": run[0].handed_in()},
        },
    )


if __name__ == "__main__":
    main()
