"""Engine versions: which engine images games may run on.

Owns `engine_versions` and its cache. Whoever registers a version vouches for its image; pulling and running it is the
runtime's work.
"""
