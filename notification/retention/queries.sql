-- What the clean-up removes, one bounded batch at a time.

-- name: delete_old_records
-- Records older than $1 whose routes have all ended, with their routes and attempts; $2 limit. Rows: record_id.
DELETE FROM records
WHERE record_id IN (
    SELECT r.record_id FROM records r
    WHERE r.accepted_at < now() - $1::interval
      AND NOT EXISTS (SELECT FROM routes t WHERE t.record_id = r.record_id AND t.finished_at IS NULL)
    LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING record_id

-- name: delete_old_malformed
-- $1 retention interval, $2 limit. Rows: stream_id.
DELETE FROM malformed_intents
WHERE (stream_id, raw_hash) IN (
    SELECT stream_id, raw_hash FROM malformed_intents WHERE received_at < now() - $1::interval LIMIT $2)
RETURNING stream_id

-- name: delete_old_conflicts
-- $1 retention interval, $2 limit. Rows: idempotency_key.
DELETE FROM idempotency_conflicts
WHERE (producer, notification_type, idempotency_key, body_hash) IN (
    SELECT producer, notification_type, idempotency_key, body_hash FROM idempotency_conflicts
    WHERE seen_at < now() - $1::interval LIMIT $2)
RETURNING idempotency_key
