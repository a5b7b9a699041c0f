-- Statements of the registry of engine versions. Columns are named, never `*`: a column that a newer release adds would
-- break the prepared statements of the one that still runs.

-- name: list
-- Every version. For the cache at start.
SELECT version, image, digest, enabled, registered_at, options_schema, revision
FROM engine_versions

-- name: insert
-- $1 version, $2 image, $3 digest (null), $4 enabled. Rows: the version if it was new.
INSERT INTO engine_versions (version, image, digest, enabled) VALUES ($1, $2, $3, $4)
ON CONFLICT (version) DO NOTHING
RETURNING version, image, digest, enabled, registered_at, options_schema, revision

-- name: lock
-- $1 version.
SELECT version, image, digest, enabled, registered_at, options_schema, revision
FROM engine_versions WHERE version = $1 FOR UPDATE

-- name: set_options_schema
-- $1 version, $2 JSON Schema (null: nothing is known). Rows: the version, none where nothing changed.
UPDATE engine_versions SET options_schema = $2, updated_at = now(), revision = revision + 1
WHERE version = $1 AND options_schema IS DISTINCT FROM $2
RETURNING version, image, digest, enabled, registered_at, options_schema, revision

-- name: set_enabled
-- $1 version, $2 enabled. Rows: the version.
UPDATE engine_versions SET enabled = $2, updated_at = now(), revision = revision + 1
WHERE version = $1
RETURNING version, image, digest, enabled, registered_at, options_schema, revision
