-- The reader's page. Its table, made by the service's own migration:
--   CREATE TABLE stream_offsets (stream text PRIMARY KEY, epoch int NOT NULL, last_id text NOT NULL,
--       accounted bigint NOT NULL, lost bigint NOT NULL, seen bigint NOT NULL, updated_at timestamptz NOT NULL)

-- name: get_offset
-- $1 stream. One row or none: epoch, last_id, accounted, lost, seen.
SELECT epoch, last_id, accounted, lost, seen FROM stream_offsets WHERE stream = $1

-- name: put_offset
-- Moves the offset on from the very place where the reader believes it to be; first statement of its transaction, so that of
-- two readers the second waits here and then finds that it came too late.
-- $1 stream, $2 epoch, $3 last_id, $4 accounted, $5 lost, $6 seen; from $7 epoch, $8 last_id, $9 accounted.
-- One row, or none when the offset stands elsewhere.
INSERT INTO stream_offsets AS o (stream, epoch, last_id, accounted, lost, seen, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, now())
ON CONFLICT (stream) DO UPDATE
SET epoch = excluded.epoch, last_id = excluded.last_id, accounted = excluded.accounted, lost = excluded.lost,
    seen = excluded.seen, updated_at = excluded.updated_at
WHERE o.epoch = $7 AND o.last_id = $8 AND o.accounted = $9
RETURNING 1

-- name: try_lead
-- One reader a stream among replicas, for as long as this session lives. $1 key. One row: bool.
SELECT pg_try_advisory_lock($1)
