"""The platform kit: what two or more services need, with no word of the game and no word of any service.

Each module is one shelf: settings, clocks and ids, logs and telemetry, process and listeners, Postgres, outboxes, Redis
streams. Nothing here imports a service, the engine or the generated stubs.
"""
