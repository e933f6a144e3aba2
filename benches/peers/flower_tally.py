"""The genuine `flower-superlink`, with a counter before it that tells, at `/peers/count`,
how many requests of the Fleet API have come. It takes the place of the extensions that the
SuperLink can be given, and leaves the rest to the SuperLink."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from flwr.superlink import extensions
from flwr.superlink.cli import flower_superlink
from starlette.middleware import Middleware

PATH = "/peers/count"
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Tally:
    """Requests by path, each when it comes in."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._counts: Counter[str] = Counter()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path == PATH:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": json.dumps(self._counts).encode()})
            return
        if path.startswith("/v1/fleet/"):
            self._counts[path] += 1
        await self._app(scope, receive, send)


if __name__ == "__main__":
    extensions.get_middleware = lambda: (Middleware(Tally),)
    flower_superlink()
