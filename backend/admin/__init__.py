"""Operators: who they are, what they may do, and the log of what they did.

Owns operators, their sessions and the audit log, and the admin calls about players, mail and the outbox.
"""
