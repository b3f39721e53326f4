-- The journal (movement, entry, rate, anchor) only grows. Everything else here is derived from it,
-- or is a setting. Amounts are micro-credits: 1 credit is 1,000,000.
CREATE SCHEMA ledger;

CREATE TYPE ledger.kind AS ENUM (
    'grant', 'expiry',                                     -- credits come; what is left of them lapses
    'hold', 'extend', 'capture', 'release', 'lapse',       -- reserve; more or longer; the three ends
    'reversal',                                            -- a capture is given back
    'refund', 'refund_cancel',                             -- paid credits become money; or did not
    'dispute_open', 'dispute_won', 'dispute_lost'          -- freeze; unfreeze; claw back
);
CREATE TYPE ledger.book AS ENUM (
    'available', 'held', 'frozen',                         -- of the account
    'issued', 'earned', 'lapsed', 'refunded', 'clawed_back' -- of the platform: never a row, only sums
);

-- available, held, frozen: what the entries sum to; written by the trigger on entry alone.
-- seq, head: number and hash of the account's last movement; written by the trigger on movement alone.
CREATE TABLE ledger.account (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reference text NOT NULL UNIQUE,
    available bigint NOT NULL DEFAULT 0,
    held bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    frozen bigint NOT NULL DEFAULT 0 CHECK (frozen >= 0),
    indebted boolean NOT NULL DEFAULT false,               -- after a lost dispute over spent credits
    seq bigint NOT NULL DEFAULT 0,
    head bytea NOT NULL DEFAULT '\x' CHECK (length(head) IN (0, 32)),
    CONSTRAINT account_available CHECK (available >= 0 OR indebted)
) WITH (fillfactor = 50);                                  -- updates stay in the page

CREATE TABLE ledger.rate (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version integer NOT NULL CHECK (version > 0),
    gpu_class text NOT NULL,
    valid_from timestamptz NOT NULL,
    micro_per_gpu_s bigint NOT NULL CHECK (micro_per_gpu_s >= 0),
    minimum_micro bigint NOT NULL CHECK (minimum_micro >= 0),
    step_ms integer NOT NULL CHECK (step_ms > 0),          -- time is rounded up to a multiple of it
    UNIQUE (gpu_class, valid_from),
    UNIQUE (gpu_class, version)
);

-- names: the movement of the same account that this one extends, ends, gives back or disputes.
-- available, held: the account's balances after this movement.
-- The trigger follow_up sees to what foreign keys would: those ask, and lock a row, for one at a time.
CREATE TABLE ledger.movement (
    account_id bigint NOT NULL,
    seq bigint NOT NULL CHECK (seq > 0),
    kind ledger.kind NOT NULL,
    amount bigint NOT NULL CHECK (amount >= 0),
    names bigint CHECK (names BETWEEN 1 AND seq - 1),       -- there, as no number is left out
    key text NOT NULL,
    request bytea NOT NULL CHECK (length(request) = 32),   -- SHA-256 of what was asked
    at timestamptz NOT NULL,
    run text,
    api_key text,
    rate_id bigint,
    gpu_ms bigint CHECK (gpu_ms >= 0),
    expires_at timestamptz,
    reason text,
    available bigint NOT NULL,
    held bigint NOT NULL CHECK (held >= 0),
    hash bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (account_id, seq),
    CONSTRAINT movement_key UNIQUE (key, account_id),
    CHECK ((kind IN ('grant', 'hold')) = (names IS NULL)),
    CHECK (kind <> 'capture' OR (rate_id IS NOT NULL AND gpu_ms IS NOT NULL)),
    CHECK (kind <> 'hold' OR expires_at IS NOT NULL)
);
-- A hold ends once; so do a dispute and a refund that Stripe declined.
CREATE UNIQUE INDEX movement_ends_once ON ledger.movement (account_id, names) WHERE kind IN
    ('capture', 'release', 'lapse', 'refund_cancel', 'dispute_won', 'dispute_lost');
CREATE INDEX movement_reversals ON ledger.movement (account_id, names) WHERE kind = 'reversal';

