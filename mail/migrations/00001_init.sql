-- The mail service's tables: deliveries with their attempts, dead letters, what was refused at the door, the stream's offset.

CREATE TABLE deliveries (
    -- The claim, as kit.outbox wants it.
    id uuid PRIMARY KEY,
    lane text NOT NULL CHECK (lane IN ('ordinary', 'code')),
    state text NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'sending', 'retrying', 'sent', 'suppressed', 'dead_lettered')),
    next_at timestamptz NOT NULL DEFAULT now(),
    claim_token uuid,
    leased_until timestamptz,
    attempt_no int NOT NULL DEFAULT 0 CHECK (attempt_no >= 0),
    attempts_left_from int NOT NULL DEFAULT 0 CHECK (attempts_left_from BETWEEN 0 AND attempt_no),
    last_error_classification text,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    -- The mail.
    source text NOT NULL,
    idempotency_key text NOT NULL,
    template_id text NOT NULL,
    locale text NOT NULL,
    to_address text,
    address_hash text NOT NULL,
    variables jsonb,
    sealed_variables text,
    unsubscribe_url text NOT NULL DEFAULT '',
    user_id text,
    expires_at timestamptz,
    occurred_at timestamptz NOT NULL,
    request_id text NOT NULL DEFAULT '',
    trace_id text NOT NULL DEFAULT '',
    CONSTRAINT final_means_finished
        CHECK ((state IN ('sent', 'suppressed', 'dead_lettered')) = (finished_at IS NOT NULL)),
    CONSTRAINT sending_means_claimed CHECK ((state = 'sending') = (claim_token IS NOT NULL)),
    CONSTRAINT claimed_means_leased CHECK ((claim_token IS NULL) = (leased_until IS NULL)),
    CONSTRAINT open_has_an_address CHECK (finished_at IS NOT NULL OR to_address IS NOT NULL),
    CONSTRAINT sealed_or_open CHECK (variables IS NULL OR sealed_variables IS NULL)
);
CREATE INDEX deliveries_due ON deliveries (lane, next_at, id) WHERE finished_at IS NULL;
CREATE INDEX deliveries_newest ON deliveries (created_at DESC, id DESC);
CREATE INDEX deliveries_of_user ON deliveries (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX deliveries_of_address ON deliveries (address_hash) WHERE finished_at IS NULL;
CREATE INDEX deliveries_old ON deliveries (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX deliveries_with_secret ON deliveries (expires_at) WHERE sealed_variables IS NOT NULL;

-- Append-only: one row an attempt over the whole life of a delivery.
CREATE TABLE deliveries_attempts (
    entry_id uuid NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
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

-- One row each time a delivery ended without success; written by the table itself, never changed afterwards.
CREATE TABLE dead_letters (
    delivery_id uuid NOT NULL,
    attempt_no int NOT NULL,
    source text NOT NULL,
    template_id text NOT NULL,
    classification text NOT NULL,
    error text,
    dead_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (delivery_id, attempt_no)
);
CREATE INDEX dead_letters_newest ON dead_letters (dead_at DESC, delivery_id);

CREATE FUNCTION keep_dead_letter() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO dead_letters (delivery_id, attempt_no, source, template_id, classification, error)
    VALUES (NEW.id, NEW.attempt_no, NEW.source, NEW.template_id,
            coalesce(NEW.last_error_classification, 'unclassified'), NEW.last_error)
    ON CONFLICT (delivery_id, attempt_no) DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER deliveries_dead AFTER UPDATE ON deliveries FOR EACH ROW
    WHEN (NEW.state = 'dead_lettered' AND OLD.state <> 'dead_lettered') EXECUTE FUNCTION keep_dead_letter();

-- What a mail said is not kept beyond its use.
CREATE FUNCTION erase_content() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.variables := NULL;
    NEW.sealed_variables := NULL;
    RETURN NEW;
END
$$;
CREATE TRIGGER deliveries_done BEFORE INSERT OR UPDATE ON deliveries FOR EACH ROW
    WHEN (NEW.state IN ('sent', 'suppressed')) EXECUTE FUNCTION erase_content();

-- Outlives the deliveries: a command repeated years later is still the same command.
CREATE TABLE idempotency_keys (
    source text NOT NULL,
    idempotency_key text NOT NULL,
    delivery_id uuid NOT NULL UNIQUE,
    body_hash bytea NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, idempotency_key)
);

-- Commands that came again under a known key or delivery id with another body: the first one won.
CREATE TABLE command_conflicts (
    source text NOT NULL,
    idempotency_key text NOT NULL,
    delivery_id uuid NOT NULL,
    body_hash bytea NOT NULL,
    stream_id text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, idempotency_key, delivery_id, body_hash)
);

CREATE TABLE malformed_commands (
    stream_id text NOT NULL,
    raw bytea NOT NULL,
    raw_hash bytea NOT NULL GENERATED ALWAYS AS (sha256(raw)) STORED,
    reason text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream_id, raw_hash)
);
CREATE INDEX malformed_commands_old ON malformed_commands (received_at);

-- Addresses that get no ordinary mail any more, by their hash.
CREATE TABLE suppressions (
    address_hash text PRIMARY KEY,
    reason text NOT NULL CHECK (reason IN ('unknown_mailbox')),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Users whose account was deleted: commands that arrive late are suppressed.
CREATE TABLE erased_users (
    user_id text PRIMARY KEY,
    erased_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE stream_offsets (
    stream text PRIMARY KEY,
    epoch int NOT NULL,
    last_id text NOT NULL,
    accounted bigint NOT NULL,
    lost bigint NOT NULL,
    seen bigint NOT NULL,
    updated_at timestamptz NOT NULL
);
