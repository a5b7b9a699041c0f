-- name: claim
-- Claims a user's key, also one that has run out. $1 user, $2 key, $3 fingerprint, $4 now, $5 oldest instant still kept.
-- One bool: true where it is ours now; NULL where it is taken.
INSERT INTO idempotency_keys (user_id, key, fingerprint, created_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT (user_id, key) DO UPDATE
SET fingerprint = excluded.fingerprint, status = NULL, answer = NULL, created_at = excluded.created_at
WHERE idempotency_keys.created_at < $5
RETURNING true

-- name: find
-- What stands under a user's key. $1 user, $2 key. At most one row: fingerprint, status, answer.
SELECT fingerprint, status, answer FROM idempotency_keys WHERE user_id = $1 AND key = $2

-- name: remember
-- Writes the answer under a claimed key. $1 user, $2 key, $3 status, $4 answer jsonb.
UPDATE idempotency_keys SET status = $3, answer = $4 WHERE user_id = $1 AND key = $2

-- name: forget_old
-- Deletes up to $2 keys made before $1. Rows: key.
DELETE FROM idempotency_keys WHERE (user_id, key) IN (
    SELECT user_id, key FROM idempotency_keys WHERE created_at < $1 ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
RETURNING key
