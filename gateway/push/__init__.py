"""Event streams: a hub in memory that fans events out, remembers the last ones for resumes, and ends streams by their rules.

Promises: every stream sees a prefix of its user's events without a hole, then one terminal status; what cannot be replayed
whole is not replayed at all but announced (`gateway.resync_required`); a slow stream is closed alone.
"""