-- What a grant movement brought, under which terms, and what is left of it.
CREATE TABLE ledger.credit_grant (
    account_id bigint NOT NULL,
    seq bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('paid', 'promotional', 'goodwill')),
    priority integer NOT NULL,
    effective_at timestamptz NOT NULL,
    expires_at timestamptz CHECK (expires_at > effective_at),
    amount bigint NOT NULL CHECK (amount > 0),
    available bigint NOT NULL DEFAULT 0,
    held bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    frozen bigint NOT NULL DEFAULT 0 CHECK (frozen >= 0),
    returned bigint NOT NULL DEFAULT 0 CHECK (returned BETWEEN 0 AND amount), -- refunded, clawed back
    dispute bigint,                                        -- the open one
    clawed_back boolean NOT NULL DEFAULT false,
    live boolean NOT NULL DEFAULT false,                   -- something is left, or owed
    PRIMARY KEY (account_id, seq),
    FOREIGN KEY (account_id, seq) REFERENCES ledger.movement,
    CHECK (kind <> 'paid' OR expires_at IS NULL),          -- paid credits do not expire
    CHECK (available >= 0 OR clawed_back)
) WITH (fillfactor = 50);
CREATE INDEX credit_grant_live ON ledger.credit_grant (account_id) WHERE live;
CREATE INDEX credit_grant_expiring ON ledger.credit_grant (expires_at)
    WHERE live AND expires_at IS NOT NULL;

CREATE TABLE ledger.entry (
    account_id bigint NOT NULL,
    seq bigint NOT NULL,
    leg smallint NOT NULL,
    grant_seq bigint NOT NULL,
    book ledger.book NOT NULL,
    amount bigint NOT NULL CHECK (amount <> 0),
    PRIMARY KEY (account_id, seq, leg)
);

-- Holds that have not ended, with what they took from which grant, in the order of taking.
CREATE TABLE ledger.open_hold (
    account_id bigint NOT NULL,
    seq bigint NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    held_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    api_key text,
    run text,
    taken jsonb NOT NULL,                                  -- [[grant, micro-credits], ...]
    PRIMARY KEY (account_id, seq)
);
CREATE INDEX open_hold_expires ON ledger.open_hold (expires_at);

-- Limits of an API key; the empty key is the whole account.
CREATE TABLE ledger.budget (
    account_id bigint NOT NULL REFERENCES ledger.account,
    api_key text NOT NULL,
    per_run bigint CHECK (per_run >= 0),
    per_day bigint CHECK (per_day >= 0),
    per_month bigint CHECK (per_month >= 0),
    PRIMARY KEY (account_id, api_key)
);
-- Held and captured, by the day (UTC) of the hold.
CREATE TABLE ledger.spending (
    account_id bigint NOT NULL,
    api_key text NOT NULL,
    day date NOT NULL,
    amount bigint NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (account_id, api_key, day)
) WITH (fillfactor = 50);

-- What others must be told; whoever tells them sets sent_at.
CREATE TABLE ledger.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES ledger.account,
    topic text NOT NULL,
    key text NOT NULL,
    payload jsonb NOT NULL,
    at timestamptz NOT NULL,
    sent_at timestamptz,
    UNIQUE (account_id, key)
);
CREATE INDEX outbox_unsent ON ledger.outbox (id) WHERE sent_at IS NULL;

-- An anchor fixes the heads of all accounts that moved since the one before.
CREATE TABLE ledger.anchor (
    id bigint PRIMARY KEY CHECK (id > 0),
    at timestamptz NOT NULL,
    digest bytea NOT NULL CHECK (length(digest) = 32)
);
CREATE TABLE ledger.anchor_head (
    anchor_id bigint NOT NULL REFERENCES ledger.anchor,
    account_id bigint NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (account_id, anchor_id),
    FOREIGN KEY (account_id, seq) REFERENCES ledger.movement
);

-- The movements of one statement follow those that their accounts have, without a gap, and become
-- their heads. As none ever goes away, what a movement names is there if its number is lower.
CREATE FUNCTION ledger.follow_up() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    broken text;
BEGIN
    WITH latest AS MATERIALIZED (
        SELECT account_id, count(*) AS many, max(seq) AS seq, (array_agg(hash ORDER BY seq DESC))[1] AS head
        FROM fresh GROUP BY account_id
    ), moved AS (
        UPDATE ledger.account a SET seq = l.seq, head = l.head
        FROM latest l WHERE a.id = l.account_id AND a.seq = l.seq - l.many
        RETURNING 1
    )
    SELECT 'movement_follows' INTO broken
    WHERE (SELECT count(*) FROM moved) < (SELECT count(*) FROM latest);
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT rate_id FROM fresh WHERE rate_id IS NOT NULL) f
        WHERE NOT EXISTS (SELECT FROM ledger.rate r WHERE r.id = f.rate_id)
    ) THEN
        broken := 'movement_rate';
    END IF;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION 'a movement must follow the last one of an account, at a rate of the card'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = broken;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER follow_up AFTER INSERT ON ledger.movement REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.follow_up();

