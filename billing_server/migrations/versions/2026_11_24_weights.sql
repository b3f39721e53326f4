-- The models that customers bring along, and where the bytes of assets lie.

-- Bytes that nobody has a right to: deleted from the store when due. A key is written down here
-- before the store sees it, and leaves when something that is kept refers to it.
CREATE TABLE runs.garbage (
    key text PRIMARY KEY,
    due timestamptz NOT NULL,
    taken boolean NOT NULL DEFAULT false                   -- being deleted: not to be kept any more
);
CREATE INDEX garbage_due ON runs.garbage (due);

ALTER TABLE runs.asset
    ADD COLUMN key text,                                   -- in the store
    ADD COLUMN awaited boolean NOT NULL DEFAULT false,     -- an address was given out to send it to
    ADD COLUMN open_until timestamptz;                     -- when that address has ceased to work
UPDATE runs.asset SET key = account || '/' || hash;
ALTER TABLE runs.asset ALTER COLUMN key SET NOT NULL;
CREATE INDEX asset_key ON runs.asset (key);

-- A worker asks for a run once at a time; an earlier question is out of date.
ALTER TABLE runs.worker ADD COLUMN polls int NOT NULL DEFAULT 0;

-- Weights of an account: safetensors, seen by its runs alone.
CREATE TABLE runs.weights (
    id text PRIMARY KEY,
    account bigint NOT NULL REFERENCES ledger.account,
    folder text NOT NULL,
    name text NOT NULL,
    license text NOT NULL,
    sha256 text NOT NULL,
    bytes bigint NOT NULL,
    tensors int NOT NULL,
    key text NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (account, folder, name)
);
CREATE INDEX weights_bytes ON runs.weights (account, sha256);
CREATE INDEX weights_key ON runs.weights (key);

CREATE TABLE runs.run_weights (
    run text NOT NULL REFERENCES runs.run ON DELETE CASCADE,
    weights text NOT NULL REFERENCES runs.weights,
    asked text NOT NULL,                                   -- folder, empty if the input did not tell
    PRIMARY KEY (run, weights, asked)
);
CREATE INDEX run_weights_weights ON runs.run_weights (weights);
