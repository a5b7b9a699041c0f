"""The points at which kill tests hold a process."""

import asyncio
import os

import pytest

from kit.faults import ArmedFault, Faults
from kit.settings import SettingsError


async def test_nothing_armed_passes_at_once():
    async with asyncio.timeout(1):
        await Faults().reach("after_engine_answer")


async def test_an_armed_point_writes_its_marker_and_waits_to_be_killed(tmp_path):
    marker = tmp_path / "reached"
    faults = Faults(ArmedFault("after_xadd", marker))
    await faults.reach("another")
    held = asyncio.create_task(faults.reach("after_xadd"))
    async with asyncio.timeout(2):
        while not marker.exists():
            await asyncio.sleep(0)
    assert marker.read_text() == f"{os.getpid()} after_xadd\n"
    assert not held.done()
    held.cancel()
    with pytest.raises(asyncio.CancelledError):
        await held


async def test_only_the_chosen_arrival_holds(tmp_path):
    faults = Faults(ArmedFault("after_xadd", tmp_path / "reached", arrival=2))
    async with asyncio.timeout(1):
        await faults.reach("after_xadd")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await faults.reach("after_xadd")
    assert (tmp_path / "reached").exists()


async def test_the_environment_arms_one_point(monkeypatch, tmp_path):
    monkeypatch.setenv("MAIL_FAULT_POINT", f"after_250:{tmp_path}/marker:3")
    assert Faults.from_environment("mail")._armed == ArmedFault("after_250", tmp_path / "marker", 3)
    monkeypatch.delenv("MAIL_FAULT_POINT")
    assert Faults.from_environment("mail")._armed is None


@pytest.mark.parametrize("text", ["after_250", ":/marker", "after_250:", "after_250:/marker:0", "a:/m:x"])
async def test_a_malformed_point_stops_the_start(monkeypatch, text):
    monkeypatch.setenv("MAIL_FAULT_POINT", text)
    with pytest.raises(SettingsError, match="MAIL_FAULT_POINT"):
        Faults.from_environment("mail")
