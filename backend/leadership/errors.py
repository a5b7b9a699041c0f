"""What can go wrong with leadership.

LeadershipLost      another backend is active; this process must drop what it knows and end
"""


class LeadershipLost(Exception):
    """Another backend took over: the epoch row no longer names this process, and nothing it writes may count."""
