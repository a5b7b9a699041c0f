-- The ground: leadership, accounts, sign-in, operators, the outbox, countries, idempotency keys.

-- Room leadership -----------------------------------------------------------------------------------------------------

-- One row. Whoever becomes the active backend raises the epoch; every write transaction of the active one holds the row in
-- share mode, so a takeover waits for writes in flight and no later one can commit.
CREATE TABLE leader (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch bigint NOT NULL,
    holder text NOT NULL,
    taken_at timestamptz NOT NULL
);

INSERT INTO leader (epoch, holder, taken_at) VALUES (0, 'nobody', now());

-- Room users ----------------------------------------------------------------------------------------------------------

CREATE TABLE accounts (
    user_id uuid PRIMARY KEY,
    email text NOT NULL CHECK (char_length(email) <= 254),
    display_name text NOT NULL CHECK (char_length(display_name) BETWEEN 1 AND 40),
    locale text NOT NULL CHECK (locale IN ('en', 'ru')),
    time_zone text NOT NULL,
    status text NOT NULL CHECK (status IN ('active', 'blocked', 'deleted')),
    declared_country text CHECK (declared_country ~ '^[A-Z]{2}$'),
    email_off text[] NOT NULL DEFAULT '{}',
    quiet_hours jsonb,
    created_at timestamptz NOT NULL,
    deleted_at timestamptz,
    version bigint NOT NULL DEFAULT 1,
    CHECK ((status = 'deleted') = (deleted_at IS NOT NULL)),
    CHECK ((status = 'deleted') = (email = ''))
);

-- An address belongs to one living account; a deleted one has none.
CREATE UNIQUE INDEX accounts_email ON accounts (email) WHERE email <> '';

-- Room auth -----------------------------------------------------------------------------------------------------------

CREATE TABLE auth_challenges (
    challenge_id uuid PRIMARY KEY,
    email text NOT NULL,
    locale text NOT NULL,
    ip text NOT NULL,
    code_hash bytea NOT NULL,
    tries_left integer NOT NULL CHECK (tries_left >= 0),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'confirmed', 'replaced', 'exhausted')),
    device_session_id uuid,
    CHECK ((state = 'confirmed') = (device_session_id IS NOT NULL)),
    CHECK (state <> 'exhausted' OR tries_left = 0)
);

-- A resend replaces what was sent before: one open challenge an address.
CREATE UNIQUE INDEX auth_challenges_open ON auth_challenges (email) WHERE state = 'open';
-- The hourly limits count sends by address and by IP.
CREATE INDEX auth_challenges_by_email ON auth_challenges (email, created_at);
CREATE INDEX auth_challenges_by_ip ON auth_challenges (ip, created_at);
CREATE INDEX auth_challenges_by_age ON auth_challenges (created_at);

CREATE TABLE device_sessions (
    device_session_id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES accounts (user_id),
    client_public_key bytea NOT NULL CHECK (octet_length(client_public_key) = 32),
    device_name text NOT NULL CHECK (char_length(device_name) BETWEEN 1 AND 64),
    country text,
    status text NOT NULL CHECK (status IN ('active', 'revoked')),
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_reason text,
    version bigint NOT NULL DEFAULT 1,
    CHECK ((status = 'revoked') = (revoked_at IS NOT NULL)),
    CHECK ((status = 'revoked') = (revoked_reason IS NOT NULL))
);

CREATE INDEX device_sessions_active ON device_sessions (user_id, last_used_at) WHERE status = 'active';

-- Links in mails: the token itself stands in the mail alone.
CREATE TABLE auth_links (
    token_hash bytea PRIMARY KEY,
    purpose text NOT NULL CHECK (purpose IN ('sign_out_everywhere')),
    user_id uuid NOT NULL REFERENCES accounts (user_id),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);

CREATE INDEX auth_links_by_user ON auth_links (user_id);

-- Room admin ----------------------------------------------------------------------------------------------------------

