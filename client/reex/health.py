"""Whether a daemon serves: grpc.health.v1 over its socket."""

from __future__ import annotations

from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from reex.channel import resolve

TIMEOUT_S = 2.0


def serving(socket: Path) -> bool:
    """True when the daemon at `socket` says so; False when it is silent, starting, or stopping."""
    # A channel of its own, without retries: the caller asks again.
    with grpc.insecure_channel(resolve(socket), options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S
            )
        except grpc.RpcError:
            return False
    return answer.status == health_pb2.HealthCheckResponse.SERVING
