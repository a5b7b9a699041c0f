"""Orders: what players may write, how it is read, and what it does."""
