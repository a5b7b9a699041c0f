"""The runtime's use cases on a real Postgres, with containers in memory that tests may kill, hide or cut off."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from backend.cache import TableCache
from backend.engine_versions.service import EngineVersions
from backend.engine_versions.storage import VersionStorage
from backend.runtime.adapters.memory import MemoryContainers
from backend.runtime.alerts import AlertedGame, Alerts
from backend.runtime.boot import Boots
from backend.runtime.errors import ConfigInvalid, ContainersAway, ImagePullFailed, StartFailed
from backend.runtime.locks import GameLocks
from backend.runtime.mending import Mend, Mender
from backend.runtime.model import Desired, Endpoint, RuntimeRecord, RuntimeStatus, Seen
from backend.runtime.operations import OperationLog
from backend.runtime.service import EngineDown, Engines
from backend.runtime.sightings import Sightings
from backend.runtime.storage import RuntimeStorage
from backend.runtime.worker import Reconciler
from backend.telemetry import GameMetrics
from backend.tests.game_rooms import NEW_GAME, Bench, open_bench
from kit.ids import uuid7
from kit.postgres import Connection, PostgresUnavailable
from kit.tasks import Workers
from kit.testing import ManualClock, eventually

pytestmark = pytest.mark.stores


class Probe:
    """Answers for engines that run nowhere."""

    def __init__(self) -> None:
        self.ready = True

    async def is_ready(self, endpoint: Endpoint) -> bool:
        return self.ready


class Rig:
    """Engines over containers in memory, and the bench whose database they use."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.containers = MemoryContainers()
        self.probe = Probe()
        self.clock = ManualClock()
        self.owner_of: dict[str, str] = {}
        self.engines, self.mender = self.another()

    def another(self) -> tuple[Engines, Mender]:
        """A backend that knows nothing yet, over the same containers and the same database."""
        base = self.bench.base
        storage = RuntimeStorage()
        self.records: TableCache[str, RuntimeRecord] = TableCache("runtime", lambda record: record.game_id)
        self.versions = EngineVersions(
            base.transactions, VersionStorage(), TableCache("engineversion", lambda row: row.semver)
        )
        operations = OperationLog(base.transactions, storage, GameMetrics(base.telemetry), uuid7)
        sightings, locks = Sightings(), GameLocks()
        self.boots = Boots(
            self.containers,
            self.probe,
            self.versions,
            base.clock,
            boot_timeout=timedelta(seconds=0.2),
            starts_at_once=4,
        )
        engines = Engines(
            base.transactions,
            storage,
            self.records,
            operations,
            self.containers,
            self.boots,
            sightings,
            locks,
            Alerts(base.outbox, self.clock, self._alerted),
            base.clock,
        )
        mender = Mender(
            base.transactions,
            storage,
            self.records,
            operations,
            self.containers,
            self.probe,
            engines,
            sightings,
            locks,
            base.clock,
        )
        return engines, mender

    async def load(self) -> None:
        async with self.bench.base.transactions.read() as connection:
            rows = await VersionStorage().list(connection)
            await self.records.load(lambda: RuntimeStorage().list_records(connection))
        for row in rows:
            self.versions._cache.put(row)

    async def game(self, owner_name: str = "") -> str:
        """Make a game, by an owner of its own unless named."""
        owner = await self.bench.player(owner_name or f"owner{len(self.owner_of)}")
        game_id: str = (await owner.ok("POST", "/games", NEW_GAME))["game_id"]
        self.owner_of[game_id] = owner.user_id
        return game_id

    async def _alerted(self, _: Connection, game_id: str) -> AlertedGame:
        return AlertedGame(game_id, "Sol", self.owner_of[game_id], "1.0.0")

    async def log(self) -> list[tuple[str, str, str | None, str | None]]:
        rows = await self.bench.rows("SELECT * FROM runtime_operation_log ORDER BY started_at, operation_id")
        for row in rows:
            assert (row["finished_at"] is None) == (row["outcome"] is None)
        return [(row["kind"], row["requested_by"], row["outcome"], row["error"]) for row in rows]


async def reconcile(mender: Mender) -> int:
    """Survey and mend to the end, as the reconciler does in tasks of its own; return how many actions were taken."""
    return sum(await asyncio.gather(*(mender.mend(mend) for mend in await mender.survey())))


