-- Statements of the registry of engine versions.

-- name: list
-- Every version. For the cache at start.
SELECT * FROM engine_versions

-- name: insert
-- $1 version, $2 image, $3 digest (null), $4 enabled. Rows: the version if it was new.
INSERT INTO engine_versions (version, image, digest, enabled) VALUES ($1, $2, $3, $4)
ON CONFLICT (version) DO NOTHING
RETURNING *

-- name: lock
-- $1 version.
SELECT * FROM engine_versions WHERE version = $1 FOR UPDATE

-- name: set_options_schema
-- $1 version, $2 JSON Schema. Rows: the version, none where nothing changed.
UPDATE engine_versions SET options_schema = $2, updated_at = now(), revision = revision + 1
WHERE version = $1 AND options_schema IS DISTINCT FROM $2
RETURNING *

-- name: set_enabled
-- $1 version, $2 enabled. Rows: the version.
UPDATE engine_versions SET enabled = $2, updated_at = now(), revision = revision + 1
WHERE version = $1
RETURNING *
