-- Statements of runtime records and the operation log.

-- name: list_records
-- Every record. For the cache at start.
SELECT * FROM runtime_records

-- name: get_record
-- $1 game.
SELECT * FROM runtime_records WHERE game_id = $1

-- name: want_running
-- Makes the record, or wants the engine to run (again). $1 game, $2 engine version. Rows: the record.
INSERT INTO runtime_records (game_id, desired, status, engine_version)
VALUES ($1, 'running', 'stopped', $2)
ON CONFLICT (game_id) DO UPDATE
SET desired = 'running', updated_at = now(), revision = runtime_records.revision + 1,
    engine_version = CASE WHEN runtime_records.status = 'running' THEN runtime_records.engine_version ELSE $2 END
RETURNING *

-- name: want_version
-- Wants the engine to run, in that version. $1 game, $2 engine version. Rows: the record.
UPDATE runtime_records
SET desired = 'running', engine_version = $2, updated_at = now(), revision = revision + 1
WHERE game_id = $1
RETURNING *

-- name: forget_patches
-- A game's own version is the one that counts; another in the record is a patch that a dead backend did not finish.
UPDATE runtime_records r
SET engine_version = g.engine_version, updated_at = now(), revision = r.revision + 1
FROM games g
WHERE g.game_id = r.game_id AND g.engine_version <> r.engine_version

-- name: want_stopped
-- $1 game. Rows: the record, none where there is none.
UPDATE runtime_records SET desired = 'stopped', updated_at = now(), revision = revision + 1
WHERE game_id = $1
RETURNING *

-- name: list_unwanted
-- Games that are over, or whose start failed, and whose engine is still wanted: a backend died, or somebody cancelled, in
-- between. Rows: game_id.
SELECT r.game_id FROM runtime_records r JOIN games g USING (game_id)
WHERE r.desired = 'running' AND g.state IN ('cancelled', 'finished', 'start_failed')

-- name: note_starting
-- $1 game. Rows: the record.
UPDATE runtime_records
SET status = 'starting', restart_at = NULL, updated_at = now(), revision = revision + 1
WHERE game_id = $1
RETURNING *

-- name: note_running
-- $1 game, $2 container. The row of failures goes on until the engine has lived for a while. Rows: the record.
UPDATE runtime_records
SET status = 'running', detail = '', container_ref = $2, started_at = now(), restart_at = NULL, updated_at = now(),
    revision = revision + 1
WHERE game_id = $1
RETURNING *

-- name: note_adopted
-- As note_running for a container that was running before. $1 game, $2 container. Rows: the record.
UPDATE runtime_records
SET status = 'running', detail = '', container_ref = $2, started_at = coalesce(started_at, now()), restart_at = NULL,
    updated_at = now(), revision = revision + 1
WHERE game_id = $1
RETURNING *

-- name: note_down
-- A crash or a failed start. $1 game, $2 status, $3 detail, $4 failures in a row, $5 wait before the next start.
-- Rows: the record.
UPDATE runtime_records
SET status = $2, detail = $3, failures = $4, restart_at = now() + $5, container_ref = NULL, updated_at = now(),
    revision = revision + 1
WHERE game_id = $1
RETURNING *

-- name: note_stopped
-- $1 game, $2 detail. Rows: the record.
UPDATE runtime_records
SET status = 'stopped', detail = $2, container_ref = NULL, restart_at = NULL, updated_at = now(), revision = revision + 1
WHERE game_id = $1
RETURNING *

-- name: forget_containers
-- The containers ended with the process that owned them, which is no crash. Rows: nothing.
UPDATE runtime_records
SET status = 'stopped', container_ref = NULL, restart_at = NULL, updated_at = now(), revision = revision + 1
WHERE status IN ('running', 'starting')

-- name: set_skip
-- $1 game, $2 whether the next cron tick is passed over. Rows: the record.
UPDATE runtime_records SET skip_next_tick = $2, updated_at = now(), revision = revision + 1
WHERE game_id = $1
RETURNING *

-- name: insert_operation
-- $1 id, $2 game, $3 kind, $4 requested by.
INSERT INTO runtime_operation_log (operation_id, game_id, kind, requested_by) VALUES ($1, $2, $3, $4)

-- name: finish_operation
-- $1 id, $2 outcome, $3 error.
UPDATE runtime_operation_log SET finished_at = now(), outcome = $2, error = $3
WHERE operation_id = $1 AND finished_at IS NULL

-- name: abandon_operations
-- Operations that an earlier process began and never ended. Rows: how many, as the command's tag.
UPDATE runtime_operation_log
SET finished_at = now(), outcome = 'abandoned', error = 'the backend ended before the operation did'
WHERE finished_at IS NULL

-- name: list_operations
-- $1 game (null: all), $2 limit, $3 offset. Newest first.
SELECT *, count(*) OVER () AS total FROM runtime_operation_log
WHERE $1::uuid IS NULL OR game_id = $1
ORDER BY started_at DESC, operation_id DESC
LIMIT $2 OFFSET $3