@pytest_asyncio.fixture
async def rig(games_dsn: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_bench(games_dsn, tmp_path, workers=False) as bench:
        made = Rig(bench)
        await made.load()
        yield made


async def test_a_started_engine_is_found_and_stopped_and_each_operation_is_logged(rig: Rig):
    """backend-runbook:126 backend-runbook:127 backend-runbook:128: start, finish, outcome and error of each operation."""
    game_id = await rig.game()
    endpoint = await rig.engines.start(game_id, "1.0.0", "owner")
    assert rig.engines.endpoint_of(game_id) == endpoint
    assert rig.engines.status_of(game_id) == ("running", "")
    assert await rig.engines.start(game_id, "1.0.0", "owner") == endpoint, "it runs already"
    await rig.engines.restart(game_id, "operator:root")
    assert rig.engines.endpoint_of(game_id) != endpoint
    await rig.engines.stop(game_id, "operator:root")
    assert rig.engines.status_of(game_id) == ("stopped", "")
    with pytest.raises(EngineDown):
        rig.engines.endpoint_of(game_id)
    assert await rig.log() == [
        ("start", "owner", "succeeded", None),
        ("restart", "operator:root", "succeeded", None),
        ("start", "operator:root", "succeeded", None),
        ("stop", "operator:root", "succeeded", None),
    ]
    assert rig.containers.containers == {}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ImagePullFailed("no such image"), "runtime.image_pull_failed"),
        (StartFailed("no memory"), "runtime.container_start_failed"),
        (ConfigInvalid("bad reference"), "runtime.start_config_invalid"),
    ],
)
async def test_a_start_that_fails_alerts_the_operators_and_is_wanted_no_more(rig: Rig, error, kind):
    game_id = await rig.game()
    rig.containers.start_error = error
    with pytest.raises(type(error)):
        await rig.engines.start(game_id, "1.0.0", "owner")
    (alert,) = await rig.bench.intents(kind)
    assert (alert["audience"], alert["recipients"]) == ("admin", [])
    assert (alert["game_name"], alert["engine_version"], alert["error"]) == ("Sol", "1.0.0", str(error))
    assert await rig.log() == [("start", "owner", "failed", f"{type(error).__name__}: {error}")]
    record = rig.engines.record_of(game_id)
    assert record is not None
    assert record.desired is Desired.STOPPED
    await reconcile(rig.mender)
    assert rig.engines.status_of(game_id)[0] == "stopped"


async def test_an_owner_who_starts_broken_games_in_a_loop_makes_one_mail_an_hour(rig: Rig):
    """Neither a game started again and again, nor one game after the other, fills the operators' mailbox."""
    mine = [await rig.game("ann") for _ in range(3)]
    rig.containers.start_error = StartFailed("no memory")
    for game_id in (*mine, *mine):
        with pytest.raises(StartFailed):
            await rig.engines.start(game_id, "1.0.0", "owner")
    alerts = await rig.bench.intents("runtime.container_start_failed")
    assert [alert["game_id"] for alert in alerts] == mine[:1]
    assert len(await rig.log()) == 6, "each try stands in the operation log"

    rig.containers.start_error = ConfigInvalid("bad reference")
    others = await rig.game("bob")
    for game_id in (mine[1], others):
        with pytest.raises(ConfigInvalid):
            await rig.engines.start(game_id, "1.0.0", "owner")
    alerts = await rig.bench.intents("runtime.start_config_invalid")
    assert [alert["game_id"] for alert in alerts] == [mine[1], others], "another kind, another owner"

    rig.clock.advance(timedelta(hours=1))
    with pytest.raises(ConfigInvalid):
        await rig.engines.start(mine[2], "1.0.0", "owner")
    assert len(await rig.bench.intents("runtime.start_config_invalid")) == 3


async def test_an_image_that_cannot_be_pulled_is_its_own_alert(rig: Rig):
    game_id = await rig.game()
    rig.containers.images.clear()
    with pytest.raises(ImagePullFailed):
        await rig.engines.start(game_id, "1.0.0", "owner")
    assert len(await rig.bench.intents("runtime.image_pull_failed")) == 1


async def test_an_engine_that_never_answers_is_a_failed_start(rig: Rig):
    game_id = await rig.game()
    rig.probe.ready = False
    with pytest.raises(StartFailed, match="was not ready"):
        await rig.engines.start(game_id, "1.0.0", "owner")
    assert rig.containers.containers == {}


