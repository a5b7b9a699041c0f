"""The Galaxy engine: one game as a pure turn machine, with a thin HTTP server around it."""

ENGINE_NAME = "galaxy-ng"
VERSION = "1.0.0"
CONTRACT_VERSIONS = ("v1",)
