"""Opening a subscription over gRPC."""

from collections.abc import AsyncGenerator

import grpc
import grpc.aio
from pydantic import SecretStr

from galaxy.push.v1 import push_pb2, push_pb2_grpc
from gateway.backend_push.errors import SubscriptionLost
from gateway.backend_push.frames import read_frame
from gateway.backend_push.model import Frame
from gateway.push.model import Cursor

_OPTIONS = [
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Each attempt has a connection of its own: the pace of attempts is ours, not the channel's.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    ("grpc.enable_http_proxy", 0),
]


class PushClient:
    """Speaks to one backend."""

    def __init__(self, target: str, token: SecretStr, event_bytes_max: int) -> None:
        """An event whose payload is larger than `event_bytes_max` is a malformed frame."""
        self._target = target
        self._event_bytes_max = event_bytes_max
        self._metadata = (("authorization", f"Bearer {token.get_secret_value()}"),)

    async def frames(self, client_id: str, after: Cursor | None) -> AsyncGenerator[Frame | None]:
        """Yield None once the backend has accepted the subscription, then its frames, until it ends.

        Without a position, or with one of another life, the first frame is a resync that tells where live events go on.
        Raises SubscriptionLost, always: a subscription has no good end.
        """
        epoch, offset = (after.epoch, after.position[0]) if after is not None else ("", 0)
        request = push_pb2.SubscribePushRequest(
            gateway_client_id=client_id, resume_after=push_pb2.PushCursor(epoch=epoch, offset=offset)
        )
        async with grpc.aio.insecure_channel(self._target, options=_OPTIONS) as channel:
            call = push_pb2_grpc.PushStub(channel).SubscribePush(request, metadata=self._metadata)
            try:
                await call.initial_metadata()
                yield None
                async for frame in call:
                    yield read_frame(frame, self._event_bytes_max)
                code, details = await call.code(), await call.details()
            except grpc.aio.AioRpcError as error:
                raise SubscriptionLost(error.code().name, error.details() or "") from error
            finally:
                call.cancel()
        raise SubscriptionLost(code.name, details or "the backend ended the stream")
