"""One open challenge an address and household."""

from kit.migrate import run_sql_beside

revision = "00005"
down_revision = "00004"


def upgrade() -> None:
    """Apply 00005_open_challenges.sql."""
    run_sql_beside(__file__)
