"""How much one address and one session may ask for: connections, requests, streams."""
