"""The tables of the mail service."""

from kit.migrate import run_sql_beside

revision = "00001"
down_revision = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_sql_beside(__file__)
