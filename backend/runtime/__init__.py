"""The runtime: one engine a game, kept running where it should run.

Owns `runtime_records`, `runtime_operation_log`, the `Containers` port and its adapters, and the reconciler. An engine is
thrown away and started anew without a thought: what it knows comes back from play's archive of saves.

Desired and observed states are separate values (`model`), one pure function compares them (`compare`), the reconciler
performs what it returns, and one lock a game keeps operations apart.
"""
