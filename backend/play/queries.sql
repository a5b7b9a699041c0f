-- Statements of orders and the archive.

-- name: put_orders
-- New orders take a *final* mark back. $1 game, $2 turn, $3 player, $4 orders. Rows: the order set.
INSERT INTO orders (game_id, turn, player_id, orders) VALUES ($1, $2, $3, $4)
ON CONFLICT (game_id, turn, player_id) DO UPDATE SET orders = $4, final = false, stored_at = now()
RETURNING *

-- name: set_final
-- $1 game, $2 turn, $3 player, $4 final. Rows: the order set.
INSERT INTO orders (game_id, turn, player_id, final) VALUES ($1, $2, $3, $4)
ON CONFLICT (game_id, turn, player_id) DO UPDATE SET final = $4
RETURNING *

-- name: find_orders
-- $1 game, $2 turn, $3 player.
SELECT * FROM orders WHERE game_id = $1 AND turn = $2 AND player_id = $3

-- name: list_orders
-- $1 game, $2 turn.
SELECT * FROM orders WHERE game_id = $1 AND turn = $2

-- name: list_finals
-- Who is final for the coming turn. $1 games uuid[]. Rows: game_id, player_id.
SELECT o.game_id, o.player_id
FROM orders o JOIN game_clocks c ON c.game_id = o.game_id AND o.turn = c.current_turn + 1
WHERE o.game_id = ANY ($1) AND o.final

-- name: insert_inputs
-- $1 game, $2 turn, $3 request id, $4 cause, $5 body, $6 its sha256.
INSERT INTO turn_inputs (game_id, turn, request_id, cause, body_zlib, body_sha256) VALUES ($1, $2, $3, $4, $5, $6)

-- name: find_inputs
-- $1 game, $2 turn.
SELECT * FROM turn_inputs WHERE game_id = $1 AND turn = $2

-- name: has_inputs
-- $1 game, $2 turn.
SELECT EXISTS (SELECT FROM turn_inputs WHERE game_id = $1 AND turn = $2)

-- name: insert_turn
-- $1 game, $2 turn, $3 state hash, $4 engine version, $5 summary. Rows: the turn.
INSERT INTO turns (game_id, turn, state_hash, engine_version, summary) VALUES ($1, $2, $3, $4, $5) RETURNING *

-- name: insert_report
-- $1 game, $2 turn, $3 player, $4 JSON, $5 text, $6 sha256 of the JSON.
INSERT INTO reports (game_id, turn, player_id, json_zlib, text_zlib, json_sha256) VALUES ($1, $2, $3, $4, $5, $6)

-- name: insert_save
-- $1 game, $2 turn, $3 format, $4 sha256, $5 size, $6 data.
INSERT INTO saves (game_id, turn, save_format, sha256, size_bytes, data_zlib) VALUES ($1, $2, $3, $4, $5, $6)

-- name: last_turn
-- $1 game.
SELECT * FROM turns WHERE game_id = $1 ORDER BY turn DESC LIMIT 1

-- name: list_turns
-- $1 game, $2 limit, $3 offset. Newest first.
SELECT *, count(*) OVER () AS total FROM turns WHERE game_id = $1 ORDER BY turn DESC LIMIT $2 OFFSET $3

-- name: find_report_json
-- $1 game, $2 turn, $3 player. Rows: body.
SELECT json_zlib AS body FROM reports WHERE game_id = $1 AND turn = $2 AND player_id = $3

-- name: find_report_text
-- $1 game, $2 turn, $3 player. Rows: body.
SELECT text_zlib AS body FROM reports WHERE game_id = $1 AND turn = $2 AND player_id = $3

-- name: find_save
-- $1 game, $2 turn.
SELECT * FROM saves WHERE game_id = $1 AND turn = $2
