"""Nodes of Flower: `flower_sites.py ADDRESS ROOT COUNT`. See `sites.py` for the commands.

Each speaks through Flower's own client of the Fleet API, as its SuperNode does.
"""

import logging
import sys

import sites
from flwr.common.constant import HEARTBEAT_DEFAULT_INTERVAL
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    RegisterNodeFleetRequest,
    UnregisterNodeFleetRequest,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.node_pb2 import Node
from flwr.supercore.interceptors.http.runtime_version import RuntimeVersionHttpInterceptor
from flwr.supercore.primitives.asymmetric import generate_key_pairs, public_key_to_bytes
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor


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


def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    address, root, count = sys.argv[1:]
    sites.serve([Site(address, root) for _ in range(int(count))], {})


if __name__ == "__main__":
    main()