CREATE TABLE operators (
    operator_id uuid PRIMARY KEY,
    login text NOT NULL UNIQUE CHECK (login ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    password_hash text NOT NULL,
    role text NOT NULL CHECK (role IN ('viewer', 'operator', 'owner')),
    totp_secret_sealed text,
    totp_enabled boolean NOT NULL DEFAULT false,
    totp_last_step bigint NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    locked_until timestamptz,
    disabled boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    CHECK (NOT totp_enabled OR totp_secret_sealed IS NOT NULL)
);

CREATE TABLE operator_sessions (
    token_hash bytea PRIMARY KEY,
    operator_id uuid NOT NULL REFERENCES operators (operator_id),
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE INDEX operator_sessions_by_operator ON operator_sessions (operator_id);

CREATE TABLE audit_log (
    id uuid PRIMARY KEY,
    operator_id uuid REFERENCES operators (operator_id),
    login text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    details jsonb NOT NULL,
    request_id text NOT NULL,
    at timestamptz NOT NULL
);

CREATE INDEX audit_log_by_time ON audit_log (at DESC, id DESC);

-- Room outbox ---------------------------------------------------------------------------------------------------------

CREATE TABLE outbox (
    id uuid PRIMARY KEY,
    lane text NOT NULL CHECK (lane IN ('intent', 'mail')),
    kind text NOT NULL,
    idempotency_key text NOT NULL,
    stream text NOT NULL,
    fields jsonb NOT NULL,
    sealed boolean NOT NULL DEFAULT false,
    expires_at timestamptz,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'published', 'dead_lettered')),
    next_at timestamptz NOT NULL DEFAULT now(),
    claim_token uuid,
    leased_until timestamptz,
    attempt_no integer NOT NULL DEFAULT 0,
    attempts_left_from integer NOT NULL DEFAULT 0,
    last_error_classification text,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    CONSTRAINT outbox_key UNIQUE (kind, idempotency_key),
    CHECK ((state = 'pending') = (finished_at IS NULL)),
    CHECK ((claim_token IS NULL) = (leased_until IS NULL))
);

CREATE INDEX outbox_due ON outbox (lane, next_at, id) WHERE finished_at IS NULL;
CREATE INDEX outbox_dead ON outbox (created_at DESC, id DESC) WHERE state = 'dead_lettered';
CREATE INDEX outbox_published ON outbox (finished_at) WHERE state = 'published' AND fields <> '{}';

CREATE TABLE outbox_attempts (
    entry_id uuid NOT NULL REFERENCES outbox (id),
    attempt_no integer NOT NULL,
    claim_token uuid NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    outcome text NOT NULL CHECK (outcome IN ('started', 'delivered', 'refused', 'unknown', 'dead')),
    classification text,
    error text,
    PRIMARY KEY (entry_id, attempt_no),
    CHECK ((outcome = 'started') = (finished_at IS NULL))
);

-- Sealed variables (sign-in codes) leave the table in the very step that finishes their row.
CREATE FUNCTION outbox_erase_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.fields := NEW.fields - 'variables_json';
    RETURN NEW;
END
$$;

CREATE TRIGGER outbox_erase_sealed BEFORE UPDATE ON outbox
    FOR EACH ROW WHEN (NEW.sealed AND NEW.finished_at IS NOT NULL)
    EXECUTE FUNCTION outbox_erase_sealed();

-- Room geo ------------------------------------------------------------------------------------------------------------

CREATE TABLE user_country_counters (
    user_id uuid NOT NULL REFERENCES accounts (user_id),
    country text NOT NULL,
    requests bigint NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, country)
);

-- Room api ------------------------------------------------------------------------------------------------------------

CREATE TABLE idempotency_keys (
    user_id uuid NOT NULL,
    key text NOT NULL,
    fingerprint text NOT NULL,
    status integer,
    answer jsonb,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, key)
);

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
