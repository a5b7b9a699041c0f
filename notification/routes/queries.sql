-- Routes beside their claims, which are kit.outbox's page.

-- name: insert_routes
-- $1 ids, $2 record ids, $3 route ids, $4 lanes, $5 states, $6 skip reasons, $7 users, $8 addresses, $9 locales,
-- $10 time zones, $11 display names, $12 unsubscribe urls, $13 not before (NULL: now).
INSERT INTO routes (id, record_id, route_id, lane, state, finished_at, skip_reason, user_id, address, locale, time_zone,
                    display_name, unsubscribe_url, next_at)
SELECT id, record_id, route_id, lane, state, CASE WHEN skip_reason IS NOT NULL THEN now() END, skip_reason, user_id, address,
       locale, time_zone, display_name, unsubscribe_url, coalesce(not_before, now())
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::text[], $9::text[],
            $10::text[], $11::text[], $12::text[], $13::timestamptz[])
    AS t (id, record_id, route_id, lane, state, skip_reason, user_id, address, locale, time_zone, display_name,
          unsubscribe_url, not_before)

-- name: skip_routes_of_user
-- Ends the open routes of a deleted account and forgets its address everywhere. A claim in flight loses its token: its
-- completion changes no row. $1 user id. Rows: id, was_open.
WITH mine AS (
    SELECT id, finished_at IS NULL AS was_open, attempt_no FROM routes WHERE user_id = $1 FOR UPDATE
), ended AS (
    UPDATE routes_attempts a
    SET outcome = 'unknown', classification = 'user_deleted', finished_at = now()
    FROM mine
    WHERE a.entry_id = mine.id AND a.attempt_no = mine.attempt_no AND a.outcome = 'started'
)
UPDATE routes r
SET state = CASE WHEN mine.was_open THEN 'skipped' ELSE r.state END,
    skip_reason = CASE WHEN mine.was_open THEN 'user_deleted' ELSE r.skip_reason END,
    finished_at = coalesce(r.finished_at, now()),
    claim_token = NULL,
    leased_until = NULL,
    address = NULL,
    display_name = '',
    unsubscribe_url = ''
FROM mine
WHERE r.id = mine.id
RETURNING r.id, mine.was_open

-- name: list_payloads
-- What is needed to publish claimed routes. $1 ids uuid[], $2 claim token. Rows for those still ours.
SELECT t.id, t.record_id, t.route_id, r.notification_type, r.producer, r.audience_kind, r.payload, t.user_id, t.address,
       t.locale, t.time_zone, t.display_name, t.unsubscribe_url, r.occurred_at, r.request_id, r.trace_id
FROM routes t JOIN records r USING (record_id)
WHERE t.id = ANY ($1::uuid[]) AND t.claim_token = $2
