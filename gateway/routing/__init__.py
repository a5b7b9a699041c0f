"""From a message type to a call of the backend and back: one declared table, and payload bytes that stay as they are."""
