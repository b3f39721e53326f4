-- The truth about runs. Whoever changes one locks its row first, the ledger's account after it.
CREATE SCHEMA runs;

CREATE TABLE runs.worker (
    id text PRIMARY KEY,
    api_key bigint NOT NULL REFERENCES identity.api_key,
    name text NOT NULL,
    gpu_class text NOT NULL,
    about jsonb NOT NULL,                                  -- GPU, speed, environment, as it told
    environment text NOT NULL,                             -- digest
    node_classes jsonb NOT NULL,                           -- class: the pack that defines it
    models text[] NOT NULL,                                -- folder/name
    digests jsonb NOT NULL,                                -- SHA-256: folder/name
    resident text[] NOT NULL DEFAULT '{}',
    free_vram bigint,
    tenant bigint,                                         -- whose run it had last
    draining boolean NOT NULL DEFAULT false,
    seen_at timestamptz NOT NULL,
    UNIQUE (api_key, name)
);
CREATE INDEX worker_seen ON runs.worker (seen_at);

CREATE TABLE runs.run (
    id text PRIMARY KEY,
    account bigint NOT NULL REFERENCES ledger.account,
    api_key text NOT NULL,
    key text NOT NULL,                                     -- Idempotency-Key
    request bytea NOT NULL CHECK (length(request) = 32),
    state text NOT NULL CHECK (state IN
        ('queued', 'running', 'succeeded', 'canceling', 'canceled', 'failed', 'expired')),
    workflow json NOT NULL,
    metadata jsonb NOT NULL,
    classes jsonb NOT NULL,                                -- class: the pack that it is bound to
    models text[] NOT NULL,
    shape bytea NOT NULL,                                  -- alike runs take alike long
    nodes int NOT NULL,
    priority int NOT NULL DEFAULT 0,
    gpu_class text NOT NULL,
    rate bigint NOT NULL REFERENCES ledger.rate,
    hold bigint NOT NULL,
    held bigint NOT NULL,                                  -- micro-credits
    estimate_ms bigint NOT NULL,
    max_gpu_ms bigint NOT NULL,                            -- what the hold pays for
    max_micro bigint CHECK (max_micro > 0),                -- the customer's limit, if he set one
    attempt int NOT NULL DEFAULT 0,                        -- the fence: it only grows
    stop text,                                             -- why the worker must end it early
    created_at timestamptz NOT NULL,
    start_by timestamptz NOT NULL,
    hold_until timestamptz NOT NULL,
    started_at timestamptz,
    completed_at timestamptz,
    expires_at timestamptz NOT NULL,
    gpu_ms bigint NOT NULL DEFAULT 0,
    charged bigint,                                        -- micro-credits, when it has ended
    phases jsonb NOT NULL DEFAULT '{}',
    progress jsonb,
    error jsonb,
    environment text,                                      -- digest of what ran it
    events int NOT NULL DEFAULT 0,
    UNIQUE (account, key),
    CHECK ((charged IS NULL) = (state IN ('queued', 'running', 'canceling')))
);
CREATE INDEX run_queued ON runs.run (gpu_class, account, created_at) WHERE state = 'queued';
CREATE INDEX run_active ON runs.run (account) WHERE state IN ('queued', 'running', 'canceling');
CREATE INDEX run_listed ON runs.run (account, created_at, id);
CREATE INDEX run_served ON runs.run (account, started_at);
CREATE INDEX run_shape ON runs.run (shape, completed_at) WHERE state = 'succeeded';
CREATE INDEX run_expires ON runs.run (expires_at);
CREATE INDEX run_start_by ON runs.run (start_by) WHERE state = 'queued';

CREATE TABLE runs.attempt (
    run text NOT NULL REFERENCES runs.run ON DELETE CASCADE,
    number int NOT NULL,
    worker text NOT NULL REFERENCES runs.worker,
    token bytea NOT NULL CHECK (length(token) = 32),
    leased_at timestamptz NOT NULL,
    lease_until timestamptz NOT NULL,
    gpu_ms bigint NOT NULL DEFAULT 0,
    phases jsonb NOT NULL DEFAULT '{}',
    ended_at timestamptz,
    outcome text,
    PRIMARY KEY (run, number),
    CHECK ((ended_at IS NULL) = (outcome IS NULL))
);
-- A worker owns one GPU, a run one worker.
CREATE UNIQUE INDEX attempt_of_worker ON runs.attempt (worker) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX attempt_of_run ON runs.attempt (run) WHERE ended_at IS NULL;
CREATE INDEX attempt_lease ON runs.attempt (lease_until) WHERE ended_at IS NULL;
CREATE INDEX attempt_free ON runs.attempt (ended_at)
    WHERE outcome = 'fail:workflow' OR gpu_ms = 0;

CREATE TABLE runs.event (
    run text NOT NULL REFERENCES runs.run ON DELETE CASCADE,
    seq int NOT NULL,
    kind text NOT NULL,
    data jsonb NOT NULL,
    PRIMARY KEY (run, seq)
);

-- A file of an account. Bytes lie in the store under account and hash: no account finds out what
-- another has. Outputs stay hidden until their run has been settled.
CREATE TABLE runs.asset (
    id text PRIMARY KEY,
    account bigint NOT NULL REFERENCES ledger.account,
    hash text NOT NULL,
    bytes bigint NOT NULL,
    content_type text NOT NULL,
    file_path text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    run text REFERENCES runs.run,
    attempt int,
    node text,
    kind text,
    hidden boolean NOT NULL DEFAULT false,
    CHECK ((run IS NULL) = (attempt IS NULL))
);
CREATE UNIQUE INDEX asset_upload ON runs.asset (account, hash, file_path) WHERE run IS NULL;
CREATE UNIQUE INDEX asset_output ON runs.asset (run, attempt, node, file_path, hash)
    WHERE run IS NOT NULL;
CREATE INDEX asset_bytes ON runs.asset (account, hash);
CREATE INDEX asset_expires ON runs.asset (expires_at);

-- What a run reads; it must outlive the run.
CREATE TABLE runs.input (
    run text NOT NULL REFERENCES runs.run ON DELETE CASCADE,
    asset text NOT NULL REFERENCES runs.asset,
    name text NOT NULL,
    PRIMARY KEY (run, asset)
);
CREATE INDEX input_asset ON runs.input (asset);
