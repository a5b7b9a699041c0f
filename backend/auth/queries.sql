-- name: serialise_sends
-- Makes sends to one address, and from one IP, wait for each other until the transaction ends; always in this order.
-- $1 address, $2 IP.
SELECT pg_advisory_xact_lock(hashtextextended('code:address:' || $1::text, 0))

-- name: serialise_sends_from
-- The second half of `serialise_sends`. $1 IP.
SELECT pg_advisory_xact_lock(hashtextextended('code:ip:' || $1::text, 0))

-- name: sends_since
-- Sends after an instant and the oldest of them, by address and by IP. $1 address, $2 IP, $3 instant.
-- One row: by_address, address_oldest, by_ip, ip_oldest.
SELECT a.n AS by_address, a.oldest AS address_oldest, i.n AS by_ip, i.oldest AS ip_oldest
FROM (SELECT count(*) AS n, min(created_at) AS oldest FROM auth_challenges WHERE email = $1 AND created_at > $3) a,
     (SELECT count(*) AS n, min(created_at) AS oldest FROM auth_challenges WHERE ip = $2 AND created_at > $3) i

-- name: replace_open
-- Ends the open challenge of an address that was asked for from the same IP, and all but the newest others, so that with the
-- one to come no more than $3 are open. $1 address, $2 IP.
UPDATE auth_challenges SET state = 'replaced'
WHERE email = $1 AND state = 'open' AND challenge_id NOT IN (
    SELECT challenge_id FROM auth_challenges
    WHERE email = $1 AND state = 'open' AND ip <> $2
    ORDER BY created_at DESC, challenge_id DESC
    LIMIT $3 - 1
)

-- name: insert_challenge
-- $1 id, $2 address, $3 locale, $4 IP, $5 code hash, $6 tries, $7 now, $8 expires at.
INSERT INTO auth_challenges (challenge_id, email, locale, ip, code_hash, tries_left, created_at, expires_at, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'open')

-- name: lock_challenge
-- One challenge; others that try a code for it wait. $1 id. At most one row.
SELECT challenge_id, email, locale, code_hash, tries_left, expires_at, state, device_session_id
FROM auth_challenges
WHERE challenge_id = $1
FOR UPDATE

-- name: spend_try
-- Counts a wrong code; the last one ends the challenge. $1 id. One int: tries left.
UPDATE auth_challenges
SET tries_left = tries_left - 1, state = CASE WHEN tries_left = 1 THEN 'exhausted' ELSE state END
WHERE challenge_id = $1
RETURNING tries_left

-- name: confirm_challenge
-- $1 id, $2 the session that it made.
UPDATE auth_challenges SET state = 'confirmed', device_session_id = $2 WHERE challenge_id = $1

