-- The lobby's statements. A use case locks the row of `games` first; everything about one game happens under that lock, so two
-- approvals of the last seat meet there.

-- name: list_games
-- Every game, without its members. For the cache at start.
SELECT * FROM games ORDER BY created_at

-- name: list_members
-- Every seat of every game, by seat. For the cache at start.
SELECT * FROM memberships ORDER BY game_id, seat

-- name: get_game
-- $1 game. One row or none.
SELECT * FROM games WHERE game_id = $1

-- name: lock_game
-- As get_game, held until the transaction ends. $1 game.
SELECT * FROM games WHERE game_id = $1 FOR UPDATE

-- name: members_of
-- $1 game. By seat.
SELECT * FROM memberships WHERE game_id = $1 ORDER BY seat

-- name: serialise_owner
-- Makes one owner's new games, or invites, wait for each other until the transaction ends. $1 owner.
SELECT pg_advisory_xact_lock(hashtextextended('lobby:owner:' || $1::text, 0))

-- name: count_unfinished
-- $1 owner. Their games that are not over.
SELECT count(*) FROM games WHERE owner_id = $1 AND finished_at IS NULL

-- name: insert_game
-- $1 id, $2 owner, $3 name, $4 visibility, $5 state, $6 min players, $7 max players, $8 start gap hours, $9 start gap
-- players, $10 enrolment ends at, $11 schedule kind, $12 cron, $13 time zone, $14 period, $15 early turn, $16 missed-turn
-- policy, $17 first-turn allowance hours, $18 engine version, $19 engine options, $20 bots, $21 seed.
INSERT INTO games (game_id, owner_id, name, visibility, state, min_players, max_players, start_gap_hours,
                   start_gap_players, enrollment_ends_at, schedule_kind, cron, time_zone, period, early_turn,
                   missed_turn_policy, first_turn_allowance_hours, engine_version, engine_options, bots, seed)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)

-- name: set_state
-- $1 game, $2 state, $3 reason. The first entry into play sets started_at, the end finished_at.
UPDATE games
SET state = $2, state_reason = $3, updated_at = now(), revision = revision + 1,
    started_at = CASE WHEN $2 = 'running' THEN coalesce(started_at, now()) ELSE started_at END,
    finished_at = CASE WHEN $2 IN ('finished', 'cancelled') THEN now() ELSE finished_at END
WHERE game_id = $1

-- name: set_engine_version
-- $1 game, $2 engine version.
UPDATE games SET engine_version = $2, updated_at = now(), revision = revision + 1 WHERE game_id = $1

-- name: begin_gap
-- $1 game, $2 length of the start gap.
UPDATE games SET gap_ends_at = now() + $2, revision = revision + 1, updated_at = now() WHERE game_id = $1

-- name: touch_game
-- Counts a change of its members. $1 game.
UPDATE games SET revision = revision + 1, updated_at = now() WHERE game_id = $1

-- name: insert_member
-- Takes the lowest free seat. $1 game, $2 player id, $3 user (null: the computer), $4 race name, $5 computer level, $6 status.
INSERT INTO memberships (game_id, player_id, user_id, race_name, computer_level, status, seat)
SELECT $1, $2, $3, $4, $5, $6,
       (SELECT min(free) FROM generate_series(1, 1 + (SELECT count(*) FROM memberships WHERE game_id = $1)) AS free
        WHERE free NOT IN (SELECT seat FROM memberships WHERE game_id = $1))

-- name: delete_member
-- $1 game, $2 player id.
DELETE FROM memberships WHERE game_id = $1 AND player_id = $2

-- name: set_member_status
-- $1 game, $2 player ids text[], $3 statuses text[]. Only what differs is written.
UPDATE memberships m
SET status = told.status
FROM unnest($2::text[], $3::text[]) AS told (player_id, status)
WHERE m.game_id = $1 AND m.player_id = told.player_id AND m.status <> told.status

-- name: insert_application
-- $1 id, $2 game, $3 user, $4 race name. Rows: the application.
INSERT INTO applications (application_id, game_id, user_id, race_name, status)
VALUES ($1, $2, $3, $4, 'pending')
RETURNING *

-- name: count_applications
-- Those of one person to a game, whatever came of them. $1 game, $2 user.
SELECT count(*) FROM applications WHERE game_id = $1 AND user_id = $2

