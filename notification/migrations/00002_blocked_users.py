"""A reason to skip routes of blocked accounts."""

from kit.migrate import run_sql_beside

revision = "00002"
down_revision = "00001"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_sql_beside(__file__)
