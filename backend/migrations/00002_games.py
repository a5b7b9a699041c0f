"""Engine versions, the lobby, the runtime, the scheduler and the archive of turns."""

from kit.migrate import run_sql_beside

revision = "00002"
down_revision = "00001"


def upgrade() -> None:
    """Apply 00002_games.sql."""
    run_sql_beside(__file__)
