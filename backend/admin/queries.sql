-- name: list_operators
-- Every operator, for the cache. Rows: all columns.
SELECT operator_id, login, password_hash, role, totp_secret_sealed, totp_enabled, totp_last_step, failures, locked_until,
       disabled, created_at, version
FROM operators

-- name: insert_operator
-- Makes an operator unless the login is taken. $1 id, $2 login, $3 password hash, $4 role, $5 now. At most one row.
INSERT INTO operators (operator_id, login, password_hash, role, created_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (login) DO NOTHING
RETURNING operator_id, login, password_hash, role, totp_secret_sealed, totp_enabled, totp_last_step, failures, locked_until,
          disabled, created_at, version

-- name: note_failure
-- Counts a wrong password; the $2-th in a row locks the operator out until $3. $1 id. One row.
UPDATE operators
SET failures = CASE WHEN failures + 1 >= $2 THEN 0 ELSE failures + 1 END,
    locked_until = CASE WHEN failures + 1 >= $2 THEN $3::timestamptz ELSE locked_until END,
    version = version + 1
WHERE operator_id = $1
RETURNING operator_id, login, password_hash, role, totp_secret_sealed, totp_enabled, totp_last_step, failures, locked_until,
          disabled, created_at, version

-- name: note_success
-- Forgets failures and uses the code's step up. $1 id, $2 step (0: no code). No row where a code of that step was used already.
UPDATE operators
SET failures = 0, locked_until = NULL, totp_last_step = greatest(totp_last_step, $2), version = version + 1
WHERE operator_id = $1 AND ($2 = 0 OR totp_last_step < $2)
RETURNING operator_id, login, password_hash, role, totp_secret_sealed, totp_enabled, totp_last_step, failures, locked_until,
          disabled, created_at, version

-- name: set_password
-- $1 id, $2 password hash. One row.
UPDATE operators SET password_hash = $2, version = version + 1 WHERE operator_id = $1
RETURNING operator_id, login, password_hash, role, totp_secret_sealed, totp_enabled, totp_last_step, failures, locked_until,
          disabled, created_at, version

-- name: begin_totp
-- Keeps a secret that is not asked for yet. $1 id, $2 sealed secret. No row where codes are asked for already.
UPDATE operators SET totp_secret_sealed = $2, version = version + 1 WHERE operator_id = $1 AND NOT totp_enabled
RETURNING operator_id, login, password_hash, role, totp_secret_sealed, totp_enabled, totp_last_step, failures, locked_until,
          disabled, created_at, version

-- name: enable_totp
-- From now on codes are asked for. $1 id, $2 step of the code that proved it. No row where that step was used already.
UPDATE operators SET totp_enabled = true, totp_last_step = $2, version = version + 1
WHERE operator_id = $1 AND totp_secret_sealed IS NOT NULL AND totp_last_step < $2
RETURNING operator_id, login, password_hash, role, totp_secret_sealed, totp_enabled, totp_last_step, failures, locked_until,
          disabled, created_at, version

-- name: disable_totp
-- $1 id. One row.
UPDATE operators SET totp_enabled = false, totp_secret_sealed = NULL, version = version + 1 WHERE operator_id = $1
RETURNING operator_id, login, password_hash, role, totp_secret_sealed, totp_enabled, totp_last_step, failures, locked_until,
          disabled, created_at, version

-- name: lock_owners
-- Active owners, kept from changing, so that two cannot remove each other. Rows: operator_id.
SELECT operator_id FROM operators WHERE role = 'owner' AND NOT disabled ORDER BY operator_id FOR UPDATE

-- name: change_operator
-- Changes what is not NULL. $1 id, $2 role, $3 disabled. One row.
UPDATE operators SET role = coalesce($2, role), disabled = coalesce($3, disabled), version = version + 1
WHERE operator_id = $1
RETURNING operator_id, login, password_hash, role, totp_secret_sealed, totp_enabled, totp_last_step, failures, locked_until,
          disabled, created_at, version

-- name: insert_session
-- $1 token hash, $2 operator, $3 now, $4 expires at.
INSERT INTO operator_sessions (token_hash, operator_id, created_at, last_used_at, expires_at) VALUES ($1, $2, $3, $3, $4)

-- name: find_session
-- A session that is neither too old nor idle. $1 token hash, $2 now, $3 oldest last use. At most one row:
-- operator_id, last_used_at.
SELECT operator_id, last_used_at FROM operator_sessions WHERE token_hash = $1 AND expires_at > $2 AND last_used_at > $3

-- name: note_use
-- $1 token hash, $2 now.
UPDATE operator_sessions SET last_used_at = greatest(last_used_at, $2) WHERE token_hash = $1

-- name: end_session
-- $1 token hash.
DELETE FROM operator_sessions WHERE token_hash = $1

-- name: end_sessions_of
-- Ends an operator's sessions but one. $1 operator, $2 token hash to keep (empty: none).
DELETE FROM operator_sessions WHERE operator_id = $1 AND token_hash <> $2

-- name: forget_sessions
-- Deletes sessions that are over: $1 now, $2 oldest last use.
DELETE FROM operator_sessions WHERE expires_at <= $1 OR last_used_at <= $2

-- name: insert_audit
-- $1 id, $2 operator or NULL, $3 login, $4 action, $5 target, $6 details jsonb, $7 request id, $8 now.
INSERT INTO audit_log (id, operator_id, login, action, target, details, request_id, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: list_audit
-- Newest first. $1 limit, $2 offset. Rows: all columns.
SELECT id, operator_id, login, action, target, details, request_id, at
FROM audit_log
ORDER BY at DESC, id DESC
LIMIT $1 OFFSET $2

-- name: count_audit
-- One bigint.
SELECT count(*) FROM audit_log
