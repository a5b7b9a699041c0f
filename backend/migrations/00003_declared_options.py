"""The options that engines of a version declare."""

from kit.migrate import run_sql_beside

revision = "00003"
down_revision = "00002"


def upgrade() -> None:
    """Apply 00003_declared_options.sql."""
    run_sql_beside(__file__)
