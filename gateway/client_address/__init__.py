"""Where a request really comes from, proxies looked through that we trust."""
