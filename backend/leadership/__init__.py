"""Who is the active backend: one at a time, and every write proves that it still is.

Owns the advisory lock, the epoch row and the transactions that check it. Leaves to `backend.app` what a process does when it
becomes active or stops being so.
"""