-- name: forget_challenges
-- Deletes up to $2 challenges made before $1, when no limit counts them any more. Rows: challenge_id.
DELETE FROM auth_challenges WHERE challenge_id IN (
    SELECT challenge_id FROM auth_challenges WHERE created_at < $1 ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
RETURNING challenge_id

-- name: list_sessions
-- Every device session, for the cache. Rows: all columns.
SELECT device_session_id, user_id, client_public_key, device_name, country, status, created_at, last_used_at, revoked_at,
       revoked_reason, version
FROM device_sessions

-- name: list_sessions_of
-- Every device session of a user, newest first. $1 user. Rows as `list_sessions`.
SELECT device_session_id, user_id, client_public_key, device_name, country, status, created_at, last_used_at, revoked_at,
       revoked_reason, version
FROM device_sessions
WHERE user_id = $1
ORDER BY created_at DESC, device_session_id DESC

-- name: get_session
-- One device session. $1 id. At most one row, as `list_sessions`.
SELECT device_session_id, user_id, client_public_key, device_name, country, status, created_at, last_used_at, revoked_at,
       revoked_reason, version
FROM device_sessions
WHERE device_session_id = $1

-- name: insert_session
-- $1 id, $2 user, $3 public key, $4 device name, $5 country, $6 now. One row, as `list_sessions`.
INSERT INTO device_sessions
    (device_session_id, user_id, client_public_key, device_name, country, status, created_at, last_used_at)
VALUES ($1, $2, $3, $4, $5, 'active', $6, $6)
RETURNING device_session_id, user_id, client_public_key, device_name, country, status, created_at, last_used_at, revoked_at,
          revoked_reason, version

-- name: end_surplus
-- Ends all but the $2 most recently used sessions of a user. $1 user, $3 now, $4 reason. Rows as `list_sessions`.
UPDATE device_sessions
SET status = 'revoked', revoked_at = $3, revoked_reason = $4, version = version + 1
WHERE device_session_id IN (
    SELECT device_session_id FROM device_sessions
    WHERE user_id = $1 AND status = 'active'
    ORDER BY last_used_at DESC, device_session_id DESC
    OFFSET $2
)
RETURNING device_session_id, user_id, client_public_key, device_name, country, status, created_at, last_used_at, revoked_at,
          revoked_reason, version

-- name: end_session
-- Ends one session unless it is over. $1 id, $2 now, $3 reason. At most one row, as `list_sessions`.
UPDATE device_sessions
SET status = 'revoked', revoked_at = $2, revoked_reason = $3, version = version + 1
WHERE device_session_id = $1 AND status = 'active'
RETURNING device_session_id, user_id, client_public_key, device_name, country, status, created_at, last_used_at, revoked_at,
          revoked_reason, version

-- name: end_all
-- Ends every active session of a user, locking them in the order of their ids. $1 user, $2 now, $3 reason.
-- Rows as `list_sessions`.
WITH theirs AS (
    SELECT device_session_id FROM device_sessions
    WHERE user_id = $1 AND status = 'active'
    ORDER BY device_session_id
    FOR UPDATE
)
UPDATE device_sessions
SET status = 'revoked', revoked_at = $2, revoked_reason = $3, version = version + 1
WHERE device_session_id IN (SELECT device_session_id FROM theirs) AND status = 'active'
RETURNING device_session_id, user_id, client_public_key, device_name, country, status, created_at, last_used_at, revoked_at,
          revoked_reason, version

-- name: end_idle
-- Ends up to $4 sessions last used before $1; those that another transaction holds come next time. $2 now, $3 reason. Rows as `list_sessions`.
UPDATE device_sessions
SET status = 'revoked', revoked_at = $2, revoked_reason = $3, version = version + 1
WHERE device_session_id IN (
    SELECT device_session_id FROM device_sessions
    WHERE status = 'active' AND last_used_at < $1
    LIMIT $4
    FOR UPDATE SKIP LOCKED
)
RETURNING device_session_id, user_id, client_public_key, device_name, country, status, created_at, last_used_at, revoked_at,
          revoked_reason, version

-- name: forget_sessions
-- Deletes up to $2 sessions that ended before $1. Rows: device_session_id.
DELETE FROM device_sessions WHERE device_session_id IN (
    SELECT device_session_id FROM device_sessions
    WHERE status = 'revoked' AND revoked_at < $1
    ORDER BY revoked_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
RETURNING device_session_id

-- name: rename_session
-- $1 id, $2 user, $3 name. At most one row, as `list_sessions`.
UPDATE device_sessions
SET device_name = $3, version = version + 1
WHERE device_session_id = $1 AND user_id = $2 AND status = 'active'
RETURNING device_session_id, user_id, client_public_key, device_name, country, status, created_at, last_used_at, revoked_at,
          revoked_reason, version

-- name: note_use
-- Notes when active sessions were last used; never backwards, and not those that another transaction holds.
-- $1 ids, $2 instants. Rows as `list_sessions`.
WITH used AS (
    SELECT * FROM unnest($1::uuid[], $2::timestamptz[]) AS t (id, at)
), free AS (
    SELECT d.device_session_id FROM device_sessions d JOIN used ON used.id = d.device_session_id
    WHERE d.status = 'active' AND d.last_used_at < used.at
    FOR UPDATE OF d SKIP LOCKED
)
UPDATE device_sessions d
SET last_used_at = used.at, version = d.version + 1
FROM used JOIN free ON free.device_session_id = used.id
WHERE d.device_session_id = used.id
RETURNING d.device_session_id, d.user_id, d.client_public_key, d.device_name, d.country, d.status, d.created_at,
          d.last_used_at, d.revoked_at, d.revoked_reason, d.version

-- name: insert_link
-- $1 token hash, $2 purpose, $3 user, $4 now, $5 expires at.
INSERT INTO auth_links (token_hash, purpose, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)

-- name: find_link
-- A link that has not run out. $1 token hash, $2 purpose, $3 now. At most one row: user_id, used_at.
SELECT user_id, used_at FROM auth_links WHERE token_hash = $1 AND purpose = $2 AND expires_at > $3

-- name: use_link
-- Notes the first use. $1 token hash, $2 now.
UPDATE auth_links SET used_at = coalesce(used_at, $2) WHERE token_hash = $1

-- name: forget_links
-- Deletes up to $2 links that ran out before $1. Rows: token_hash.
DELETE FROM auth_links WHERE token_hash IN (
    SELECT token_hash FROM auth_links WHERE expires_at < $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
RETURNING token_hash
