-- name: insert
-- Adds an entry unless its kind and key are known. $1 id, $2 lane, $3 kind, $4 idempotency key, $5 stream, $6 fields jsonb,
-- $7 sealed, $8 expires at. One bool: true where it is new.
WITH added AS (
    INSERT INTO outbox (id, lane, kind, idempotency_key, stream, fields, sealed, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT ON CONSTRAINT outbox_key DO NOTHING
    RETURNING id
), hint AS (
    SELECT pg_notify('outbox_' || $2::text, '') FROM added
)
SELECT count(*) = 1 FROM added LEFT JOIN hint ON true

-- name: payloads
-- What to hand over for claimed entries. $1 ids. Rows: id, stream, fields, over (nobody wants it any more).
SELECT id, stream, fields, expires_at IS NOT NULL AND expires_at <= now() AS over
FROM outbox
WHERE id = ANY ($1::uuid[])

-- name: get
-- One entry. $1 id. At most one row: every column that operators see.
SELECT id, lane, kind, idempotency_key, stream, fields, sealed, state, next_at, attempt_no, last_error_classification, last_error,
       created_at, finished_at, expires_at
FROM outbox
WHERE id = $1

-- name: lock
-- One entry, kept from changing. $1 id. At most one row, as `get`.
SELECT id, lane, kind, idempotency_key, stream, fields, sealed, state, next_at, attempt_no, last_error_classification, last_error,
       created_at, finished_at, expires_at
FROM outbox
WHERE id = $1
FOR UPDATE

-- name: list_dead
-- Dead letters of all lanes, newest first. $1 limit, $2 offset. Rows as `get`.
SELECT id, lane, kind, idempotency_key, stream, fields, sealed, state, next_at, attempt_no, last_error_classification, last_error,
       created_at, finished_at, expires_at
FROM outbox
WHERE state = 'dead_lettered'
ORDER BY created_at DESC, id DESC
LIMIT $1 OFFSET $2

-- name: count_dead
-- How many dead letters there are. One bigint.
SELECT count(*) FROM outbox WHERE state = 'dead_lettered'

-- name: list_mail
-- Mails that the mail service has not been handed yet, in the given states, newest first. $1 states, $2 limit, $3 offset.
-- Rows as `get`.
SELECT id, lane, kind, idempotency_key, stream, fields, sealed, state, next_at, attempt_no, last_error_classification, last_error,
       created_at, finished_at, expires_at
FROM outbox
WHERE lane = 'mail' AND state = ANY ($1::text[]) AND fields ->> 'kind' = 'send'
ORDER BY created_at DESC, id DESC
LIMIT $2 OFFSET $3

-- name: count_mail
-- How many rows `list_mail` has in all. $1 states. One bigint.
SELECT count(*) FROM outbox WHERE lane = 'mail' AND state = ANY ($1::text[]) AND fields ->> 'kind' = 'send'

-- name: list_attempts
-- The history of one entry, oldest first. $1 id. Rows: attempt_no, started_at, finished_at, outcome, classification, error.
SELECT attempt_no, started_at, finished_at, outcome, classification, error
FROM outbox_attempts
WHERE entry_id = $1
ORDER BY attempt_no

-- name: rearm
-- Begins a new series of attempts; their numbers go on where the last series ended. $1 id.
UPDATE outbox
SET state = 'pending', next_at = now(), finished_at = NULL, attempts_left_from = attempt_no
WHERE id = $1 AND state = 'dead_lettered'

-- name: notify
-- Wakes a lane's worker after the commit. $1 lane.
SELECT pg_notify('outbox_' || $1::text, '')

-- name: oldest_code_age
-- Seconds that the oldest sign-in code still waits for its hand-over, 0 when none does. One float.
SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8
FROM outbox
WHERE lane = 'mail' AND kind = 'auth.sign_in_code' AND finished_at IS NULL AND expires_at > now()

-- name: forget_contents
-- Empties entries that were handed over longer ago than $1; their keys stay, so that a late repeat is still recognised.
-- $2 limit. Rows: id.
UPDATE outbox
SET fields = '{}'
WHERE id IN (
    SELECT id FROM outbox
    WHERE state = 'published' AND fields <> '{}' AND finished_at < now() - $1::interval
    LIMIT $2
)
RETURNING id

-- name: hasten
-- Lets a waiting entry be tried at once, in a new series; one that is being handed over stays as it is. $1 id.
UPDATE outbox
SET next_at = now(), attempts_left_from = attempt_no
WHERE id = $1 AND state = 'pending' AND claim_token IS NULL
