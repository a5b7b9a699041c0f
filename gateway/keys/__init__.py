"""The gateway's own keys: the one that signs, and those that are published so that clients can verify."""
