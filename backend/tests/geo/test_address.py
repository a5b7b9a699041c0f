"""Which address a request counts for, and the counters."""

from datetime import timedelta

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from backend.geo.address import client_address, normalise_address
from backend.geo.counters import CountryCounters
from backend.geo.countries import NoCountries, open_countries
from deploy.embedded.provision import write_geoip_fixture
from kit.process import StartError
from kit.testing import ManualClock


def _request(forwarded: str | None = None, peer: str = "10.0.0.9") -> Request:
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded is not None else []
    return Request({"type": "http", "headers": headers, "client": (peer, 1234)})


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1:8080 ", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[2001:DB8::1]:443", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("unknown", ""),
        ("", ""),
        ("192.0.2.1.5", ""),
    ],
)
def test_addresses_have_one_spelling(text, kept):
    assert normalise_address(text) == kept


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_nothing(text):
    assert normalise_address(normalise_address(text)) == normalise_address(text)


def test_the_leftmost_forwarded_address_counts_beside_the_gateways_token_only():
    """backend-runbook:144-145 leftmost X-Forwarded-For, else the peer. backend-runbook:145-146."""
    request = _request("192.0.2.1, 198.51.100.1, 10.0.0.1")
    assert client_address(request, behind_gateway=True) == "192.0.2.1"
    assert client_address(request, behind_gateway=False) == "10.0.0.9"
    assert client_address(_request(), behind_gateway=True) == "10.0.0.9"
    assert client_address(_request("garbage"), behind_gateway=True) == "10.0.0.9"


def test_lookups_never_raise(tmp_path):
    """backend-runbook:142-143."""
    write_geoip_fixture(tmp_path / "geo.mmdb")
    countries = open_countries(tmp_path / "geo.mmdb")
    assert countries.country_of("192.0.2.1") == "DE"
    assert countries.country_of("2001:db8::1") == "BR"
    for strange in ("10.0.0.1", "", "garbage"):
        assert countries.country_of(strange) is None
    countries.close()
    assert isinstance(open_countries(None), NoCountries)


def test_a_broken_database_ends_the_start_with_a_sentence(tmp_path):
    (tmp_path / "geo.mmdb").write_bytes(b"nothing of the kind")
    with pytest.raises(StartError, match="BACKEND_GEOIP_DB_PATH"):
        open_countries(tmp_path / "geo.mmdb")


class _Fixed:
    def country_of(self, address: str) -> str | None:
        return "DE"


def test_what_waits_is_bounded():
    counters = CountryCounters(None, _Fixed(), ManualClock(), pending_max=2)  # type: ignore[arg-type]
    for user in ("a", "b", "c", "a"):
        counters.saw(user, "192.0.2.1")
    assert counters.dropped == 1


@pytest.mark.stores
async def test_requests_are_counted_by_country(
    make_settings, run_backend, backend_dsn, redis, tmp_path, clock
):
    """backend-runbook:141-142 user_country_counters, fire-and-forget per authenticated request."""
    write_geoip_fixture(tmp_path / "geo.mmdb")
    settings = make_settings(backend_dsn, geoip={"db_path": str(tmp_path / "geo.mmdb")})
    async with run_backend(settings, clock) as backend:
        player = await backend.sign_in(redis, "ada@example.org")
        for address in ("192.0.2.1", "192.0.2.2", "203.0.113.1", "10.1.1.1"):
            await backend.as_player(player, "GET", "/account", headers={"X-Forwarded-For": address})
        clock.advance(timedelta(seconds=1))
    # What waited was written when the process stopped.
    async with run_backend(settings, clock) as backend, backend.database() as connection:
        rows = await connection.fetch("SELECT country, requests FROM user_country_counters")
    assert {row["country"]: row["requests"] for row in rows} == {"DE": 2, "JP": 1}
