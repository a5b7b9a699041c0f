"""How quickly a lane drains with its whole history, beside PgQueuer, Procrastinate and the least that any queue must do.

All in one run on one Postgres: jobs that do nothing, their history kept, each at the batch size that suits it best. The
peers live in an environment of their own (`make bench-outbox` makes it from `peers.lock`) and are measured in a process of
theirs.
"""
