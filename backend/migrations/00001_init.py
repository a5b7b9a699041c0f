"""Leadership, accounts, sign-in, operators, the outbox, countries and idempotency keys."""

from kit.migrate import run_sql_beside

revision = "00001"
down_revision = None


def upgrade() -> None:
    """Apply 00001_init.sql."""
    run_sql_beside(__file__)
