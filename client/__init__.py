"""The players' side: a Python SDK (`client.sdk`), the `galaxy` command over it, and pictures of reports.

It knows the platform as any client would, by the wire and the published keys alone.
"""
