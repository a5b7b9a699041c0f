-- The notification service's tables: records with their routes and attempts, dead letters, what was refused at the door, the
-- stream's offset.

CREATE TABLE records (
    record_id uuid PRIMARY KEY,
    producer text NOT NULL,
    notification_type text NOT NULL,
    idempotency_key text NOT NULL,
    audience_kind text NOT NULL CHECK (audience_kind IN ('user', 'admin')),
    recipient_user_ids jsonb NOT NULL,
    payload jsonb NOT NULL,
    occurred_at timestamptz NOT NULL,
    accepted_at timestamptz NOT NULL DEFAULT now(),
    stream_id text NOT NULL,
    request_id text NOT NULL DEFAULT '',
    trace_id text NOT NULL DEFAULT '',
    UNIQUE (producer, notification_type, idempotency_key)
);
CREATE INDEX records_old ON records (accepted_at);

-- Outlives the records: an intent repeated years later is still the same intent.
CREATE TABLE idempotency_keys (
    producer text NOT NULL,
    notification_type text NOT NULL,
    idempotency_key text NOT NULL,
    record_id uuid NOT NULL,
    body_hash bytea NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (producer, notification_type, idempotency_key)
);

-- Intents that came again under a known key with another body: the first one won.
CREATE TABLE idempotency_conflicts (
    producer text NOT NULL,
    notification_type text NOT NULL,
    idempotency_key text NOT NULL,
    body_hash bytea NOT NULL,
    stream_id text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (producer, notification_type, idempotency_key, body_hash)
);
CREATE INDEX idempotency_conflicts_old ON idempotency_conflicts (seen_at);

CREATE TABLE routes (
    -- The claim, as kit.outbox wants it; the lane is the channel.
    id uuid PRIMARY KEY,
    lane text NOT NULL CHECK (lane IN ('push', 'email')),
    state text NOT NULL CHECK (state IN ('pending', 'failed', 'published', 'dead_letter', 'skipped')),
    next_at timestamptz NOT NULL DEFAULT now(),
    claim_token uuid,
    leased_until timestamptz,
    attempt_no int NOT NULL DEFAULT 0 CHECK (attempt_no >= 0),
    attempts_left_from int NOT NULL DEFAULT 0 CHECK (attempts_left_from BETWEEN 0 AND attempt_no),
    last_error_classification text,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    -- The route.
    record_id uuid NOT NULL REFERENCES records (record_id) ON DELETE CASCADE,
    route_id text NOT NULL CHECK (route_id ~ '^(push|email|config):.+$'),
    user_id uuid,
    address text,
    locale text NOT NULL,
    time_zone text NOT NULL,
    display_name text NOT NULL,
    unsubscribe_url text NOT NULL,
    skip_reason text CHECK (skip_reason IN ('user_deleted', 'email_off', 'no_address', 'no_admin_address')),
    UNIQUE (record_id, route_id),
    CONSTRAINT final_means_finished
        CHECK ((state IN ('published', 'dead_letter', 'skipped')) = (finished_at IS NOT NULL)),
    CONSTRAINT claimed_means_leased CHECK ((claim_token IS NULL) = (leased_until IS NULL)),
    CONSTRAINT final_means_unclaimed CHECK (finished_at IS NULL OR claim_token IS NULL),
    CONSTRAINT skipped_means_reason CHECK ((state = 'skipped') = (skip_reason IS NOT NULL)),
    CONSTRAINT open_mail_has_address CHECK (lane <> 'email' OR finished_at IS NOT NULL OR address IS NOT NULL)
);
CREATE INDEX routes_due ON routes (lane, next_at, id) WHERE finished_at IS NULL;
CREATE INDEX routes_of_user ON routes (user_id) WHERE user_id IS NOT NULL;

-- Append-only: one row an attempt over the whole life of a route.
CREATE TABLE routes_attempts (
    entry_id uuid NOT NULL REFERENCES routes (id) ON DELETE CASCADE,
    attempt_no int NOT NULL CHECK (attempt_no > 0),
    claim_token uuid NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    outcome text NOT NULL CHECK (outcome IN ('started', 'delivered', 'refused', 'unknown', 'dead')),
    classification text,
    error text,
    PRIMARY KEY (entry_id, attempt_no),
    CONSTRAINT ended_means_finished CHECK ((outcome = 'started') = (finished_at IS NULL))
);

-- One row a route that was given up; written by the table itself, never changed, kept beyond its record.
CREATE TABLE dead_letters (
    id uuid PRIMARY KEY,
    record_id uuid NOT NULL,
    route_id text NOT NULL,
    channel text NOT NULL,
    producer text NOT NULL,
    notification_type text NOT NULL,
    idempotency_key text NOT NULL,
    attempt_no int NOT NULL,
    last_error_classification text NOT NULL,
    last_error text,
    dead_at timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION keep_dead_letter() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO dead_letters (id, record_id, route_id, channel, producer, notification_type, idempotency_key, attempt_no,
                              last_error_classification, last_error)
    SELECT NEW.id, NEW.record_id, NEW.route_id, NEW.lane, r.producer, r.notification_type, r.idempotency_key,
           NEW.attempt_no, coalesce(NEW.last_error_classification, 'unclassified'), NEW.last_error
    FROM records r WHERE r.record_id = NEW.record_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER routes_dead AFTER UPDATE ON routes FOR EACH ROW
    WHEN (NEW.state = 'dead_letter' AND OLD.state <> 'dead_letter') EXECUTE FUNCTION keep_dead_letter();

CREATE TABLE malformed_intents (
    stream_id text NOT NULL,
    raw bytea NOT NULL,
    raw_hash bytea NOT NULL GENERATED ALWAYS AS (sha256(raw)) STORED,
    reason text NOT NULL,
    notification_type text,
    producer text,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream_id, raw_hash)
);
CREATE INDEX malformed_intents_old ON malformed_intents (received_at);

CREATE TABLE stream_offsets (
    stream text PRIMARY KEY,
    epoch int NOT NULL,
    last_id text NOT NULL,
    accounted bigint NOT NULL,
    lost bigint NOT NULL,
    seen bigint NOT NULL,
    updated_at timestamptz NOT NULL
);
