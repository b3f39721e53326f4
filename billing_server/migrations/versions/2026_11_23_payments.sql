-- What was asked of Stripe and what it answered. Credits are the ledger's; rows here name its movements.
-- Money is in minor units of the currency, credits are micro-credits. A row is written before Stripe is
-- asked; its id, or the customer's key, is the idempotency key.
CREATE SCHEMA payments;

CREATE TABLE payments.customer (
    account_id bigint PRIMARY KEY REFERENCES ledger.account,
    key text NOT NULL,
    stripe_id text UNIQUE
);

-- state: new -> open -> processing -> paid | failed | expired; money that came is paid, whatever was before.
-- next_at: when it is looked up, if nobody has told before.
CREATE TABLE payments.pack_order (
    id text PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES ledger.account,
    key text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('checkout', 'top_up')),
    pack text NOT NULL,
    credits_micro bigint NOT NULL CHECK (credits_micro > 0),
    price_minor bigint NOT NULL CHECK (price_minor > 0),
    currency text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    tax boolean NOT NULL,
    return_url text,
    save_card boolean NOT NULL DEFAULT false,
    mail boolean NOT NULL DEFAULT false,                   -- send its address to the customer
    at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'new'
        CHECK (state IN ('new', 'open', 'processing', 'paid', 'failed', 'expired')),
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz,
    session_id text UNIQUE,
    payment_id text UNIQUE,
    customer text,                                         -- Stripe's, when it was placed
    card text,                                             -- payment method of a top-up
    url text,
    paid_minor bigint,                                     -- with tax
    grant_seq bigint,
    failure text,
    invoice_url text,
    receipt_url text,
    UNIQUE (account_id, key),
    FOREIGN KEY (account_id, grant_seq) REFERENCES ledger.credit_grant,
    CHECK (paid_minor >= price_minor),
    CHECK ((state = 'paid') = (grant_seq IS NOT NULL) AND (state = 'paid') = (paid_minor IS NOT NULL))
);
CREATE UNIQUE INDEX one_top_up ON payments.pack_order (account_id)
    WHERE kind = 'top_up' AND state IN ('new', 'processing');
CREATE INDEX order_due ON payments.pack_order (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX order_of ON payments.pack_order (account_id, at);
CREATE TRIGGER terms BEFORE UPDATE ON payments.pack_order FOR EACH ROW
    WHEN ((OLD.id, OLD.account_id, OLD.key, OLD.kind, OLD.pack, OLD.credits_micro, OLD.price_minor, OLD.currency)
        IS DISTINCT FROM (NEW.id, NEW.account_id, NEW.key, NEW.kind, NEW.pack, NEW.credits_micro,
        NEW.price_minor, NEW.currency) OR (OLD.state = 'paid' AND (OLD.grant_seq, OLD.paid_minor, OLD.payment_id)
        IS DISTINCT FROM (NEW.grant_seq, NEW.paid_minor, NEW.payment_id)))
    EXECUTE FUNCTION ledger.refuse();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON payments.pack_order EXECUTE FUNCTION ledger.refuse();

-- movement: the ledger's refund; none if money went back from outside for credits that were spent.
CREATE TABLE payments.refund (
    id text PRIMARY KEY,
    account_id bigint NOT NULL,
    order_id text NOT NULL REFERENCES payments.pack_order,
    key text NOT NULL,
    amount_micro bigint NOT NULL CHECK (amount_micro >= 0),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    movement bigint,
    at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz,
    stripe_id text UNIQUE,
    UNIQUE (account_id, key),
    FOREIGN KEY (account_id, movement) REFERENCES ledger.movement,
    CHECK ((amount_micro > 0) = (movement IS NOT NULL))
);
CREATE INDEX refund_due ON payments.refund (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX refund_of ON payments.refund (order_id);
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON payments.refund EXECUTE FUNCTION ledger.refuse();

CREATE TABLE payments.dispute (
    id text PRIMARY KEY,                                   -- Stripe's
    order_id text NOT NULL REFERENCES payments.pack_order,
    amount_minor bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'won', 'lost')),
    movement bigint                                        -- none if no credits were left to freeze
);
CREATE INDEX dispute_of ON payments.dispute (order_id);

CREATE TABLE payments.auto_top_up (
    account_id bigint PRIMARY KEY REFERENCES ledger.account,
    enabled boolean NOT NULL,
    threshold_micro bigint NOT NULL CHECK (threshold_micro >= 0),
    pack text NOT NULL,
    monthly_cap_minor bigint NOT NULL CHECK (monthly_cap_minor > 0),
    state text NOT NULL DEFAULT 'ok',
    reason text,
    rests_until timestamptz                                -- capped
);

CREATE TABLE payments.event (
    id text PRIMARY KEY,                                   -- Stripe's: an event takes effect once
    type text NOT NULL,
    created_at timestamptz NOT NULL,
    at timestamptz NOT NULL,
    account_id bigint,
    order_id text REFERENCES payments.pack_order,
    outcome text NOT NULL
);
CREATE INDEX event_of ON payments.event (account_id, at);

CREATE TABLE payments.reconciliation (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    since timestamptz NOT NULL,
    events integer NOT NULL,
    filled integer NOT NULL,
    problems text[] NOT NULL
);
