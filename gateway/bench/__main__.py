"""The run: a gateway and its peer in processes of their own, one after the other, then the hub."""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.bench.backend import serve_backend
from gateway.bench.hub import hub_and_queue_per_second
from gateway.bench.load import Figures, commands, over_connect, over_grpc
from gateway.bench.peer import serve_peer
from kit.ids import uuid7

_HUB_SIZES = (1000, 10_000)
_HUB_BURSTS = (1, 10)
_COMMANDS_A_SECOND_MAX = 5000


async def main(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    figures: dict[str, float] = {}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        key, session = Ed25519PrivateKey.generate(), uuid7()
        public_key = key.public_key().public_bytes_raw().hex()
        backend, _ = await stack.enter_async_context(
            _child(["-m", "gateway.bench", "--serve-backend", session, public_key], {})
        )
        environment = _environment(arguments.redis, folder, backend)
        count = int(arguments.seconds * _COMMANDS_A_SECOND_MAX)
        for engine in ("httpunk", "zttp"):
            changed = environment | {"GATEWAY_EDGE_SERVER": engine}
            async with _gateway(changed, folder / f"{engine}.json") as (address, pid):
                for name, load in (("connect_h1", over_connect), ("grpc", over_grpc)):
                    await load(address, pid, commands(session, key, 200), arguments.workers, 1.0)
                    measured = await load(
                        address, pid, commands(session, key, count), arguments.workers, arguments.seconds
                    )
                    _note(figures, f"{engine}_{name}", measured)
        async with _child(["-m", "gateway.bench", "--serve-peer"], environment) as (address, pid):
            await over_grpc(address, pid, commands(session, key, 200), arguments.workers, 1.0)
            measured = await over_grpc(
                address, pid, commands(session, key, count), arguments.workers, arguments.seconds
            )
            _note(figures, "peer_grpc_aio", measured)
    for size in _HUB_SIZES:
        for burst in _HUB_BURSTS:
            rounds = max(5, 200_000 // size // burst)
            ours, theirs, ratio = await hub_and_queue_per_second(size, rounds, burst)
            name = f"{size}_streams_burst_{burst}"
            figures[f"hub_{name}_per_s"] = round(ours)
            figures[f"asyncio_queue_{name}_per_s"] = round(theirs)
            figures[f"hub_over_queue_{name}"] = round(ratio, 2)
    figures["connect_over_peer"] = round(
        figures["httpunk_connect_h1_per_s"] / figures["peer_grpc_aio_per_s"], 2
    )
    sys.stdout.write(orjson.dumps(figures).decode() + "\n")


def _note(figures: dict[str, float], name: str, measured: Figures) -> None:
    figures[f"{name}_per_s"] = round(measured.requests_per_second)
    figures[f"{name}_server_cpu_us"] = round(measured.server_cpu_us_per_request)
    sys.stderr.write(
        f"{name}: {measured.requests_per_second:.0f}/s, {measured.server_cpu_us_per_request:.0f} µs\n"
    )


def _environment(redis_url: str, folder: Path, backend: str) -> dict[str, str]:
    signer = folder / "signer.pem"
    private = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    signer.write_bytes(private)
    redis = urlsplit(redis_url)
    unlimited = {
        f"GATEWAY_LIMITS_{name}": "1000000"
        for name in (
            "ADDRESS_RATE",
            "ADDRESS_BURST",
            "SESSION_RATE",
            "SESSION_BURST",
            "USER_RATE",
            "USER_BURST",
            "SESSION_IN_FLIGHT_MAX",
            "USER_IN_FLIGHT_MAX",
        )
    }
    return {
        "GATEWAY_PUBLIC_HTTP_ADDR": "127.0.0.1:0",
        "GATEWAY_AUTHENTICATED_GRPC_ADDR": "127.0.0.1:0",
        "GATEWAY_BACKEND_HTTP_URL": f"http://{backend}",
        "GATEWAY_BACKEND_TOKEN": "a-token-for-the-bench",
        "GATEWAY_RESPONSE_SIGNER_PRIVATE_KEY_PEM_PATH": str(signer),
        "GATEWAY_REDIS_MASTER_ADDR": f"{redis.hostname}:{redis.port}",
        "GATEWAY_REDIS_PASSWORD": redis.password or "",
        "GATEWAY_REDIS_DB": redis.path.strip("/") or "0",
        "GATEWAY_REDIS_KEY_PREFIX": f"bench:{uuid7()}:",
        "GATEWAY_OTEL_TRACES_EXPORTER": "none",
        "GATEWAY_OTEL_METRICS_EXPORTER": "none",
        "GATEWAY_LOG_LEVEL": "warning",
        **unlimited,
    }


@asynccontextmanager
async def _child(command: list[str], environment: Mapping[str, str]) -> AsyncIterator[tuple[str, int]]:
    """Run a part of the bench; gives the address that it prints first, and its pid."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, env={**os.environ, **environment}, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip(), process.pid
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def _gateway(environment: Mapping[str, str], ready: Path) -> AsyncIterator[tuple[str, int]]:
    """Run a gateway; gives its edge address and pid."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "--ready-file", str(ready), env={**os.environ, **environment}
    )
    try:
        while not ready.exists():  # noqa: ASYNC240 - a look at a local file, here and below
            assert process.returncode is None, "the gateway did not start"
            await asyncio.sleep(0.05)
        yield orjson.loads(ready.read_bytes())["edge"], process.pid  # noqa: ASYNC240
    finally:
        process.terminate()
        await process.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m gateway.bench", description=__doc__)
    parser.add_argument("--redis", help="redis://:password@host:port/db to use")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement")
    parser.add_argument("--workers", type=int, default=32, help="requests in flight")
    parser.add_argument("--serve-backend", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--serve-peer", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve_backend:
        uvloop.run(serve_backend(given.serve_backend[0], bytes.fromhex(given.serve_backend[1])))
    elif given.serve_peer:
        uvloop.run(serve_peer())
    elif not given.redis:
        parser.error("--redis is required")
    else:
        uvloop.run(main(given))
