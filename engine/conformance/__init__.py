"""The conformance kit: checks that any engine of contract v1 passes, ours or another's.

It knows the contract and nothing of the rules, speaks plain HTTP with the standard library, and needs an engine without
a game. `python -m engine.conformance URL --token T [--twin URL]`; the twin, a second empty engine, is what saves are
restored into.
"""
