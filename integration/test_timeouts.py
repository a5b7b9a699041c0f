"""Waits of one service inside the waits of another: who waits outside must be the more patient."""

from datetime import timedelta

from backend.play.checking import CHECK_TIMEOUT_SECONDS
from gateway.settings import BackendSettings


def test_stored_orders_are_answered_before_the_gateway_gives_up() -> None:
    patience: timedelta = BackendSettings.model_fields["timeout"].default
    assert timedelta(seconds=CHECK_TIMEOUT_SECONDS) <= patience - timedelta(seconds=2)