-- The entries of one statement are applied to the balances, and nothing else moves a balance. That
-- each has a movement and a grant is seen to here as well: foreign keys would ask for one at a time.
CREATE FUNCTION ledger.apply_entries() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    broken text;
BEGIN
    SELECT CASE WHEN total <> 0 THEN 'entry_balanced' WHEN m.kind IS NULL THEN 'entry_movement'
        ELSE 'entry_clawed_back' END INTO broken
    FROM (
        SELECT account_id, seq, sum(amount) AS total, bool_or(book = 'clawed_back') AS lost
        FROM fresh GROUP BY account_id, seq
    ) f LEFT JOIN ledger.movement m USING (account_id, seq)
    WHERE total <> 0 OR m.kind IS NULL OR (lost AND m.kind <> 'dispute_lost') LIMIT 1;
    IF broken IS NULL THEN
        WITH changed AS MATERIALIZED (
            SELECT account_id, grant_seq, bool_or(book = 'clawed_back') AS lost,
                sum(CASE WHEN book = 'available' THEN amount ELSE 0 END)::bigint AS available,
                sum(CASE WHEN book = 'held' THEN amount ELSE 0 END)::bigint AS held,
                sum(CASE WHEN book = 'frozen' THEN amount ELSE 0 END)::bigint AS frozen,
                sum(CASE WHEN book IN ('refunded', 'clawed_back') THEN amount ELSE 0 END)::bigint
                    AS returned
            FROM fresh GROUP BY account_id, grant_seq
        ), granted AS (
            UPDATE ledger.credit_grant g SET
                available = g.available + c.available,
                held = g.held + c.held,
                frozen = g.frozen + c.frozen,
                returned = g.returned + c.returned,
                clawed_back = g.clawed_back OR c.lost,
                live = g.available + c.available <> 0 OR g.held + c.held <> 0
                    OR g.frozen + c.frozen <> 0
            FROM changed c WHERE g.account_id = c.account_id AND g.seq = c.grant_seq
            RETURNING 1
        ), owned AS (
            UPDATE ledger.account a SET
                available = a.available + c.available,
                held = a.held + c.held,
                frozen = a.frozen + c.frozen,
                indebted = (a.indebted OR c.lost) AND a.available + c.available < 0
            FROM (
                SELECT account_id, bool_or(lost) AS lost, sum(available)::bigint AS available,
                    sum(held)::bigint AS held, sum(frozen)::bigint AS frozen
                FROM changed GROUP BY account_id
            ) c WHERE a.id = c.account_id
            -- Only a lost dispute makes a debt, or a larger one.
            RETURNING NOT c.lost AND a.available < least(0, a.available - c.available) AS deeper
        )
        SELECT CASE WHEN (SELECT count(*) FROM granted) < (SELECT count(*) FROM changed)
            THEN 'entry_grant' WHEN (SELECT bool_or(deeper) FROM owned) THEN 'account_available' END
        INTO broken;
    END IF;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION 'entries of a movement must sum to zero, each of a grant, and make no debt'
            USING ERRCODE = 'check_violation', CONSTRAINT = broken;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER apply_entries AFTER INSERT ON ledger.entry REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.apply_entries();

CREATE FUNCTION ledger.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of %.% must not be changed', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', CONSTRAINT = 'journal_immutable';
END $$;
CREATE TRIGGER immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.movement EXECUTE FUNCTION ledger.refuse();
CREATE TRIGGER immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.entry EXECUTE FUNCTION ledger.refuse();
CREATE TRIGGER immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.rate EXECUTE FUNCTION ledger.refuse();
CREATE TRIGGER immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.anchor EXECUTE FUNCTION ledger.refuse();
CREATE TRIGGER immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.anchor_head EXECUTE FUNCTION ledger.refuse();
-- Balances and heads are written by the triggers above and by nothing else.
CREATE TRIGGER derived BEFORE UPDATE ON ledger.account FOR EACH ROW
    WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION ledger.refuse();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON ledger.account EXECUTE FUNCTION ledger.refuse();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON ledger.credit_grant EXECUTE FUNCTION ledger.refuse();
CREATE TRIGGER terms BEFORE UPDATE ON ledger.credit_grant FOR EACH ROW
    WHEN ((OLD.account_id, OLD.seq, OLD.kind, OLD.priority, OLD.effective_at, OLD.expires_at, OLD.amount)
        IS DISTINCT FROM (NEW.account_id, NEW.seq, NEW.kind, NEW.priority, NEW.effective_at, NEW.expires_at,
        NEW.amount)) EXECUTE FUNCTION ledger.refuse();
