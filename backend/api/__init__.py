"""The REST families: who may call, whose request it is, idempotency keys.

`public`, `internal` and `user` answer callers with a service token only; `user` and the client's address count only beside
the gateway's. `admin` answers operators. Rooms bring routers without a family prefix; `backend.app` mounts them.
"""
