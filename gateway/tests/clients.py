"""Stock clients of the three protocols behind one small face, so that one test body runs over all of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import grpc.aio
from connectrpc.errors import ConnectError
from connectrpc.protocol import ProtocolType
from google.rpc import status_pb2  # type: ignore[import-untyped]
from pyqwest import Client, HTTPTransport, HTTPVersion

from galaxy.edge.v1 import edge_pb2, edge_pb2_grpc
from galaxy.edge.v1.edge_connect import EdgeServiceClient


@dataclass(eq=False)
class Refused(Exception):
    """A status other than OK, the same whatever the protocol: code in lower case, message, our detail if there is one."""

    code: str
    message: str
    detail: edge_pb2.RefusalDetail | None


class EdgeClient(Protocol):
    """What every client can do. Both raise Refused."""

    async def execute(self, request: edge_pb2.ExecuteCommandRequest) -> edge_pb2.ExecuteCommandResponse: ...

    def subscribe(self, request: edge_pb2.SubscribeEventsRequest) -> AsyncIterator[edge_pb2.Event]: ...


class ConnectEdgeClient:
    """Connect and gRPC-Web (and gRPC) by the connectrpc client."""

    def __init__(self, client: EdgeServiceClient) -> None:
        self._client = client

    async def execute(self, request: edge_pb2.ExecuteCommandRequest) -> edge_pb2.ExecuteCommandResponse:
        try:
            return await self._client.execute_command(request)
        except ConnectError as error:
            raise _from_connect(error) from error

    async def subscribe(self, request: edge_pb2.SubscribeEventsRequest) -> AsyncIterator[edge_pb2.Event]:
        try:
            async for event in self._client.subscribe_events(request):
                yield event
        except ConnectError as error:
            raise _from_connect(error) from error


class GrpcEdgeClient:
    """Native gRPC by grpcio."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: Any = edge_pb2_grpc.EdgeServiceStub(channel)

    async def execute(self, request: edge_pb2.ExecuteCommandRequest) -> edge_pb2.ExecuteCommandResponse:
        try:
            response: edge_pb2.ExecuteCommandResponse = await self._stub.ExecuteCommand(request)
        except grpc.aio.AioRpcError as error:
            raise _from_grpc(error) from error
        return response

    async def subscribe(self, request: edge_pb2.SubscribeEventsRequest) -> AsyncIterator[edge_pb2.Event]:
        call = self._stub.SubscribeEvents(request)
        try:
            async for event in call:
                yield event
        except grpc.aio.AioRpcError as error:
            raise _from_grpc(error) from error
        finally:
            call.cancel()


PROTOCOLS = ("connect-h1", "connect-h2", "grpc-web-h1", "grpc-web-h2", "grpc-h2")
"""Every protocol over each HTTP version that can carry it."""


@asynccontextmanager
async def edge_client(kind: str, address: str) -> AsyncIterator[EdgeClient]:
    """Open a client of one of PROTOCOLS."""
    if kind == "grpc-h2":
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
        async with grpc.aio.insecure_channel(address, options=options) as channel:
            yield GrpcEdgeClient(channel)
        return
    version = HTTPVersion.HTTP2 if kind.endswith("h2") else HTTPVersion.HTTP1
    protocol = ProtocolType.GRPC_WEB if kind.startswith("grpc-web") else ProtocolType.CONNECT
    async with HTTPTransport(http_version=version) as transport:
        client = EdgeServiceClient(f"http://{address}", protocol=protocol, http_client=Client(transport))
        yield ConnectEdgeClient(client)


def _from_connect(error: ConnectError) -> Refused:
    detail = None
    for packed in error.details:
        if packed.type_name == edge_pb2.RefusalDetail.DESCRIPTOR.full_name:
            detail = edge_pb2.RefusalDetail.FromString(packed.message_bytes)
    return Refused(error.code.value, error.message, detail)


def _from_grpc(error: grpc.aio.AioRpcError) -> Refused:
    detail = None
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            for packed in status_pb2.Status.FromString(value).details:
                opened = edge_pb2.RefusalDetail()
                if packed.Unpack(opened):
                    detail = opened
    return Refused(error.code().name.lower(), error.details() or "", detail)
