"""The files of a profile: private, whole, and refused where they are not."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from client import files
from client.errors import ProfileUnusable
from client.keys import Identity, KeyStore, home


def identity() -> Identity:
    return Identity(
        gateway_url="http://127.0.0.1:8080",
        edge_url="http://127.0.0.1:9090",
        email="alice@example.org",
        user_id="u1",
        device_session_id="s1",
        device_name="desk",
        private_key=Ed25519PrivateKey.generate(),
    )


def test_an_identity_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    store, kept = KeyStore(tmp_path), identity()
    store.save(kept)
    found = store.load()
    assert found is not None
    assert found.private_key.private_bytes_raw() == kept.private_key.private_bytes_raw()
    assert (found.email, found.device_session_id) == (kept.email, kept.device_session_id)


def test_files_and_folders_are_their_owners_alone(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "home")
    store.save(identity())
    assert stat.S_IMODE((store.folder / "identity.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    store.save(identity())
    (store.folder / "identity.json").chmod(0o644)
    with pytest.raises(ProfileUnusable, match="others may read it"):
        store.load()


def test_a_write_that_fails_leaves_the_former_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, kept = KeyStore(tmp_path), identity()
    store.save(kept)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ProfileUnusable, match="No space left"):
        store.save(identity())
    found = store.load()
    assert found is not None
    assert found.private_key.private_bytes_raw() == kept.private_key.private_bytes_raw()
    assert [path.name for path in store.folder.iterdir()] == ["identity.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 99}'])
def test_a_damaged_file_is_said_in_one_sentence(tmp_path: Path, text: str) -> None:
    store = KeyStore(tmp_path)
    store.save(identity())
    (store.folder / "identity.json").write_text(text)
    with pytest.raises(ProfileUnusable, match="sign in again"):
        store.load()


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "x" * 65, "ünder"])
def test_profile_names_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ProfileUnusable):
        KeyStore(tmp_path, name)


def test_a_new_identity_forgets_the_cursors_of_the_former(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    store.save(identity())
    store.save_cursors({"push": "push:1:4"})
    assert store.cursors() == {"push": "push:1:4"}
    store.save(identity())
    assert store.cursors() == {}


def test_the_home_folder_can_be_given(tmp_path: Path) -> None:
    assert home({"GALAXY_HOME": str(tmp_path)}) == tmp_path
    assert home({}).name == "galaxy"


def test_the_private_key_is_not_in_the_repr() -> None:
    assert "private" not in repr(identity())


def test_reading_what_is_not_there_gives_none(tmp_path: Path) -> None:
    assert files.read_json(tmp_path / "nothing.json") is None
