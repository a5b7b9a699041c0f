"""Indexes for the retention of device sessions and links."""

from kit.migrate import run_sql_beside

revision = "00004"
down_revision = "00003"


def upgrade() -> None:
    """Apply 00004_retention.sql."""
    run_sql_beside(__file__)
