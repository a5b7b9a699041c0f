"""The embedded stack: the whole platform on one machine, without Docker and without root.

Owns the stores (PostgreSQL and Valkey out of their wheels), the mail catcher, the supervision of the service processes,
the data folder and everything `make up` shows. Leaves to the services what they are: it only hands them their
environment and waits for the file that says "ready". It is used from the command line (`python -m deploy.embedded`) and from
tests (`deploy.embedded.stack`, `deploy.embedded.stores`).
"""
