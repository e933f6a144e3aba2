"""A network between a site and the server that can be slow, and can be cut."""

import asyncio
import threading
from collections.abc import Coroutine
from enum import Enum
from typing import Any

PIECE = 64 * 1024
TICK = 0.05


class Cut(Enum):
    """How a network fails."""

    SILENT = "silent"
    """Nothing passes and nobody is told, as when a cable is pulled. Then all goes on."""
    RESET = "reset"
    """Connections break and new ones are refused, as when a router starts anew."""


class Proxy:
    """Passes connections on to a port of this machine, from a thread of its own.

    `upstream` is at most how many bytes a second go from the site to the server.
    """

    def __init__(self, target: int, *, upstream: float) -> None:
        self.port = 0
        self.sent = 0
        self._target = target
        self._upstream = upstream
        self._cut: Cut | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._run(self._listen())

    def cut(self, how: Cut) -> None:
        self._run(self._begin_cut(how))

    def mend(self) -> None:
        self._cut = None

    def close(self) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _listen(self) -> None:
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _begin_cut(self, how: Cut) -> None:
        self._cut = how
        if how is Cut.RESET:
            for writer in list(self._writers):
                writer.transport.abort()

    def _accepted(self, site: asyncio.StreamReader, to_site: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._connect(site, to_site))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _connect(self, site: asyncio.StreamReader, to_site: asyncio.StreamWriter) -> None:
        if self._cut is Cut.RESET:
            to_site.transport.abort()
            return
        try:
            server, to_server = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            to_site.transport.abort()
            return
        pair = {to_site, to_server}
        self._writers |= pair
        try:
            await asyncio.gather(self._up(site, to_server), self._down(server, to_site))
        except OSError:
            pass
        finally:
            self._writers -= pair
            for writer in pair:
                writer.close()

    async def _up(self, site: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> None:
        while piece := await site.read(PIECE):
            await self._passable()
            to_server.write(piece)
            await to_server.drain()
            self.sent += len(piece)
            await asyncio.sleep(len(piece) / self._upstream)
        to_server.close()

    async def _down(self, server: asyncio.StreamReader, to_site: asyncio.StreamWriter) -> None:
        while piece := await server.read(PIECE):
            await self._passable()
            to_site.write(piece)
            await to_site.drain()
        to_site.close()

    async def _passable(self) -> None:
        while self._cut is Cut.SILENT:
            await asyncio.sleep(TICK)