async def test_a_crash_is_noted_and_the_engine_started_again_after_its_wait(rig: Rig):
    game_id = await rig.game()
    first = await rig.engines.start(game_id, "1.0.0", "owner")
    (ref,) = rig.containers.containers
    rig.containers.kill(ref)
    await reconcile(rig.mender)
    status, detail = rig.engines.status_of(game_id)
    assert (status, detail) == ("crashed", "the engine ended (exit code 137) and is being restarted")
    assert rig.containers.containers == {}
    record = rig.engines.record_of(game_id)
    assert record is not None
    assert record.failures == 1
    assert await reconcile(rig.mender) == 0, "it waits ten seconds"
    await rig.bench.execute("UPDATE runtime_records SET restart_at = now() - interval '1 s'")
    await rig.load()
    rig.records.clear()
    await rig.load()
    assert await reconcile(rig.mender) == 1
    assert rig.engines.endpoint_of(game_id) != first
    assert [row[:3] for row in await rig.log()] == [
        ("start", "owner", "succeeded"),
        ("start", "system", "succeeded"),
    ]


async def test_crashes_in_a_row_wait_longer_and_alert_once(rig: Rig):
    game_id = await rig.game()
    await rig.engines.start(game_id, "1.0.0", "owner")
    rig.containers.start_error = StartFailed("no memory")
    waits = []
    rig.containers.kill(next(iter(rig.containers.containers)))
    for _ in range(3):
        await reconcile(rig.mender)
        (row,) = await rig.bench.rows(
            "SELECT extract(epoch FROM restart_at - updated_at)::float AS wait, status FROM runtime_records"
        )
        waits.append((row["status"], round(row["wait"])))
        await rig.bench.execute(
            "UPDATE runtime_records SET restart_at = now() - interval '1 s', revision = revision + 1"
        )
        await rig.load()
    assert waits == [("crashed", 10), ("failed", 20), ("failed", 40)]
    assert len(await rig.bench.intents("runtime.container_start_failed")) == 1


async def test_engines_that_cannot_be_reached_change_nothing_and_games_show_it(rig: Rig):
    game_id = await rig.game()
    endpoint = await rig.engines.start(game_id, "1.0.0", "owner")
    rig.containers.away = True
    assert await reconcile(rig.mender) == 0
    assert rig.engines.status_of(game_id)[0] == "unavailable"
    with pytest.raises(ContainersAway):
        rig.engines.endpoint_of(game_id)
    rig.containers.away = False
    assert await reconcile(rig.mender) == 0
    assert rig.engines.status_of(game_id) == ("running", "")
    assert rig.engines.endpoint_of(game_id) == endpoint


async def test_the_next_backend_finds_the_running_engine_and_leaves_it(rig: Rig):
    game_id = await rig.game()
    endpoint = await rig.engines.start(game_id, "1.0.0", "owner")
    successor, mender = rig.another()
    await rig.load()
    await mender.take_over()
    await reconcile(mender)
    assert successor.endpoint_of(game_id) == endpoint
    assert len(await rig.log()) == 1


async def test_a_container_started_just_before_a_crash_of_ours_is_adopted(rig: Rig):
    game_id = await rig.game()
    await rig.engines.start(game_id, "1.0.0", "owner")
    await rig.bench.execute("UPDATE runtime_records SET status = 'starting', container_ref = NULL")
    await rig.bench.execute("UPDATE runtime_operation_log SET finished_at = NULL, outcome = NULL")
    successor, mender = rig.another()
    await rig.load()
    await mender.take_over()
    assert await reconcile(mender) == 1
    assert successor.status_of(game_id) == ("running", "")
    assert await rig.log() == [("start", "owner", "abandoned", "the backend ended before the operation did")]


async def test_engines_that_died_with_the_backend_are_started_without_waiting(rig: Rig):
    game_id = await rig.game()
    await rig.engines.start(game_id, "1.0.0", "owner")
    rig.containers.containers.clear()
    rig.containers.survives_us = False
    successor, mender = rig.another()
    await mender.take_over()
    await rig.load()
    assert await reconcile(mender) == 1
    assert successor.status_of(game_id) == ("running", "")
    record = successor.record_of(game_id)
    assert record is not None
    assert record.failures == 0


async def test_at_most_four_engines_boot_at_once(rig: Rig):
    booting, most = 0, 0
    ready = rig.probe.is_ready

    async def slow(endpoint: Endpoint) -> bool:
        nonlocal booting, most
        booting += 1
        most = max(most, booting)
        await asyncio.sleep(0.02)
        booting -= 1
        return await ready(endpoint)

    rig.probe.is_ready = slow  # type: ignore[method-assign]
    games = [await rig.game() for _ in range(8)]
    await asyncio.gather(*(rig.engines.start(game_id, "1.0.0", "owner") for game_id in games))
    assert most == 4


