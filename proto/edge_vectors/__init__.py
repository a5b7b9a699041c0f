"""The examples of galaxy/edge/v1/vectors.json: what every implementation of the edge's signatures must accept and refuse.

Run `python -m edge_vectors` after a change of the wire; `--check` writes nothing and fails when the file differs. The output
depends on nothing but this package and `signing.py`: keys come from fixed seeds, and Ed25519 signatures are deterministic.
The keys are known to everybody and sign nothing but these examples.
"""
