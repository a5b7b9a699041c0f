-- Games: engine versions, lobby, runtime, scheduler, orders and the archive of turns.

-- Room engine_versions ------------------------------------------------------------------------------------------------

CREATE TABLE engine_versions (
    version text PRIMARY KEY CHECK (version ~ '^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$'),
    image text NOT NULL CHECK (image <> ''),
    digest text CHECK (digest ~ '^sha256:[0-9a-f]{64}$'),
    enabled boolean NOT NULL DEFAULT true,
    registered_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision integer NOT NULL DEFAULT 1
);

-- Room lobby ----------------------------------------------------------------------------------------------------------

CREATE TABLE games (
    game_id uuid PRIMARY KEY,
    owner_id uuid NOT NULL,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 60),
    visibility text NOT NULL CHECK (visibility IN ('public', 'invite')),
    state text NOT NULL CHECK (state IN ('draft', 'enrollment_open', 'ready_to_start', 'starting', 'start_failed',
                                         'running', 'paused', 'finished', 'cancelled')),
    state_reason text NOT NULL DEFAULT '',
    min_players integer NOT NULL CHECK (min_players >= 1),
    max_players integer NOT NULL CHECK (max_players >= min_players AND max_players <= 100),
    start_gap_hours integer NOT NULL CHECK (start_gap_hours >= 0),
    start_gap_players integer NOT NULL CHECK (start_gap_players >= 0),
    enrollment_ends_at timestamptz,
    gap_ends_at timestamptz,
    schedule_kind text NOT NULL CHECK (schedule_kind IN ('cron', 'rolling')),
    cron text,
    time_zone text,
    period interval CHECK (period > interval '0'),
    early_turn boolean NOT NULL,
    missed_turn_policy text NOT NULL CHECK (missed_turn_policy IN ('idle', 'hold')),
    first_turn_allowance_hours integer NOT NULL CHECK (first_turn_allowance_hours >= 0),
    engine_version text NOT NULL REFERENCES engine_versions,
    engine_options json NOT NULL,
    bots integer NOT NULL CHECK (bots BETWEEN 0 AND 99),
    seed text NOT NULL CHECK (seed <> ''),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    revision integer NOT NULL DEFAULT 1,
    CONSTRAINT schedule_is_whole CHECK (
        CASE schedule_kind
            WHEN 'cron' THEN cron IS NOT NULL AND time_zone IS NOT NULL AND period IS NULL
            ELSE cron IS NULL AND time_zone IS NULL AND period IS NOT NULL
        END),
    CONSTRAINT a_game_has_two_seats CHECK (min_players + bots >= 2),
    CONSTRAINT played_games_have_started CHECK (
        (state IN ('running', 'paused', 'finished')) = (started_at IS NOT NULL)),
    CONSTRAINT over_means_finished_at CHECK ((state IN ('finished', 'cancelled')) = (finished_at IS NOT NULL))
);
CREATE INDEX games_open_by_state ON games (state, created_at) WHERE finished_at IS NULL;

CREATE TABLE memberships (
    game_id uuid NOT NULL REFERENCES games,
    player_id text NOT NULL,
    user_id uuid,
    race_name text NOT NULL CHECK (race_name ~ '^[A-Za-z0-9_]{1,20}$'),
    race_key text NOT NULL GENERATED ALWAYS AS (lower(race_name)) STORED,
    computer_level integer CHECK (computer_level BETWEEN 1 AND 3),
    status text NOT NULL CHECK (status IN ('active', 'computer', 'idle', 'eliminated', 'quit')),
    seat integer NOT NULL,
    joined_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (game_id, player_id),
    CONSTRAINT race_name_is_free UNIQUE (game_id, race_key),
    CONSTRAINT one_seat_each UNIQUE (game_id, seat),
    CONSTRAINT people_are_players CHECK (user_id IS NULL OR player_id = user_id::text),
    CONSTRAINT bots_have_levels CHECK ((user_id IS NULL) = (computer_level IS NOT NULL))
);
CREATE INDEX memberships_of_user ON memberships (user_id) WHERE user_id IS NOT NULL;

CREATE TABLE applications (
    application_id uuid PRIMARY KEY,
    game_id uuid NOT NULL REFERENCES games,
    user_id uuid NOT NULL,
    race_name text NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'approved', 'rejected', 'withdrawn')),
    created_at timestamptz NOT NULL DEFAULT now(),
    decided_at timestamptz,
    CONSTRAINT decided_means_decided_at CHECK ((status = 'pending') = (decided_at IS NULL))
);
CREATE UNIQUE INDEX applications_one_open ON applications (game_id, user_id) WHERE status IN ('pending', 'approved');
CREATE INDEX applications_of_user ON applications (user_id, created_at);

CREATE TABLE invites (
    invite_id uuid PRIMARY KEY,
    game_id uuid NOT NULL REFERENCES games,
    inviter_id uuid NOT NULL,
    invitee_id uuid,
    invitee_email text,
    status text NOT NULL CHECK (status IN ('open', 'accepted', 'declined')),
    created_at timestamptz NOT NULL DEFAULT now(),
    decided_at timestamptz,
    CONSTRAINT sent_to_somebody CHECK ((invitee_id IS NULL) <> (invitee_email IS NULL)),
    CONSTRAINT decided_by_a_person CHECK (status = 'open' OR (invitee_id IS NOT NULL AND decided_at IS NOT NULL))
);
CREATE UNIQUE INDEX invites_one_open_user ON invites (game_id, invitee_id) WHERE status = 'open';
CREATE UNIQUE INDEX invites_one_open_email ON invites (game_id, invitee_email) WHERE status = 'open';
CREATE INDEX invites_of_user ON invites (invitee_id, created_at);
CREATE INDEX invites_of_email ON invites (invitee_email) WHERE invitee_email IS NOT NULL;

