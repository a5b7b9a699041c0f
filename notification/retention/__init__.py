"""Retention: removes records, malformed intents and conflicts past their time. Keys and dead letters stay."""
