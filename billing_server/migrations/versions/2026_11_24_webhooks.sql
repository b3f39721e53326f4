-- Where customers are told of the ends of their runs, and what they were told.
CREATE TABLE runs.webhook (
    id text PRIMARY KEY,
    account bigint NOT NULL REFERENCES ledger.account,
    url text NOT NULL,
    events text[] NOT NULL CHECK (events <> '{}'),
    version int NOT NULL DEFAULT 1,                        -- of its secret, which is kept nowhere
    previous_until timestamptz,                            -- when the version before ends
    created_at timestamptz NOT NULL,
    failing_since timestamptz,                             -- no delivery succeeded since
    disabled_at timestamptz
);
CREATE INDEX webhook_account ON runs.webhook (account);

-- Written in the transaction that ends the run; what is sent is read from the run.
CREATE TABLE runs.delivery (
    id text PRIMARY KEY,                                   -- the same whenever it is sent
    webhook text NOT NULL REFERENCES runs.webhook ON DELETE CASCADE,
    run text NOT NULL REFERENCES runs.run ON DELETE CASCADE,
    event text NOT NULL,
    created_at timestamptz NOT NULL,
    due_at timestamptz,                                    -- null: delivered, or given up
    sending_until timestamptz,                             -- somebody is at it, if he lives
    attempts int NOT NULL DEFAULT 0,
    delivered_at timestamptz,
    status int,                                            -- of the last answer, if there was one
    error text
);
CREATE INDEX delivery_due ON runs.delivery (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX delivery_sending ON runs.delivery (webhook) WHERE sending_until IS NOT NULL;
CREATE INDEX delivery_listed ON runs.delivery (webhook, created_at, id);
CREATE INDEX delivery_run ON runs.delivery (run);

-- How the picture of a run becomes: shown to whoever looks, lost without harm.
CREATE UNLOGGED TABLE runs.preview (
    run text PRIMARY KEY REFERENCES runs.run ON DELETE CASCADE,
    at bigint NOT NULL,                                    -- milliseconds
    node text NOT NULL,
    content_type text NOT NULL,
    data bytea NOT NULL
);
