"""Device sessions: asked of the backend for every request, and a memory of those that were revoked."""
