"""The signature stage."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.pipeline.errors import NotAuthenticated
from gateway.pipeline.model import Passage, SignedRequest


class Verifier:
    """Verifies requests, and can spend the time of a verification on a key that nobody holds."""

    def __init__(self) -> None:
        self._decoy = Ed25519PrivateKey.generate().public_key().public_bytes_raw()

    def holds(self, public_key: bytes, request: SignedRequest) -> bool:
        """Tell whether the device with this key signed the request."""
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(request.signature, request.signed_message())
        except (InvalidSignature, ValueError):
            return False
        return True

    def spend(self, request: SignedRequest) -> None:
        """Do the work of `holds` for a session that does not exist."""
        self.holds(self._decoy, request)


class SignatureStage:
    """Fourth: the session's device signed exactly this request."""

    name = "signature"

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    async def check(self, passage: Passage) -> None:
        """Raise NotAuthenticated."""
        if not self._verifier.holds(passage.session.client_public_key, passage.request):
            raise NotAuthenticated
