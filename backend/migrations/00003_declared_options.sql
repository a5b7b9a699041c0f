-- What an engine of a version says its games may be made with: the JSON Schema of its options, learned from `/v1/info` at each
-- start of a game on it. Null until the first.

ALTER TABLE engine_versions ADD COLUMN options_schema jsonb;
