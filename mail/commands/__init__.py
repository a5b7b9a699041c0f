"""Delivery commands: reads `mail:delivery_commands`, keeps what it cannot understand as malformed, makes deliveries."""
