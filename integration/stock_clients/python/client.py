"""Opens the event stream over plain grpcio, runs one command once the stream stands, reads until enough events came.

    python -m integration.stock_clients.python.client --edge URL --gateway URL --session ID --user ID --key BASE64
        [--command user.account.get] [--payload JSON] [--idempotency-key KEY] [--events 1] [--resume-after JSON]

Prints the same JSON lines as the JavaScript client beside it: "event", "response", "error", "done"; exit code 1 after an
error. Uses grpcio, the generated stubs and `signing.py` beside this file, nothing else of the project.
"""

import argparse
import base64
import json
import secrets
import sys
import time
import urllib.request
from collections.abc import Iterator
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from galaxy.edge.v1 import edge_pb2
from galaxy.edge.v1.edge_pb2_grpc import EdgeServiceStub
from integration.stock_clients.python import signing


class Forged(Exception):
    """What arrived is not to be believed."""


class Device:
    """One player's device on one channel."""

    def __init__(
        self, channel: grpc.Channel, session: str, user: str, seed: bytes, published: dict[str, bytes]
    ) -> None:
        self._stub = EdgeServiceStub(channel)  # type: ignore[no-untyped-call, unused-ignore]
        self._session = session
        self._user = user
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._published = published

    def execute(self, message_type: str, payload: bytes, idempotency_key: str) -> dict[str, Any]:
        """Run a command and return its verified answer."""
        fields = self._signed(message_type, payload, idempotency_key)
        asked = edge_pb2.ExecuteCommandRequest(**fields, idempotency_key=idempotency_key)
        response = self._stub.ExecuteCommand(asked, timeout=15)
        signed = signing.message(
            "response",
            device_session_id=self._session,
            request_payload_hash=asked.payload_hash,
            **_fields(response),
        )
        self._believe(response, signed, answers_another=response.request_id != asked.request_id)
        return {"resultCode": response.result_code, "payload": _parsed(response.payload_bytes)}

    def subscribe(self, resume_after: list[Any], timeout: float) -> Iterator[dict[str, Any]]:
        """Yield verified events, the gateway's own time first."""
        payload = json.dumps({"resume_after": resume_after}).encode() if resume_after else b""
        asked = edge_pb2.SubscribeEventsRequest(**self._signed("gateway.subscribe_events", payload, ""))
        first = True
        stream = self._stub.SubscribeEvents(asked, timeout=timeout)
        for event in stream:
            if first != (event.event_type == "gateway.server_time"):
                raise Forged("the stream does not begin as one of this request does")
            if first:
                bound_to = {"device_session_id": self._session, "request_id": asked.request_id}
                values: dict[str, Any] = _fields(event) | bound_to
                signed = signing.message("server_time_event", **values)
            else:
                signed = signing.message("event", user_id=self._user, **_fields(event))
            self._believe(event, signed)
            first = False
            yield {
                "eventType": event.event_type,
                "eventId": event.event_id,
                "cursor": event.cursor,
                "payload": _parsed(event.payload_bytes),
            }

    def _signed(self, message_type: str, payload: bytes, idempotency_key: str) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "protocol_version": "v1",
            "device_session_id": self._session,
            "message_type": message_type,
            "timestamp_ms": int(time.time() * 1000),
            "request_id": secrets.token_urlsafe(16),
        }
        fields["payload_hash"] = sha256(payload).digest()
        signed = signing.message("request", idempotency_key=idempotency_key, **fields)
        return {**fields, "payload_bytes": payload, "signature": self._key.sign(signed)}

    def _believe(self, arrived: Any, signed: bytes, *, answers_another: bool = False) -> None:
        failure = signing.first_failure(
            arrived.signature,
            signed,
            self._published.get(arrived.key_id),
            arrived.payload_bytes,
            arrived.payload_hash,
            answers_another=answers_another,
        )
        if failure:
            raise Forged(f"not to be believed: {failure}")


def main(arguments: list[str]) -> int:
    """Run as the module says."""
    options = _options(arguments)
    with urllib.request.urlopen(f"{options.gateway}/api/v1/public/keys", timeout=10) as answer:  # noqa: S310 - given
        keys = json.load(answer)["keys"]
    published = {key["key_id"]: base64.b64decode(key["public_key"]) for key in keys}
    with grpc.insecure_channel(urlsplit(options.edge).netloc) as channel:
        device = Device(channel, options.session, options.user, base64.b64decode(options.key), published)
        try:
            left = options.events
            for event in device.subscribe(json.loads(options.resume_after), options.timeout_ms / 1000):
                _print({"kind": "event", **event})
                if event["eventType"] == "gateway.server_time":
                    answered = device.execute(
                        options.command, options.payload.encode(), options.idempotency_key
                    )
                    _print({"kind": "response", **answered})
                left -= 1
                if left <= 0:
                    break
        except (grpc.RpcError, Forged) as error:
            _print({"kind": "error", **described(error)})
            return 1
    _print({"kind": "done"})
    return 0


def described(error: Exception) -> dict[str, str]:
    """Return code, sentence and, where the gateway's pipeline gave one, the constant reason."""
    if not isinstance(error, grpc.RpcError):
        return {"code": "forged", "message": str(error), "reason": ""}
    call: Any = error
    reason = ""
    for name, value in call.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            reason = _reason(value)
    return {"code": call.code().name.lower(), "message": call.details(), "reason": reason}


def _reason(status: bytes) -> str:
    from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

    for detail in Status.FromString(status).details:
        if detail.type_url.endswith("/galaxy.edge.v1.RefusalDetail"):
            return edge_pb2.RefusalDetail.FromString(detail.value).reason
    return ""


def _fields(arrived: Any) -> dict[str, Any]:
    return {field.name: getattr(arrived, field.name) for field in arrived.DESCRIPTOR.fields}


def _parsed(payload: bytes) -> Any:
    return json.loads(payload) if payload else None


def _print(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("edge", "gateway", "session", "user", "key"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--command", default="user.account.get")
    parser.add_argument("--payload", default="")
    parser.add_argument("--idempotency-key", default="")
    parser.add_argument("--events", type=int, default=1)
    parser.add_argument("--resume-after", default="[]")
    parser.add_argument("--timeout-ms", type=int, default=15_000)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
