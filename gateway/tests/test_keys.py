"""Loading the gateway's keys."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gateway.keys.service import SignerKeyUnusable, load_retired, load_signer


def write_public_keys(path: str, *keys: Ed25519PublicKey) -> str:
    """Write keys as PEM, one after the other."""
    blocks = [key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for key in keys]
    Path(path).write_bytes(b"# retired keys\n" + b"\n".join(blocks))
    return path


def test_a_pkcs8_pem_key_is_loaded(tmp_path: Path):
    """gateway-runbook-latest:25 and gateway-runbook-redis-streams:7."""
    key = Ed25519PrivateKey.generate()
    path = tmp_path / "key.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    signer = load_signer(str(path))
    key.public_key().verify(signer.sign(b"message"), b"message")


@pytest.mark.parametrize("content", ["missing", "nonsense", "other-kind", "encrypted", "public"])
def test_anything_else_is_unusable_and_names_the_file(tmp_path: Path, content: str):
    path = tmp_path / "key.pem"
    key = Ed25519PrivateKey.generate()
    match content:
        case "nonsense":
            path.write_text("nonsense")
        case "other-kind":
            other = generate_private_key(SECP256R1())
            path.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        case "encrypted":
            path.write_bytes(
                key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
            )
        case "public":
            write_public_keys(str(path), key.public_key())
        case _:
            assert content == "missing"
    with pytest.raises(SignerKeyUnusable, match=r"key\.pem"):
        load_signer(str(path))


def test_retired_keys_may_be_none_but_not_nonsense(tmp_path: Path):
    assert load_retired("") == []
    path = tmp_path / "old.pem"
    with pytest.raises(SignerKeyUnusable):
        load_retired(str(path))
    path.write_text("nonsense")
    with pytest.raises(SignerKeyUnusable):
        load_retired(str(path))
    key = Ed25519PrivateKey.generate().public_key()
    assert load_retired(write_public_keys(str(path), key)) == [key.public_bytes_raw()]