async def test_pulls_that_never_end_keep_no_other_game_from_starting(rig: Rig):
    """More games than there are slots want an image of a silent registry, which is asked once for all of them."""
    await rig.versions.register("1.1.0", "galaxy/silent:1.1.0", None)
    arrives = rig.containers.silent["galaxy/silent:1.1.0"] = asyncio.Event()
    waiting = [asyncio.create_task(rig.engines.start(await rig.game(), "1.1.0", "owner")) for _ in range(5)]

    async def all_wait() -> bool:
        return sum(record.status is RuntimeStatus.STARTING for record in rig.records) == 5

    await eventually(all_wait)
    async with asyncio.timeout(10):
        await rig.engines.start(await rig.game(), "1.0.0", "owner")
    assert rig.containers.pulls == ["galaxy/silent:1.1.0"]
    waiting[0].cancel()  # who asked first goes, and the others still get what it asked for
    await asyncio.wait(waiting[:1])
    arrives.set()
    endpoints = await asyncio.gather(*waiting[1:])
    assert len({endpoint.base_url for endpoint in endpoints}) == 4
    assert rig.containers.pulls == ["galaxy/silent:1.1.0"]


async def test_a_pull_that_nobody_waits_for_any_more_ends(rig: Rig):
    await rig.versions.register("1.1.0", "galaxy/silent:1.1.0", None)
    rig.containers.silent["galaxy/silent:1.1.0"] = asyncio.Event()
    game_id = await rig.game()
    for times in (1, 2):
        starting = asyncio.create_task(rig.engines.start(game_id, "1.1.0", "owner"))

        async def pulling(times: int = times) -> bool:
            return len(rig.containers.pulls) == times

        await eventually(pulling)
        starting.cancel()
        await asyncio.wait([starting])
        assert rig.boots._fetches == {}


async def test_operations_of_one_game_follow_one_another(rig: Rig):
    game_id = await rig.game()
    await asyncio.gather(
        rig.engines.start(game_id, "1.0.0", "owner"),
        rig.engines.restart(game_id, "operator:root"),
        rig.engines.stop(game_id, "operator:root"),
        return_exceptions=True,
    )
    rows = await rig.bench.rows(
        "SELECT started_at, finished_at, kind FROM runtime_operation_log ORDER BY started_at"
    )
    outer = [row for row in rows if row["kind"] != "start" or row is rows[0]]
    assert all(later["started_at"] >= earlier["finished_at"] for earlier, later in itertools.pairwise(outer))
    assert rig.containers.containers == {}


async def test_the_reconciler_runs_at_every_interval_and_at_once_on_a_death(rig: Rig):
    """backend-runbook:129 backend-runbook:130: every BACKEND_RUNTIME_RECONCILE_INTERVAL, and at once on a death."""
    game_id = await rig.game()
    await rig.engines.start(game_id, "1.0.0", "owner")
    patient = Reconciler(rig.engines, rig.mender, rig.containers, rig.bench.base.clock, timedelta(hours=1))

    async def crashed() -> bool:
        return rig.engines.status_of(game_id)[0] == "crashed"

    async with Workers([patient]).running() as workers:
        await workers.all_started()
        await asyncio.sleep(0)
        rig.containers.kill(next(iter(rig.containers.containers)))
        await eventually(crashed, 5)
    await rig.bench.execute(
        "UPDATE runtime_records SET status = 'running', container_ref = 'gone', started_at = now(), restart_at = NULL, "
        "revision = revision + 1"
    )
    await rig.load()
    eager = Reconciler(rig.engines, rig.mender, rig.containers, rig.bench.base.clock, timedelta(seconds=0.3))
    async with Workers([eager]).running() as workers:
        await workers.all_started()
        await eventually(crashed, 5)


async def test_a_record_of_the_cache_is_what_the_table_holds(rig: Rig):
    game_id = await rig.game()
    await rig.engines.start(game_id, "1.0.0", "owner")
    async with rig.bench.base.transactions.read() as connection:
        assert await RuntimeStorage().find(connection, game_id) == rig.engines.record_of(game_id)
    assert rig.records.find(game_id) == rig.engines.record_of(game_id)


