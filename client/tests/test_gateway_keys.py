"""When a change of the gateway's key is believed."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from client.gateway_keys import Change, PinStore, fingerprint, judge
from client.public import PublicApi, PublishedKey
from galaxy.edge.v1.signing import key_id_of


def key(*, retired: bool = False) -> PublishedKey:
    raw = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    return PublishedKey(key_id_of(raw), raw, retired)


OLD, NEW, OTHER = key(), key(), key()


def test_a_rotation_is_believed_where_the_old_key_stays_published() -> None:
    assert judge([OLD], [NEW, OLD], NEW.key_id, protected=True) is Change.ROTATION


def test_a_key_that_is_not_published_is_a_forgery() -> None:
    assert judge([OLD], [OLD], NEW.key_id, protected=True) is Change.NOT_PUBLISHED


def test_a_gateway_without_any_pinned_key_is_another_gateway() -> None:
    assert judge([OLD], [NEW, OTHER], NEW.key_id, protected=True) is Change.PINNED_KEY_GONE


def test_an_announcement_over_an_open_connection_proves_nothing() -> None:
    """Whoever can change the list can leave the old key in it."""
    assert judge([OLD], [NEW, OLD], NEW.key_id, protected=False) is Change.UNPROTECTED


def test_an_old_key_id_over_other_bytes_does_not_count() -> None:
    fake = PublishedKey(OLD.key_id, OTHER.public_key, retired=True)
    assert judge([OLD], [NEW, fake], NEW.key_id, protected=True) is Change.PINNED_KEY_GONE


@pytest.mark.parametrize(
    ("url", "protected"),
    [
        ("https://galaxy.example.org", True),
        ("http://127.0.0.1:8080", True),
        ("http://localhost:8080", True),
        ("http://[::1]:8080", True),
        ("http://galaxy.example.org", False),
        ("http://127.0.0.1.example.org", False),
        ("http://192.168.1.7:8080", False),
    ],
)
def test_only_tls_and_this_machine_are_protected(url: str, protected: bool) -> None:
    assert PublicApi(url).protected is protected


def test_pins_come_back_as_they_were_kept_and_gateways_are_apart(tmp_path) -> None:
    PinStore(tmp_path, "http://a").save([OLD, NEW])
    assert PinStore(tmp_path, "http://a").load() == [OLD, NEW]
    assert PinStore(tmp_path, "http://b").load() == []


def test_fingerprints_are_spelled_as_ssh_spells_them() -> None:
    assert fingerprint(OLD.public_key).startswith("SHA256:")
    assert len(fingerprint(OLD.public_key)) == len("SHA256:") + 43
