"""Session snapshots on a Redis stream, when configured: a second source of revocations that outlives the backend's ring."""
