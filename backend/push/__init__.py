"""Signals to every gateway: a bounded ring in memory, served over gRPC `Push.SubscribePush`.

A signal says "look again"; it is never the only record of a fact, so the ring may forget and a restart may empty it: a
gateway whose position is gone is told to look everything up again.
"""
