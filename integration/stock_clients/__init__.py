"""Clients made of stock libraries alone, each signing by a small file of its own.

They prove that the wire can be spoken from the published contract: `edge.proto` and `vectors.json`. `python/` is plain
grpcio; `node/` is connect-node and connect-web in one package,
run on the Node of the development environment and, for connect-web, in a page of a headless Chromium.
"""