-- Room runtime --------------------------------------------------------------------------------------------------------

CREATE TABLE runtime_records (
    game_id uuid PRIMARY KEY REFERENCES games,
    desired text NOT NULL CHECK (desired IN ('running', 'stopped')),
    status text NOT NULL CHECK (status IN ('starting', 'running', 'crashed', 'failed', 'stopped')),
    detail text NOT NULL DEFAULT '',
    engine_version text NOT NULL REFERENCES engine_versions,
    container_ref text,
    skip_next_tick boolean NOT NULL DEFAULT false,
    failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
    started_at timestamptz,
    restart_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision integer NOT NULL DEFAULT 1,
    CONSTRAINT running_means_a_container CHECK (
        status <> 'running' OR (container_ref IS NOT NULL AND started_at IS NOT NULL)),
    CONSTRAINT restarts_follow_failures CHECK ((status IN ('crashed', 'failed')) = (restart_at IS NOT NULL))
);

CREATE TABLE runtime_operation_log (
    operation_id uuid PRIMARY KEY,
    game_id uuid NOT NULL REFERENCES games,
    kind text NOT NULL CHECK (kind IN ('start', 'stop', 'restart', 'patch', 'force_next_turn')),
    requested_by text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    outcome text CHECK (outcome IN ('succeeded', 'failed', 'abandoned')),
    error text,
    CONSTRAINT finished_means_outcome CHECK ((finished_at IS NULL) = (outcome IS NULL)),
    CONSTRAINT errors_belong_to_failures CHECK (error IS NULL OR outcome IN ('failed', 'abandoned'))
);
CREATE INDEX runtime_operation_log_by_game ON runtime_operation_log (game_id, started_at DESC);
CREATE INDEX runtime_operation_log_open ON runtime_operation_log (started_at) WHERE finished_at IS NULL;

-- Room scheduler ------------------------------------------------------------------------------------------------------

CREATE TABLE game_clocks (
    game_id uuid PRIMARY KEY REFERENCES games,
    current_turn integer NOT NULL CHECK (current_turn >= 0),
    next_turn_at timestamptz,
    remaining interval,
    forced boolean NOT NULL DEFAULT false,
    failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
    retry_at timestamptz,
    CONSTRAINT stands_or_runs CHECK (next_turn_at IS NULL OR remaining IS NULL)
);
CREATE INDEX game_clocks_due ON game_clocks (next_turn_at) WHERE next_turn_at IS NOT NULL;

CREATE TABLE deadline_moves (
    move_id uuid PRIMARY KEY,
    game_id uuid NOT NULL REFERENCES games,
    turn integer NOT NULL,
    from_at timestamptz NOT NULL,
    to_at timestamptz NOT NULL,
    reason text NOT NULL CHECK (reason IN ('platform_down', 'engines_away', 'tick_skipped')),
    moved_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT only_later CHECK (to_at > from_at)
);
CREATE INDEX deadline_moves_by_game ON deadline_moves (game_id, moved_at);

-- One row: when the scheduler of the active backend last looked at the clocks.
CREATE TABLE scheduler_heartbeat (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    seen_at timestamptz NOT NULL
);

-- Room play -----------------------------------------------------------------------------------------------------------

CREATE TABLE orders (
    game_id uuid NOT NULL REFERENCES games,
    turn integer NOT NULL CHECK (turn >= 1),
    player_id text NOT NULL,
    orders json,
    final boolean NOT NULL DEFAULT false,
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (game_id, turn, player_id),
    FOREIGN KEY (game_id, player_id) REFERENCES memberships
);

-- What the engine is asked for a turn, byte for byte; written before it is asked, never changed.
CREATE TABLE turn_inputs (
    game_id uuid NOT NULL REFERENCES games,
    turn integer NOT NULL CHECK (turn >= 1),
    request_id uuid NOT NULL UNIQUE,
    cause text NOT NULL CHECK (cause IN ('deadline', 'early', 'forced')),
    body_zlib bytea NOT NULL,
    body_sha256 text NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (game_id, turn)
);

CREATE TABLE turns (
    game_id uuid NOT NULL REFERENCES games,
    turn integer NOT NULL CHECK (turn >= 0),
    state_hash text NOT NULL,
    engine_version text NOT NULL REFERENCES engine_versions,
    summary json NOT NULL,
    generated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (game_id, turn)
);

CREATE TABLE reports (
    game_id uuid NOT NULL,
    turn integer NOT NULL,
    player_id text NOT NULL,
    json_zlib bytea NOT NULL,
    text_zlib bytea NOT NULL,
    json_sha256 text NOT NULL,
    PRIMARY KEY (game_id, turn, player_id),
    FOREIGN KEY (game_id, turn) REFERENCES turns
);

CREATE TABLE saves (
    game_id uuid NOT NULL,
    turn integer NOT NULL,
    save_format integer NOT NULL,
    sha256 text NOT NULL,
    size_bytes integer NOT NULL CHECK (size_bytes > 0),
    data_zlib bytea NOT NULL,
    PRIMARY KEY (game_id, turn),
    FOREIGN KEY (game_id, turn) REFERENCES turns
);
