-- The statements of one lane; {table} is filled in once, when the worker is built.
--
-- Rows are named by arrays of ids, not by a join alone: the planner guesses that a batch is a large part of the table and
-- would read all of it for each.
--
-- A lane's table has, beside its own payload columns:
--   id uuid PRIMARY KEY, lane text NOT NULL, state text NOT NULL,
--   next_at timestamptz NOT NULL, claim_token uuid, leased_until timestamptz,
--   attempt_no int NOT NULL DEFAULT 0, attempts_left_from int NOT NULL DEFAULT 0,
--   last_error_classification text, last_error text,
--   created_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz
-- and an index on (lane, next_at, id) WHERE finished_at IS NULL.
-- Its history {table}_attempts has:
--   entry_id uuid, attempt_no int, claim_token uuid, started_at timestamptz, finished_at timestamptz,
--   outcome text ('started', 'delivered', 'refused', 'unknown', 'dead'), classification text, error text,
--   PRIMARY KEY (entry_id, attempt_no)

-- name: claim
-- Claims due entries and writes their attempts. An entry whose lease ran out is due again; the attempt that held it is
-- marked unknown, since nobody can say how far it came.
-- $1 waiting states text[], $2 leased state, $3 batch, $4 lease interval, $5 token uuid, $6 lane,
-- $7 and $8 low-water mark (next_at, id): rows up to it are not looked at.
-- Rows: id, attempt_no, series_attempt, created_at, next_at (before the claim), in the order of the mark.
WITH due AS (
    SELECT id, attempt_no, claim_token
    FROM {table}
    WHERE finished_at IS NULL
      AND lane = $6
      AND next_at <= now()
      AND (next_at, id) > ($7, $8::uuid)
      AND (state = ANY ($1::text[]) OR state = $2)
      AND (leased_until IS NULL OR leased_until <= now())
    ORDER BY next_at, id
    LIMIT $3
    FOR UPDATE SKIP LOCKED
), abandoned AS (
    UPDATE {table}_attempts a
    SET outcome = 'unknown', classification = 'lease_expired', finished_at = now()
    FROM due
    WHERE due.claim_token IS NOT NULL
      AND a.entry_id = due.id
      AND a.attempt_no = due.attempt_no
      AND a.outcome = 'started'
), claimed AS (
    UPDATE {table} t
    SET state = $2, claim_token = $5, leased_until = now() + $4, attempt_no = t.attempt_no + 1
    WHERE t.id = ANY (ARRAY(SELECT id FROM due))
    RETURNING t.id, t.attempt_no, t.attempt_no - t.attempts_left_from AS series_attempt, t.created_at, t.next_at
), history AS (
    INSERT INTO {table}_attempts (entry_id, attempt_no, claim_token, started_at, outcome)
    SELECT id, attempt_no, $5, now(), 'started' FROM claimed
)
SELECT id, attempt_no, series_attempt, created_at, next_at FROM claimed ORDER BY next_at, id

-- name: complete
-- Ends attempts, each guarded by its token: a claim that was lost meanwhile changes no row, nor its history.
-- $1 jsonb, a list of {id, token, state, outcome, classification, error, wait_seconds, final}. Rows: id of each entry that was
-- still ours.
WITH told AS (
    SELECT *
    FROM jsonb_to_recordset($1)
        AS t (id uuid, token uuid, state text, outcome text, classification text, error text, wait_seconds float8, final bool)
), ours AS (
    UPDATE {table} e
    SET state = told.state,
        claim_token = NULL,
        leased_until = NULL,
        next_at = now() + make_interval(secs => told.wait_seconds),
        last_error_classification = told.classification,
        last_error = CASE WHEN told.outcome <> 'delivered' THEN told.error END,
        finished_at = CASE WHEN told.final THEN now() END
    FROM told
    WHERE e.id = ANY (ARRAY(SELECT id FROM told)) AND e.id = told.id AND e.claim_token = told.token
    RETURNING e.id, e.attempt_no, told.token
), history AS (
    UPDATE {table}_attempts a
    SET outcome = told.outcome, classification = told.classification, error = told.error, finished_at = now()
    FROM ours JOIN told ON told.id = ours.id AND told.token = ours.token
    WHERE a.entry_id = ours.id AND a.attempt_no = ours.attempt_no
)
SELECT id FROM ours

-- name: release
-- Gives claims back untried, as if they had never been made: what was not attempted has no place in the history, or a
-- transport that is away for a night would fill it.
-- $1 ids uuid[], $2 token, $3 state of an entry never refused in this series, $4 state of one that was. Rows: id.
WITH ours AS (
    UPDATE {table} e
    SET state = CASE WHEN e.attempt_no - 1 > e.attempts_left_from THEN $4 ELSE $3 END,
        claim_token = NULL,
        leased_until = NULL,
        attempt_no = e.attempt_no - 1
    WHERE e.id = ANY ($1::uuid[]) AND e.claim_token = $2
    RETURNING e.id, e.attempt_no + 1 AS attempt_no
), history AS (
    DELETE FROM {table}_attempts a
    USING ours
    WHERE a.entry_id = ours.id AND a.attempt_no = ours.attempt_no
)
SELECT id FROM ours

-- name: still_ours
-- Which of these claims still have more than $3 of their lease. $1 ids uuid[], $2 token, $3 interval. Rows: id.
SELECT id FROM {table} WHERE id = ANY ($1::uuid[]) AND claim_token = $2 AND leased_until > now() + $3

-- name: depth
-- What waits in lane $1. One row: depth, oldest_age_ms (0 when nothing waits).
SELECT count(*) AS depth,
       coalesce(extract(epoch FROM now() - min(created_at)) * 1000, 0)::bigint AS oldest_age_ms
FROM {table}
WHERE finished_at IS NULL AND lane = $1
