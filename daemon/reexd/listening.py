"""Where clients reach the services: gRPC on the socket of a home, bound anew when the socket was taken away.

A runtime folder goes with its user's last session, and the socket in it, while the daemon stays, perhaps at a long
training. It holds the home, so nobody could reach it, nor start another. Knows no service, and no step.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from reexd.claim import Claim
from reexd.errors import ReexError
from reexd.rpc.status import TranslateErrors

logger = logging.getLogger(__name__)

LOOK_INTERVAL_S = 2.0  # between two looks at the socket's path


@dataclass(frozen=True)
class _Bound:
    server: grpc.aio.Server
    health: HealthServicer
    names: tuple[str, ...]

    async def start(self) -> None:
        await self.server.start()
        for name in ("", *self.names):
            await self.health.set(name, health_pb2.HealthCheckResponse.SERVING)


class Listener:
    """`bind`, `start`, and `close` once each; `watch` in between."""

    def __init__(
        self, held: Claim, services: Iterable[tuple[object, object, object]], message_max_bytes: int
    ) -> None:
        """`services`: proto module, its stubs and servicer of each."""
        self._held = held
        self._services = tuple(services)
        self._options = [("grpc.max_receive_message_length", message_max_bytes), ("grpc.so_reuseport", 0)]
        self._bound: list[_Bound] = []  # the last can be found; those before serve on whoever had found them

    def bind(self) -> None:
        """Raises InvalidSetting when something else stands in the way."""
        bound = self._built()
        with self._held.binding(again=bool(self._bound)):
            bound.server.add_insecure_port(self._held.target)
        self._bound.append(bound)

    async def start(self) -> None:
        await self._bound[-1].start()

    async def watch(self) -> None:
        """Bind anew whenever the socket has gone. Returns when the home has: another daemon may have it by then."""
        told = False
        while self._held.has_home():
            if not self._held.still_ours():
                try:
                    self.bind()
                    await self.start()
                    logger.warning("the socket was taken away; serving on %s again", self._held.target)
                except (ReexError, OSError, RuntimeError) as error:
                    if not told:
                        logger.warning("the socket was taken away and cannot be bound yet: %s", error)
                    told = True
                else:
                    told = False
            await asyncio.sleep(LOOK_INTERVAL_S)
        logger.error("the lock file was taken away, and the home with it")

    async def say_not_serving(self) -> None:
        for bound in self._bound:
            await bound.health.enter_graceful_shutdown()

    async def close(self, drain_s: float) -> None:
        await asyncio.gather(*(bound.server.stop(drain_s) for bound in self._bound))

    def _built(self) -> _Bound:
        server = grpc.aio.server(interceptors=[TranslateErrors()], options=self._options)
        names = []
        for module, stubs, servicer in self._services:
            for name in module.DESCRIPTOR.services_by_name:
                getattr(stubs, f"add_{name}Servicer_to_server")(servicer, server)
            names.extend(service.full_name for service in module.DESCRIPTOR.services_by_name.values())
        health = HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(health, server)
        reflection.enable_server_reflection(
            (*names, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name), server
        )
        return _Bound(server, health, tuple(names))
