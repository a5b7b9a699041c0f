"""Figures of the gateway against its peers, measured in one run on one machine.

`python -m gateway.bench --redis redis://:password@host:port/0` ends in one line of JSON.
"""
