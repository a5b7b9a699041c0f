-- Records and what keeps intents single.

-- name: insert_keys
-- Takes the keys of intents. $1 producers, $2 types, $3 keys text[], $4 record ids uuid[], $5 hashes bytea[].
-- Rows: record_id of each key not seen before.
INSERT INTO idempotency_keys (producer, notification_type, idempotency_key, record_id, body_hash)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::bytea[])
ON CONFLICT DO NOTHING
RETURNING record_id

-- name: list_keys
-- What is known of keys. $1 producers, $2 types, $3 keys. Rows: producer, notification_type, idempotency_key, body_hash.
SELECT k.producer, k.notification_type, k.idempotency_key, k.body_hash
FROM idempotency_keys k
JOIN unnest($1::text[], $2::text[], $3::text[]) AS t (producer, notification_type, idempotency_key)
    USING (producer, notification_type, idempotency_key)

-- name: insert_conflicts
-- Records intents that came again with another body. $1 producers, $2 types, $3 keys, $4 hashes, $5 stream ids.
INSERT INTO idempotency_conflicts (producer, notification_type, idempotency_key, body_hash, stream_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[])
ON CONFLICT DO NOTHING

-- name: insert_records
-- $1 record ids, $2 producers, $3 types, $4 keys, $5 audiences, $6 recipients as JSON text[] (the driver would take a list of
-- lists for one array of two dimensions), $7 payloads jsonb[], $8 occurred_at, $9 stream ids, $10 request ids, $11 trace ids.
INSERT INTO records (record_id, producer, notification_type, idempotency_key, audience_kind, recipient_user_ids, payload,
                     occurred_at, stream_id, request_id, trace_id)
SELECT record_id, producer, notification_type, idempotency_key, audience_kind, recipients::jsonb, payload, occurred_at,
       stream_id, request_id, trace_id
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[], $8::timestamptz[],
            $9::text[], $10::text[], $11::text[])
    AS t (record_id, producer, notification_type, idempotency_key, audience_kind, recipients, payload, occurred_at, stream_id,
          request_id, trace_id)

-- name: insert_malformed
-- Keeps a bad intent. $1 stream id, $2 raw bytes, $3 reason, $4 its type and $5 producer as far as they can be read.
INSERT INTO malformed_intents (stream_id, raw, reason, notification_type, producer)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