async def test_an_operation_that_ends_while_the_reconciler_looks_is_no_crash(rig: Rig):
    """The list was made before the container was: what it lacks is not dead."""
    game_id = await rig.game()
    await rig.engines.start(game_id, "1.0.0", "owner")
    listed, go_on = asyncio.Event(), asyncio.Event()
    real_list = rig.containers.list

    async def slow_list() -> Sequence[Seen]:
        seen = await real_list()
        if not listed.is_set():
            listed.set()
            await go_on.wait()
        return seen

    rig.containers.list = slow_list  # type: ignore[method-assign]
    looking = asyncio.create_task(reconcile(rig.mender))
    await listed.wait()
    await rig.engines.restart(game_id, "operator:root")
    endpoint = rig.engines.endpoint_of(game_id)
    go_on.set()
    assert await looking == 0
    assert rig.engines.endpoint_of(game_id) == endpoint
    assert rig.engines.status_of(game_id) == ("running", "")
    assert await reconcile(rig.mender) == 0


async def test_an_engine_of_a_game_that_was_cancelled_meanwhile_is_released(rig: Rig):
    game_id = await rig.game()
    await rig.engines.start(game_id, "1.0.0", "owner")
    await rig.bench.execute("UPDATE games SET state = 'cancelled', finished_at = now()")
    await rig.mender.release()
    await reconcile(rig.mender)
    assert rig.containers.containers == {}
    assert rig.engines.status_of(game_id) == ("stopped", "")


async def test_an_engine_that_takes_long_to_start_holds_up_neither_the_backend_nor_other_games(rig: Rig):
    """The first pass starts one whose image does not come; the backend is ready, and another's dead engine is restarted."""
    slow, other = await rig.game(), await rig.game()
    image = "galaxy/game:1.1.0"
    await rig.versions.register("1.1.0", image, None)
    rig.containers.images.add(image)
    await rig.engines.start(slow, "1.1.0", "owner")
    await rig.engines.start(other, "1.0.0", "owner")
    await rig.bench.execute(
        "UPDATE runtime_records SET status = 'starting', container_ref = NULL, revision = revision + 1 WHERE game_id = $1",
        slow,
    )
    await rig.load()
    rig.containers.containers = {c.ref: c for c in rig.containers.containers.values() if c.game_id == other}
    rig.containers.silent[image] = asyncio.Event()
    worker = Reconciler(rig.engines, rig.mender, rig.containers, rig.bench.base.clock, timedelta(hours=1))

    async def crashed() -> bool:
        return rig.engines.status_of(other)[0] == "crashed"

    async def running() -> bool:
        return rig.engines.status_of(other)[0] == "running"

    async with Workers([worker]).running() as workers:
        async with asyncio.timeout(5):
            await workers.all_started()

            async def pulling() -> bool:
                return rig.containers.pulls == [image]

            await eventually(pulling)
        (first,) = rig.containers.containers
        rig.containers.kill(first)
        await eventually(crashed, 5)
        await rig.bench.execute("UPDATE runtime_records SET restart_at = now() WHERE game_id = $1", other)
        await rig.load()
        rig.engines.look_again.set()
        await eventually(running, 5)
        assert rig.engines.status_of(slow)[0] == "starting"
        assert len(rig.boots._fetches) == 1
    assert rig.boots._fetches == {}, "a stop awaits the mends"


async def test_one_mend_that_cannot_write_does_not_end_the_others(rig: Rig):
    """Postgres being away for one game puts off that one alone, and the reconciler goes on."""
    games = [await rig.game(), await rig.game()]
    for game_id in games:
        await rig.engines.start(game_id, "1.0.0", "owner")
    rig.containers.containers.clear()
    real_mend, failed = rig.mender.mend, asyncio.Event()

    async def unavailable(mend: Mend) -> int:
        if mend.game_id == games[0]:
            failed.set()
            raise PostgresUnavailable("gone")
        return await real_mend(mend)

    rig.mender.mend = unavailable  # type: ignore[method-assign]
    worker = Reconciler(rig.engines, rig.mender, rig.containers, rig.bench.base.clock, timedelta(hours=1))

    async def other_noted() -> bool:
        return failed.is_set() and rig.engines.status_of(games[1])[0] == "crashed"

    async with Workers([worker]).running() as workers:
        await workers.all_started()
        await eventually(other_noted, 5)
        assert rig.engines.status_of(games[0])[0] == "running"
