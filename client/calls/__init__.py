"""One typed method for each message type of the edge, grouped as the platform groups them (docs/ARCHITECTURE.md, 3.3)."""