-- name: lock_application
-- $1 application, $2 game.
SELECT * FROM applications WHERE application_id = $1 AND game_id = $2 FOR UPDATE

-- name: decide_application
-- $1 application, $2 status. Rows: the application.
UPDATE applications SET status = $2, decided_at = now() WHERE application_id = $1 RETURNING *

-- name: withdraw_applications
-- $1 game, $2 user. Ends whatever application of theirs is waiting or was approved.
UPDATE applications SET status = 'withdrawn', decided_at = coalesce(decided_at, now())
WHERE game_id = $1 AND user_id = $2 AND status IN ('pending', 'approved')

-- name: withdraw_pending
-- $1 user. Ends whatever waits of theirs, in any game. Rows: game_id.
UPDATE applications SET status = 'withdrawn', decided_at = now() WHERE user_id = $1 AND status = 'pending' RETURNING game_id

-- name: find_open_application
-- $1 game, $2 user. The waiting one, or none.
SELECT * FROM applications WHERE game_id = $1 AND user_id = $2 AND status = 'pending'

-- name: last_applications
-- $1 games uuid[], $2 user. The latest application of that person to each game.
SELECT DISTINCT ON (game_id) * FROM applications
WHERE game_id = ANY ($1) AND user_id = $2
ORDER BY game_id, created_at DESC

-- name: list_applications
-- $1 game, $2 limit, $3 offset. Waiting ones first, each oldest first.
SELECT *, count(*) OVER () AS total FROM applications
WHERE game_id = $1
ORDER BY status <> 'pending', created_at, application_id
LIMIT $2 OFFSET $3

-- name: count_invites_to
-- Those of one inviter to one person within a day, to any game. $1 inviter, $2 invitee (null), $3 address (null).
SELECT count(*) FROM invites
WHERE inviter_id = $1 AND (invitee_id = $2 OR invitee_email = $3) AND created_at > now() - interval '1 day'

-- name: insert_invite
-- $1 id, $2 game, $3 inviter, $4 invitee (null), $5 address (null). Rows: the invite.
INSERT INTO invites (invite_id, game_id, inviter_id, invitee_id, invitee_email, status)
VALUES ($1, $2, $3, $4, $5, 'open')
RETURNING *

-- name: find_invite
-- $1 invite.
SELECT * FROM invites WHERE invite_id = $1

-- name: lock_invite
-- $1 invite.
SELECT * FROM invites WHERE invite_id = $1 FOR UPDATE

-- name: decide_invite
-- $1 invite, $2 status, $3 who answered. Rows: the invite.
UPDATE invites SET status = $2, invitee_id = $3, invitee_email = NULL, decided_at = now()
WHERE invite_id = $1
RETURNING *

-- name: withdraw_invites
-- $1 inviter. Takes away what nobody has answered, in any game. Rows: the invites.
DELETE FROM invites WHERE inviter_id = $1 AND status = 'open' RETURNING *

-- name: list_invites
-- Those sent to a person. $1 user, $2 their address, $3 limit, $4 offset. Open ones first, each newest first.
SELECT *, count(*) OVER () AS total FROM invites
WHERE invitee_id = $1 OR invitee_email = $2
ORDER BY status <> 'open', created_at DESC, invite_id
LIMIT $3 OFFSET $4

-- name: is_invited
-- Whether an open invite lets a person see a game. $1 game, $2 user, $3 their address.
SELECT EXISTS (SELECT FROM invites WHERE game_id = $1 AND status = 'open' AND (invitee_id = $2 OR invitee_email = $3))

-- name: list_enrollment_over
-- Games whose enrolment time has decided on: its end or the start gap has passed, or the gap's seats are taken.
-- Rows: game_id, now.
SELECT g.game_id, now() AS now FROM games g
WHERE g.finished_at IS NULL
  AND g.state IN ('enrollment_open', 'ready_to_start')
  AND (g.enrollment_ends_at <= now() OR g.gap_ends_at <= now()
       OR (g.gap_ends_at IS NOT NULL
           AND (SELECT count(*) FROM memberships m WHERE m.game_id = g.game_id AND m.user_id IS NOT NULL)
               >= g.max_players + g.start_gap_players))

-- name: list_in_state
-- $1 state. Rows: game_id, oldest change first.
SELECT game_id FROM games WHERE state = $1 ORDER BY updated_at
