-- People, how they get in, and keys of programs. Of tokens and keys only the SHA-256 is kept.
CREATE SCHEMA identity;

CREATE TABLE identity.person (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL UNIQUE CHECK (email = lower(email)),
    name text NOT NULL DEFAULT '',
    password text,                                         -- argon2; none: links or OIDC alone
    subject text UNIQUE,                                   -- issuer and subject of OIDC
    account bigint NOT NULL REFERENCES ledger.account,
    admin boolean NOT NULL DEFAULT false,
    language text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL
);
CREATE INDEX person_account ON identity.person (account);

CREATE TABLE identity.session (
    digest bytea PRIMARY KEY,
    person bigint NOT NULL REFERENCES identity.person ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX session_person ON identity.session (person);
CREATE INDEX session_expires ON identity.session (expires_at);

-- Links by e-mail: whoever has one has the address. They work once.
CREATE TABLE identity.link (
    digest bytea PRIMARY KEY,
    email text NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE identity.api_key (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account bigint NOT NULL REFERENCES ledger.account,
    name text NOT NULL,
    scopes text[] NOT NULL,
    hint text NOT NULL,                                    -- the last characters, to recognise it
    digest bytea NOT NULL UNIQUE,
    previous bytea UNIQUE,                                 -- still good for a while after a rotation
    previous_until timestamptz,
    created_at timestamptz NOT NULL,
    used_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX api_key_account ON identity.api_key (account);

-- What a run was for, as usage is told by it.
CREATE TABLE identity.run_label (
    account bigint NOT NULL REFERENCES ledger.account,
    run text NOT NULL,
    workflow text NOT NULL,
    PRIMARY KEY (account, run)
);

-- Answers to calls that are no movement of the ledger, to give again when they are repeated.
CREATE TABLE identity.answer (
    account bigint NOT NULL REFERENCES ledger.account,
    key text NOT NULL,
    request bytea NOT NULL CHECK (length(request) = 32),
    at timestamptz NOT NULL,
    body text,                                             -- sealed; none while it is worked on
    PRIMARY KEY (account, key)
);
CREATE INDEX answer_at ON identity.answer (at);
