"""Clients that cost little: signed commands made beforehand, sent by a number of workers for a while."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import grpc.aio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from galaxy.edge.v1 import edge_pb2, signing

_METHOD = "/galaxy.edge.v1.EdgeService/ExecuteCommand"
_TICKS_A_SECOND = 100


@dataclass(frozen=True)
class Figures:
    """What one run gave."""

    requests_per_second: float
    server_cpu_us_per_request: float


def commands(device_session_id: str, key: Ed25519PrivateKey, count: int) -> list[bytes]:
    """Sign `count` fresh commands."""
    made = []
    payload_hash = signing.payload_hash(b"")
    for _ in range(count):
        now_ms = int(time.time() * 1000)
        request_id = secrets.token_urlsafe(16)
        message = signing.request_message(
            "v1", device_session_id, "user.account.get", now_ms, request_id, "", payload_hash
        )
        made.append(
            edge_pb2.ExecuteCommandRequest(
                protocol_version="v1",
                device_session_id=device_session_id,
                message_type="user.account.get",
                timestamp_ms=now_ms,
                request_id=request_id,
                payload_hash=payload_hash,
                signature=key.sign(message),
            ).SerializeToString()
        )
    return made


async def over_connect(
    address: str, pid: int, prepared: list[bytes], workers: int, seconds: float
) -> Figures:
    """Send by Connect over HTTP/1.1."""
    connector = aiohttp.TCPConnector(limit=workers)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def send(body: bytes) -> None:
            headers = {"Content-Type": "application/proto"}
            async with session.post(f"http://{address}{_METHOD}", data=body, headers=headers) as answer:
                await answer.read()
                assert answer.status == 200, await answer.text()

        return await _run(send, pid, prepared, workers, seconds)


async def over_grpc(address: str, pid: int, prepared: list[bytes], workers: int, seconds: float) -> Figures:
    """Send by gRPC."""
    async with grpc.aio.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        call: Any = channel.unary_unary(_METHOD)
        return await _run(call, pid, prepared, workers, seconds)


async def _run(
    send: Callable[[bytes], Awaitable[Any]], pid: int, prepared: list[bytes], workers: int, seconds: float
) -> Figures:
    waiting = iter(prepared)
    done = 0
    until = time.perf_counter() + seconds

    async def work() -> None:
        nonlocal done
        for body in waiting:
            if time.perf_counter() > until:
                return
            await send(body)
            done += 1

    cpu_before, began = _cpu_seconds(pid), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
    took = time.perf_counter() - began
    return Figures(done / took, (_cpu_seconds(pid) - cpu_before) / done * 1e6)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND
