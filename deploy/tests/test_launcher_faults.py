"""What stands in the way of `make up`, each for real: ports, disks, folders half-made, old, new or somebody else's."""

import json
import os
import shutil
import socket

import pytest

from deploy.embedded.postgres import run_sql
from deploy.tests.conftest import all_gone, fill

pytestmark = pytest.mark.stores


def test_a_port_in_use_is_named_with_its_holder_and_nothing_is_started(launch, data_folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = launch("--port", f"second.http={port}", "first", "second")
        assert run.wait() == 1
    assert f"Port {port}, wanted for second.http, is in use by" in run.text
    assert f"(pid {os.getpid()})" in run.text
    assert "make up PORTS=second.http=" in run.text
    assert run.journal == []
    assert not (data_folder / "postgres").exists()


def test_a_second_launcher_says_who_runs_where(launch, data_folder):
    first = launch("first").wait_up()
    second = launch("first")
    assert second.wait() == 1
    assert f"Galaxy already runs on {data_folder} (process {first.process.pid}, since " in second.text
    assert "make down" in second.text
    assert first.process.poll() is None
    assert len(first.journal) == 1


def test_a_disk_with_too_little_space_is_refused_before_anything_is_made(launch, data_folder):
    run = launch("--free-bytes-min", str(10**18), "first")
    assert run.wait() == 1
    assert "MiB are free for" in run.text
    assert not (data_folder / "postgres").exists()


def test_a_disk_that_fills_while_the_database_is_made_is_one_sentence(launch, tiny_disk):
    folder = tiny_disk(24) / "data"
    run = launch("--free-bytes-min", "0", "first", folder=folder)
    assert run.wait() == 1
    assert f"No space is left for {folder / 'postgres'}." in run.text
    assert "Free some space and start again" in run.text
    assert not (folder / "postgres").exists()
    assert not (folder / "postgres.part").exists()


def test_a_disk_that_was_full_works_again_once_it_has_space(launch, tiny_disk):
    disk = tiny_disk(120)
    folder = disk / "data"
    filler = disk / "filler"
    run = launch("--free-bytes-min", "0", "first", folder=folder).wait_up()
    run_sql(run.admin_dsn(), "CREATE TABLE kept (what text); INSERT INTO kept VALUES ('a committed row');")
    assert run.end() == 0
    fill(filler)
    full = launch("--free-bytes-min", "0", "first", folder=folder)
    assert full.wait() == 1, full.text
    assert "No space is left" in full.text
    filler.unlink()
    again = launch("--free-bytes-min", "0", "first", folder=folder).wait_up()
    assert run_sql(again.admin_dsn(), "SELECT what FROM kept;") == "a committed row"
    assert again.end() == 0


def test_a_disk_that_fills_under_a_running_stack_does_not_end_it(launch, tiny_disk):
    disk = tiny_disk(120)
    folder = disk / "data"
    filler = disk / "filler"
    run = launch("--free-bytes-min", "0", "first", folder=folder).wait_up()
    fill(filler)
    run.wait_for("MiB are left on the disk")
    assert run.process.poll() is None
    filler.unlink()
    assert run_sql(run.admin_dsn(), "CREATE TABLE after (what text); SELECT 'fine';") == "fine"
    assert run.end() == 0


def test_a_database_that_was_half_made_is_made_anew(launch, data_folder):
    part = data_folder / "postgres.part"
    part.mkdir(parents=True)
    (part / "PG_VERSION").write_text("18\n")
    (data_folder / "version.json").write_text(json.dumps({"layout": 1, "release": "0.1.0"}))
    (data_folder / "secrets").mkdir()
    (data_folder / "secrets" / "secrets.json.part").write_text('{"redis": "ha')
    run = launch("first").wait_up()
    assert not part.exists()
    assert not (data_folder / "secrets" / "secrets.json.part").exists()
    assert run.end() == 0


def test_a_launcher_killed_at_any_step_of_the_first_start_is_followed_by_a_good_one(launch, data_folder):
    for said in (
        "Galaxy",
        "the database is made",
        "PostgreSQL is ready",
        "Valkey is ready",
        "first is ready",
    ):
        shutil.rmtree(data_folder, ignore_errors=True)
        run = launch("first", "second")
        run.wait_for(said)
        run.process.kill()
        run.wait()
        again = launch("first").wait_up()
        assert again.end() == 0, said


def test_a_stale_pid_file_of_postgres_does_not_matter(launch, data_folder):
    assert launch("first").wait_up().end() == 0
    # After a reboot the number in it may be anybody's; here it is a living stranger's.
    (data_folder / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{data_folder}\n")
    assert launch("first").wait_up().end() == 0


def test_lost_secrets_of_a_stored_database_are_told_and_nothing_is_overwritten(launch, data_folder):
    assert launch("first").wait_up().end() == 0
    secrets = data_folder / "secrets" / "secrets.json"
    kept = secrets.read_bytes()
    secrets.unlink()
    run = launch("first")
    assert run.wait() == 1
    assert "the secrets that open it are missing" in run.text
    assert not secrets.exists()
    secrets.write_bytes(kept)
    assert launch("first").wait_up().end() == 0


def test_older_data_is_kept_and_gets_what_is_new(launch, data_folder):
    run = launch("first").wait_up()
    run_sql(
        run.admin_dsn(),
        "CREATE TABLE backend.kept (what text); INSERT INTO backend.kept VALUES ('of an older release');"
        "DROP SCHEMA mail; ALTER TABLE backend.kept OWNER TO backend;",
    )
    assert run.end() == 0
    # As an older release left it: an older stamp, a secret less, a schema less.
    (data_folder / "version.json").write_text(json.dumps({"layout": 1, "release": "0.0.1"}))
    path = data_folder / "secrets" / "secrets.json"
    secrets = json.loads(path.read_bytes())
    del secrets["address_hash_key"]
    path.write_text(json.dumps(secrets))
    again = launch("first").wait_up()
    assert run_sql(again.admin_dsn(), "SELECT what FROM backend.kept;") == "of an older release"
    assert (
        run_sql(again.admin_dsn(), "SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'mail';")
        == "mail"
    )
    now = json.loads(path.read_bytes())
    assert now.pop("address_hash_key")
    assert now == secrets
    assert json.loads((data_folder / "version.json").read_bytes())["release"] != "0.0.1"


@pytest.mark.parametrize("stamp", [{"layout": 1, "release": "99.0.0"}, {"layout": 99, "release": "0.1.0"}])
def test_data_of_a_newer_release_is_refused(launch, data_folder, stamp):
    data_folder.mkdir()
    (data_folder / "version.json").write_text(json.dumps(stamp))
    run = launch("first")
    assert run.wait() == 1
    assert f"was written by Galaxy {stamp['release']}" in run.text
    assert sorted(path.name for path in data_folder.iterdir()) == ["lock", "version.json"]


def test_a_folder_that_is_not_ours_is_left_alone(launch, data_folder):
    data_folder.mkdir()
    (data_folder / "thesis.txt").write_text("years of work")
    run = launch("first")
    assert run.wait() == 1
    assert "holds files that are not Galaxy's" in run.text
    assert [path.name for path in data_folder.iterdir()] == ["thesis.txt"]


def test_a_port_that_a_store_had_may_be_taken_by_the_next_start(launch, data_folder):
    assert launch("first").wait_up().end() == 0
    ports = json.loads((data_folder / "ports.json").read_bytes())
    with (
        socket.create_server(("127.0.0.1", ports["postgres"])),
        socket.create_server(("127.0.0.1", ports["valkey"])),
    ):
        run = launch("first").wait_up()
        processes = run.everybody()
        assert run.end() == 0
    assert all_gone(processes)
    assert not set(json.loads((data_folder / "ports.json").read_bytes()).values()) & set(ports.values())
