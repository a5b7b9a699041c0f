"""`make demo`: two scripted players play ten turns through the public surface of a running platform."""
