"""User stories on a whole, isolated stack: own database, streams and ports, real processes, the public surface.

`conftest.py` gives the stacks, `players.py` people with devices, `mailbox.py` what they find in the mail, `ledger.py` the
tables behind the scenes for comparing exact sets after a fault. One file per story.
"""
