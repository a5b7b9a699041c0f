"""The shape of a request: is every field what the protocol says it is? No secret and no store is asked yet."""
