-- Deliveries beside their claims, which are kit.outbox's page.

-- name: insert_keys
-- Takes the idempotency keys of new commands. $1 sources text[], $2 keys text[], $3 delivery ids uuid[], $4 hashes bytea[].
-- Rows: delivery_id of each key (or id) not seen before.
INSERT INTO idempotency_keys (source, idempotency_key, delivery_id, body_hash)
SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::bytea[])
ON CONFLICT DO NOTHING
RETURNING delivery_id

-- name: list_keys
-- What is known of keys and ids. $1 sources text[], $2 keys text[], $3 delivery ids uuid[].
-- Rows: source, idempotency_key, delivery_id, body_hash.
SELECT k.source, k.idempotency_key, k.delivery_id, k.body_hash
FROM idempotency_keys k
JOIN unnest($1::text[], $2::text[]) AS t (source, idempotency_key) USING (source, idempotency_key)
UNION
SELECT source, idempotency_key, delivery_id, body_hash FROM idempotency_keys WHERE delivery_id = ANY ($3::uuid[])

-- name: insert_conflicts
-- Records commands that came again with another body. $1 sources, $2 keys, $3 delivery ids, $4 hashes, $5 stream ids.
INSERT INTO command_conflicts (source, idempotency_key, delivery_id, body_hash, stream_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::bytea[], $5::text[])
ON CONFLICT DO NOTHING

-- name: insert_deliveries
-- Inserts deliveries; ordinary mail to a suppressed address and any mail of an erased user is suppressed at once.
-- $1 ids, $2 lanes, $3 sources, $4 keys, $5 templates, $6 locales, $7 addresses, $8 hashes, $9 variables, $10 sealed,
-- $11 unsubscribe urls, $12 users, $13 expires_at, $14 occurred_at, $15 request ids, $16 trace ids. Rows: id, state.
INSERT INTO deliveries (id, lane, state, finished_at, source, idempotency_key, template_id, locale, to_address, address_hash,
                        variables, sealed_variables, unsubscribe_url, user_id, expires_at, occurred_at, request_id, trace_id)
SELECT n.id, n.lane, CASE WHEN n.off THEN 'suppressed' ELSE 'pending' END, CASE WHEN n.off THEN now() END,
       n.source, n.idempotency_key, n.template_id, n.locale, CASE WHEN NOT n.erased THEN n.to_address END, n.address_hash,
       n.variables, n.sealed_variables, n.unsubscribe_url, n.user_id, n.expires_at, n.occurred_at, n.request_id, n.trace_id
FROM (
    SELECT t.*, e.user_id IS NOT NULL AS erased,
           e.user_id IS NOT NULL OR (s.address_hash IS NOT NULL AND t.lane = 'ordinary') AS off
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                $9::jsonb[], $10::text[], $11::text[], $12::text[], $13::timestamptz[], $14::timestamptz[],
                $15::text[], $16::text[])
        AS t (id, lane, source, idempotency_key, template_id, locale, to_address, address_hash, variables,
              sealed_variables, unsubscribe_url, user_id, expires_at, occurred_at, request_id, trace_id)
    LEFT JOIN erased_users e ON e.user_id = t.user_id
    LEFT JOIN suppressions s ON s.address_hash = t.address_hash
) AS n
RETURNING id, state

-- name: insert_malformed
-- Keeps a bad command. $1 stream id, $2 raw bytes, $3 reason.
INSERT INTO malformed_commands (stream_id, raw, reason) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING

-- name: insert_erased_user
-- $1 user id.
INSERT INTO erased_users (user_id) VALUES ($1) ON CONFLICT DO NOTHING

-- name: erase_user
-- Ends what is still open of a user and takes address and content out of all of it. A claim in flight loses its token: its
-- completion changes no row. $1 user id. Rows: id, was_open.
WITH mine AS (
    SELECT id, finished_at IS NULL AS was_open, attempt_no FROM deliveries WHERE user_id = $1 FOR UPDATE
), ended AS (
    UPDATE deliveries_attempts a
    SET outcome = 'unknown', classification = 'user_erased', finished_at = now()
    FROM mine
    WHERE a.entry_id = mine.id AND a.attempt_no = mine.attempt_no AND a.outcome = 'started'
)
UPDATE deliveries d
SET state = CASE WHEN mine.was_open THEN 'suppressed' ELSE d.state END,
    finished_at = coalesce(d.finished_at, now()),
    claim_token = NULL,
    leased_until = NULL,
    to_address = NULL,
    variables = NULL,
    sealed_variables = NULL,
    unsubscribe_url = ''
FROM mine
WHERE d.id = mine.id
RETURNING d.id, mine.was_open

