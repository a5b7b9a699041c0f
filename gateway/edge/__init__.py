"""The authenticated listener: Connect, gRPC and gRPC-Web on one cleartext port, HTTP/1.1 and h2c.

`rpc` answers the two calls, `statuses` is the one table from refusals to statuses, `asgi` wraps what every request needs,
`httpunk_protocol` and `zttp_protocol` are the two HTTP engines behind `listener`.
"""
