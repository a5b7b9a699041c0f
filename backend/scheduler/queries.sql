-- The scheduler's statements. Due games are found by one look over clocks, games, seats and orders together: they live in
-- one schema, and asking room by room would race with players who mark their orders.

-- name: insert_clock
-- Starts the clock of a game. $1 game, $2 current turn, $3 next turn at.
INSERT INTO game_clocks (game_id, current_turn, next_turn_at) VALUES ($1, $2, $3)

-- name: get_clock
-- $1 game. One row or none.
SELECT c.game_id, c.current_turn, c.next_turn_at, c.remaining, c.forced, c.failures,
       coalesce(r.skip_next_tick, false) AS skip_next_tick
FROM game_clocks c LEFT JOIN runtime_records r USING (game_id)
WHERE c.game_id = $1

-- name: lock_clock
-- As get_clock, and keeps everybody else from changing the clock or the orders of its turn until the transaction ends.
-- $1 game.
SELECT c.game_id, c.current_turn, c.next_turn_at, c.remaining, c.forced, c.failures,
       coalesce((SELECT r.skip_next_tick FROM runtime_records r WHERE r.game_id = c.game_id), false) AS skip_next_tick
FROM game_clocks c
WHERE c.game_id = $1
FOR UPDATE OF c

-- name: share_clock
-- As get_clock, and keeps the clock from moving on until the transaction ends; others may share. $1 game.
SELECT c.game_id, c.current_turn, c.next_turn_at, c.remaining, c.forced, c.failures,
       coalesce((SELECT r.skip_next_tick FROM runtime_records r WHERE r.game_id = c.game_id), false) AS skip_next_tick
FROM game_clocks c
WHERE c.game_id = $1
FOR SHARE OF c

-- name: list_clocks
-- $1 games uuid[].
SELECT c.game_id, c.current_turn, c.next_turn_at, c.remaining, c.forced, c.failures,
       coalesce(r.skip_next_tick, false) AS skip_next_tick
FROM game_clocks c LEFT JOIN runtime_records r USING (game_id)
WHERE c.game_id = ANY ($1)

-- name: list_running_clocks
-- Clocks of running games that have a deadline, locked, for moving them after an outage. Games whose next turn was begun
-- are left out: their inputs stand and the turn will be finished, not moved.
SELECT c.game_id, c.current_turn, c.next_turn_at, g.schedule_kind, g.cron, g.time_zone, g.period
FROM game_clocks c JOIN games g USING (game_id)
WHERE g.state = 'running' AND c.next_turn_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM turn_inputs i WHERE i.game_id = c.game_id AND i.turn = c.current_turn + 1)
FOR UPDATE OF c

-- name: advance_clock
-- After a turn. $1 game, $2 the turn published, $3 next turn at (null: none follows).
UPDATE game_clocks
SET current_turn = $2, next_turn_at = $3, remaining = NULL, forced = false, failures = 0, retry_at = NULL
WHERE game_id = $1

-- name: move_deadline
-- $1 game, $2 next turn at.
UPDATE game_clocks SET next_turn_at = $2 WHERE game_id = $1

-- name: stop_clock
-- Pauses: keeps what is left of the turn, nothing at least. $1 game.
UPDATE game_clocks
SET remaining = greatest(next_turn_at - now(), interval '0'), next_turn_at = NULL, forced = false
WHERE game_id = $1 AND next_turn_at IS NOT NULL

-- name: restart_clock
-- Resumes. $1 game, $2 next turn at.
UPDATE game_clocks SET next_turn_at = $2, remaining = NULL, failures = 0, retry_at = NULL WHERE game_id = $1

-- name: force_turn
-- $1 game.
UPDATE game_clocks SET forced = true, retry_at = NULL WHERE game_id = $1

-- name: note_failure
-- Counts a failed try; the next may be after a wait that doubles with each. $1 game, $2 first wait. Rows: failures.
UPDATE game_clocks SET failures = failures + 1, retry_at = now() + $2::interval * power(2, least(failures, 10))
WHERE game_id = $1
RETURNING failures

-- name: put_off
-- Sets when the next try may be without counting one. $1 game, $2 wait.
UPDATE game_clocks SET retry_at = now() + $2 WHERE game_id = $1

-- name: list_due
-- Running games whose next turn should be generated now: begun before, forced, past the deadline, or with everybody who
-- decides being final; whoever is blocked or gone cannot decide and is not waited for. $1 only this game (null: all). Rows: game_id, turn, cause, owner_id, in the order of deadlines.
SELECT c.game_id, g.owner_id, c.current_turn + 1 AS turn,
       coalesce(i.cause, CASE WHEN c.forced THEN 'forced' WHEN c.next_turn_at <= now() THEN 'deadline' ELSE 'early' END)
           AS cause
FROM game_clocks c
JOIN games g USING (game_id)
LEFT JOIN turn_inputs i ON i.game_id = c.game_id AND i.turn = c.current_turn + 1
WHERE g.state = 'running'
  AND c.next_turn_at IS NOT NULL
  AND ($1::uuid IS NULL OR c.game_id = $1)
  AND (c.retry_at IS NULL OR c.retry_at <= now())
  AND (i.game_id IS NOT NULL
       OR c.forced
       OR c.next_turn_at <= now()
       OR (g.early_turn
           AND EXISTS (SELECT FROM memberships m JOIN accounts a USING (user_id)
                       WHERE m.game_id = c.game_id AND m.status = 'active' AND a.status = 'active')
           AND NOT EXISTS (SELECT FROM memberships m JOIN accounts a USING (user_id)
                           LEFT JOIN orders o ON o.game_id = m.game_id AND o.player_id = m.player_id
                                              AND o.turn = c.current_turn + 1
                           WHERE m.game_id = c.game_id AND m.status = 'active' AND a.status = 'active'
                             AND o.final IS NOT TRUE)))
ORDER BY c.next_turn_at

-- name: insert_move
-- $1 id, $2 game, $3 turn, $4 from, $5 to, $6 reason.
INSERT INTO deadline_moves (move_id, game_id, turn, from_at, to_at, reason) VALUES ($1, $2, $3, $4, $5, $6)

-- name: list_moves
-- $1 game. Newest first.
SELECT game_id, turn, from_at, to_at, reason FROM deadline_moves WHERE game_id = $1 ORDER BY moved_at DESC LIMIT 100

-- name: beat
-- Notes that the scheduler looked; rows: now, and when it last did before (null the first time).
WITH before AS (SELECT seen_at FROM scheduler_heartbeat), beat AS (
    INSERT INTO scheduler_heartbeat (seen_at) VALUES (now())
    ON CONFLICT (one) DO UPDATE SET seen_at = now()
)
SELECT now() AS now, (SELECT seen_at FROM before) AS seen_at
