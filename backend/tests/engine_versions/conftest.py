"""Fixtures of this room."""

from backend.tests.fixtures_games import bench, games_dsn

__all__ = ["bench", "games_dsn"]