-- name: list_outgoing
-- What is needed to send claimed deliveries. $1 ids uuid[], $2 claim token, $3 how much of the lease must be left interval.
-- Rows for those still ours: the delivery, expired, suppressed, unknown_outcomes.
SELECT d.id, d.template_id, d.locale, d.to_address, d.variables, d.sealed_variables, d.unsubscribe_url, d.created_at,
       d.address_hash, d.request_id, d.trace_id,
       coalesce(d.expires_at <= now(), false) AS expired,
       s.address_hash IS NOT NULL AND d.lane = 'ordinary' AS suppressed,
       (SELECT count(*) FROM deliveries_attempts a
        WHERE a.entry_id = d.id AND a.attempt_no > d.attempts_left_from AND a.outcome = 'unknown'
          AND a.classification = 'outcome_unknown') AS unknown_outcomes
FROM deliveries d
LEFT JOIN suppressions s ON s.address_hash = d.address_hash
WHERE d.id = ANY ($1::uuid[]) AND d.claim_token = $2 AND d.leased_until > now() + $3

-- name: suppress_claimed
-- Ends a claimed delivery unsent. $1 id, $2 claim token.
WITH ours AS (
    UPDATE deliveries
    SET state = 'suppressed', claim_token = NULL, leased_until = NULL, finished_at = now(), attempt_no = attempt_no - 1
    WHERE id = $1 AND claim_token = $2
    RETURNING id, attempt_no + 1 AS attempt_no
)
DELETE FROM deliveries_attempts a USING ours WHERE a.entry_id = ours.id AND a.attempt_no = ours.attempt_no

-- name: insert_suppression
-- $1 address hash, $2 reason.
INSERT INTO suppressions (address_hash, reason) VALUES ($1, $2) ON CONFLICT DO NOTHING

-- name: delete_suppression
-- $1 address hash.
DELETE FROM suppressions WHERE address_hash = $1

-- name: lock_delivery
-- $1 id. One row or none: state, address_hash, over (its time has run out or its content is gone).
SELECT state, address_hash,
       coalesce(expires_at <= now(), false) OR (variables IS NULL AND sealed_variables IS NULL) AS over
FROM deliveries WHERE id = $1 FOR UPDATE

-- name: rearm
-- Begins a new series of attempts; the numbers go on. $1 id.
UPDATE deliveries
SET state = 'pending', next_at = now(), finished_at = NULL, attempts_left_from = attempt_no
WHERE id = $1

-- name: list_deliveries
-- $1 state or NULL, $2 limit, $3 offset. Rows: newest first.
SELECT id, source, template_id, locale, to_address, user_id, state, attempt_no, next_at, created_at, finished_at, expires_at,
       last_error_classification, last_error
FROM deliveries WHERE $1::text IS NULL OR state = $1
ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3

-- name: count_deliveries
-- $1 state or NULL. One row: count.
SELECT count(*) FROM deliveries WHERE $1::text IS NULL OR state = $1

-- name: find_delivery
-- $1 id. One row or none, as list_deliveries.
SELECT id, source, template_id, locale, to_address, user_id, state, attempt_no, next_at, created_at, finished_at, expires_at,
       last_error_classification, last_error
FROM deliveries WHERE id = $1

-- name: list_attempts
-- $1 delivery id. Rows: by number.
SELECT attempt_no, started_at, finished_at, outcome, classification, error
FROM deliveries_attempts WHERE entry_id = $1 ORDER BY attempt_no

-- name: list_dead_letters
-- $1 limit, $2 offset. Rows: newest first, with the state of the delivery today.
SELECT l.delivery_id, l.attempt_no, l.source, l.template_id, l.classification, l.error, l.dead_at, d.state
FROM dead_letters l LEFT JOIN deliveries d ON d.id = l.delivery_id
ORDER BY l.dead_at DESC, l.delivery_id LIMIT $1 OFFSET $2

-- name: count_dead_letters
-- One row: count.
SELECT count(*) FROM dead_letters

-- name: erase_expired
-- Takes sealed values out that no mail can use any more. $1 limit. Rows: id.
UPDATE deliveries SET sealed_variables = NULL
WHERE id IN (SELECT id FROM deliveries
             WHERE sealed_variables IS NOT NULL AND coalesce(expires_at <= now(), true) AND finished_at IS NOT NULL
             LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING id

-- name: delete_old_deliveries
-- $1 retention interval, $2 limit. Rows: id.
DELETE FROM deliveries
WHERE id IN (SELECT id FROM deliveries WHERE finished_at < now() - $1::interval LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING id

-- name: delete_old_malformed
-- $1 retention interval, $2 limit. Rows: stream_id.
DELETE FROM malformed_commands
WHERE (stream_id, raw_hash) IN (
    SELECT stream_id, raw_hash FROM malformed_commands WHERE received_at < now() - $1::interval LIMIT $2)
RETURNING stream_id
