-- The last check of the ledger: one row. It is due when it was asked for, and a day after it began.
CREATE TABLE ledger.verification (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    asked boolean NOT NULL DEFAULT true,
    began_at timestamptz,
    ended_at timestamptz,
    report jsonb                                           -- as ledger/verify.py tells it
);
INSERT INTO ledger.verification DEFAULT VALUES;

-- Usage is asked for by dates. The journal grows at its end alone, so that the block ranges of its times are
-- all it needs: a row that is added costs next to nothing, a day of a year is found without reading the year.
CREATE INDEX movement_at ON ledger.movement USING brin (at) WITH (pages_per_range = 32, autosummarize = on);
