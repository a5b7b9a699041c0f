-- name: add
-- Adds requests of a user from a country; nothing for a user who is not there. $1 user, $2 country, $3 requests, $4 now.
INSERT INTO user_country_counters (user_id, country, requests, first_seen_at, last_seen_at)
SELECT a.user_id, $2, $3, $4, $4 FROM accounts a WHERE a.user_id = $1 AND a.status <> 'deleted'
ON CONFLICT (user_id, country) DO UPDATE
SET requests = user_country_counters.requests + excluded.requests, last_seen_at = excluded.last_seen_at
