-- name: list_all
-- Every account, for the cache. Rows: all columns of `accounts` that the model has.
SELECT user_id, email, display_name, locale, time_zone, status, declared_country, email_off, quiet_hours, created_at, version
FROM accounts

-- name: insert
-- Registers an account unless the address has one. $1 id, $2 email, $3 display name, $4 locale, $5 time zone, $6 country,
-- $7 now. At most one row, as `list_all`.
INSERT INTO accounts (user_id, email, display_name, locale, time_zone, status, declared_country, created_at)
VALUES ($1, $2, $3, $4, $5, 'active', $6, $7)
ON CONFLICT (email) WHERE email <> '' DO NOTHING
RETURNING user_id, email, display_name, locale, time_zone, status, declared_country, email_off, quiet_hours, created_at, version

-- name: lock_by_email
-- The account of an address, kept from changing. $1 email. At most one row, as `list_all`.
SELECT user_id, email, display_name, locale, time_zone, status, declared_country, email_off, quiet_hours, created_at, version
FROM accounts
WHERE email = $1
FOR UPDATE

-- name: lock
-- One account, kept from changing. $1 id. At most one row, as `list_all`.
SELECT user_id, email, display_name, locale, time_zone, status, declared_country, email_off, quiet_hours, created_at, version
FROM accounts
WHERE user_id = $1
FOR UPDATE

-- name: update
-- Changes what is not NULL. $1 id, $2 display name, $3 locale, $4 time zone. At most one row, as `list_all`.
UPDATE accounts
SET display_name = coalesce($2, display_name),
    locale = coalesce($3, locale),
    time_zone = coalesce($4, time_zone),
    version = version + 1
WHERE user_id = $1 AND status = 'active'
RETURNING user_id, email, display_name, locale, time_zone, status, declared_country, email_off, quiet_hours, created_at, version

-- name: set_preferences
-- Replaces the preferences. $1 id, $2 types switched off, $3 quiet hours or NULL. At most one row, as `list_all`.
UPDATE accounts
SET email_off = $2, quiet_hours = $3, version = version + 1
WHERE user_id = $1 AND status <> 'deleted'
RETURNING user_id, email, display_name, locale, time_zone, status, declared_country, email_off, quiet_hours, created_at, version

-- name: set_blocked
-- Blocks an account or lets it act again. $1 id, $2 status, active or blocked. At most one row, as `list_all`: none where it
-- stands so already or is deleted.
UPDATE accounts SET status = $2, version = version + 1
WHERE user_id = $1 AND status NOT IN ('deleted', $2)
RETURNING user_id, email, display_name, locale, time_zone, status, declared_country, email_off, quiet_hours, created_at, version

-- name: delete
-- Empties an account for good; its id stays, because games remember it. $1 id, $2 now. At most one row, as `list_all`.
UPDATE accounts
SET status = 'deleted',
    deleted_at = $2,
    email = '',
    display_name = 'Deleted player',
    email_off = '{}',
    quiet_hours = NULL,
    declared_country = NULL,
    version = version + 1
WHERE user_id = $1 AND status <> 'deleted'
RETURNING user_id, email, display_name, locale, time_zone, status, declared_country, email_off, quiet_hours, created_at, version

-- name: delete_countries
-- Forgets where a user's requests came from. $1 id.
DELETE FROM user_country_counters WHERE user_id = $1

-- name: list_countries
-- Where a user's requests came from. $1 id. Rows: country, requests, first_seen_at, last_seen_at.
SELECT country, requests, first_seen_at, last_seen_at
FROM user_country_counters
WHERE user_id = $1
ORDER BY country
