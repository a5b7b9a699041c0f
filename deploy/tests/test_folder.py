"""The data folder by itself: its lock, its stamp, and whom it takes for an orphan."""

import json
import stat
import subprocess
import threading
import time

import psutil
import pytest

from deploy.embedded.errors import FolderLockedError, FolderTooNewError
from deploy.embedded.folder import DataFolder, release


@pytest.fixture
def folder(tmp_path):
    made = DataFolder(tmp_path / "data")
    yield made
    made.release_lock()


@pytest.fixture
def bystander():
    with subprocess.Popen(["sleep", "300"]) as process:
        yield psutil.Process(process.pid)
        process.kill()


def test_a_claim_is_exclusive_and_names_its_holder(folder):
    assert folder.holder() is None
    folder.claim()
    assert (DataFolder(folder.path).holder() or {})["pid"] == psutil.Process().pid
    with pytest.raises(FolderLockedError, match="already runs on"):
        DataFolder(folder.path).claim()
    folder.release_lock()
    assert folder.holder() is None
    DataFolder(folder.path).claim()


def test_somebody_who_only_looks_does_not_keep_a_launcher_out(folder):
    folder.claim()
    folder.release_lock()
    looking = threading.Event()

    def look():
        while not looking.is_set():
            DataFolder(folder.path).holder()

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for _ in range(50):
            folder.claim()
            folder.release_lock()
    finally:
        looking.set()
        watcher.join()


def test_a_process_that_a_killed_launcher_left_is_ended_before_the_data_is_touched(
    folder, bystander, monkeypatch
):
    monkeypatch.setattr("deploy.embedded.folder._ORPHAN_PATIENCE_SECONDS", 0.2)
    folder.claim()
    folder.keep_state({"processes": {"it": {"pid": bystander.pid, "created": bystander.create_time()}}})
    folder.release_lock()
    folder.claim()
    assert not bystander.is_running() or bystander.status() == psutil.STATUS_ZOMBIE
    assert folder.state() == {}


def test_a_stranger_under_an_old_process_number_is_left_alone(folder, bystander):
    folder.claim()
    folder.keep_state({"processes": {"it": {"pid": bystander.pid, "created": bystander.create_time() - 60}}})
    folder.release_lock()
    began = time.monotonic()
    folder.claim()
    assert time.monotonic() - began < 5
    assert bystander.is_running()
    assert bystander.status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("said", ["", "{", "[]", '{"processes": 7}', '{"processes": {"it": {"pid": "x"}}}'])
def test_a_damaged_state_file_is_no_hindrance(folder, said):
    folder.claim()
    (folder.run / "state.json").write_text(said)
    folder.release_lock()
    folder.claim()


def test_the_release_that_wrote_it_may_be_older_or_the_same_but_not_newer(folder):
    folder.claim()
    folder.release_lock()
    stamp = folder.path / "version.json"
    assert json.loads(stamp.read_bytes()) == {"layout": 1, "release": release()}
    for older in ("0.0.9", "0.1.0.dev3", release()):
        stamp.write_text(json.dumps({"layout": 1, "release": older}))
        folder.claim()
        folder.release_lock()
    for newer in ("0.2.0", "0.10.0", "1.0"):
        stamp.write_text(json.dumps({"layout": 1, "release": newer}))
        with pytest.raises(FolderTooNewError):
            folder.claim()


def test_logs_and_the_state_of_a_run_are_their_owners_alone_also_after_an_older_release(folder):
    folder.logs.mkdir(parents=True, mode=0o755)
    folder.stamp()
    folder.claim()
    folder.keep_state({"processes": {}})
    assert stat.S_IMODE(folder.logs.stat().st_mode) == stat.S_IMODE(folder.run.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder.run / "state.json").stat().st_mode) == 0o600
