-- name: try_lock
-- Asks for the leader's lock of this schema without waiting; held until the connection ends. $1 key. One bool.
SELECT pg_try_advisory_lock($1, hashtext(current_schema()))

-- name: take_over
-- Raises the epoch; waits for write transactions of the leader before, which hold the row in share mode.
-- $1 holder. One bigint: the new epoch.
UPDATE leader SET epoch = epoch + 1, holder = $1, taken_at = now() RETURNING epoch

-- name: epoch
-- One bigint: the epoch in force.
SELECT epoch FROM leader

-- name: hold_epoch
-- The epoch in force, kept from changing until this transaction ends, and the transaction's id, which the row lock costs anyway.
-- One row: epoch bigint, xid text.
SELECT epoch, pg_current_xact_id()::text AS xid FROM leader FOR SHARE

-- name: is_under_way
-- Whether a transaction has neither committed nor been rolled back. $1 its id as text. One bool; null for one long over. Fails
-- with invalid_parameter_value for an id that this server has not given out yet.
SELECT pg_xact_status($1::text::xid8) = 'in progress'
