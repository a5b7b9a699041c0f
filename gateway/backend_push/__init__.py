"""The subscription to the backend's push ring: signals for streams, and invalidations of sessions.

It comes back by itself, goes on where it was, and after every gap has each open session looked up again, so that a lost
invalidation cannot keep a revoked stream alive.
"""
