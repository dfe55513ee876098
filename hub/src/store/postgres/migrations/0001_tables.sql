-- The tables of the hub. Statements can be repeated, for databases whose changes of the schema are not
-- part of a transaction. A comment after a table says by what it lies in parts, where we part it.

-- Members and epochs of agreements stand in other tables by eight bytes of their digests, which do not
-- depend on when they came: a name that a lost server gave cannot come to mean somebody else.
CREATE TABLE IF NOT EXISTS members (
    id bigint PRIMARY KEY,
    name text NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS epochs (
    id bigint PRIMARY KEY,
    epoch bytea NOT NULL UNIQUE
);

-- One line for each member. Whoever changes the member's rows holds it from the beginning.
CREATE TABLE IF NOT EXISTS holdings (
    member bigint PRIMARY KEY,
    count bigint NOT NULL,
    digest bytea NOT NULL
);
-- Live open rows of each token. Whoever stores or deletes one holds the line until the commit.
CREATE TABLE IF NOT EXISTS tokens (
    token bytea NOT NULL,
    epoch bigint NOT NULL,
    live integer NOT NULL,
    PRIMARY KEY (token, epoch)
) /*by token*/;
-- Open rows.
CREATE TABLE IF NOT EXISTS rows (
    token bytea NOT NULL,
    member bigint NOT NULL,
    handle bytea NOT NULL,
    epoch bigint NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY (token, member, handle)
) /*by token*/;
-- Silent rows that watch.
CREATE TABLE IF NOT EXISTS silent (
    token bytea NOT NULL,
    member bigint NOT NULL,
    handle bytea NOT NULL,
    epoch bigint NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY (token, member, handle)
) /*by token*/;
-- Every row that was stored, by its owner's name for it.
CREATE TABLE IF NOT EXISTS handles (
    member bigint NOT NULL,
    handle bytea NOT NULL,
    token bytea NOT NULL,
    epoch bigint NOT NULL,
    expiry integer NOT NULL,
    silent boolean NOT NULL,
    PRIMARY KEY (member, handle)
) /*by handle*/;
CREATE INDEX IF NOT EXISTS handles_by_expiry ON handles (expiry);
-- Who was told of whose row. A pair of open rows has two lines, one from either side.
CREATE TABLE IF NOT EXISTS links (
    member bigint NOT NULL,
    own bytea NOT NULL,
    handle bytea NOT NULL,
    other bigint NOT NULL,
    other_notified boolean NOT NULL,
    PRIMARY KEY (member, own, handle, other)
);
-- What owners of silent rows may have to be told, in lots, and how much of a lot is done.
CREATE TABLE IF NOT EXISTS untold (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind smallint NOT NULL,
    member bigint NOT NULL,
    done integer NOT NULL,
    records bytea NOT NULL
);

CREATE TABLE IF NOT EXISTS mailboxes (
    member bigint PRIMARY KEY,
    last bigint NOT NULL,
    open bigint NOT NULL,
    silent bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS mail (
    member bigint NOT NULL,
    sequence bigint NOT NULL,
    silent boolean NOT NULL,
    item bytea NOT NULL,
    PRIMARY KEY (member, sequence)
);
CREATE TABLE IF NOT EXISTS envelopes (
    recipient bigint NOT NULL,
    sender bigint NOT NULL,
    id bytea NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (recipient, sender, id)
);

CREATE TABLE IF NOT EXISTS roster (
    number bigint PRIMARY KEY,
    entry bytea NOT NULL
);
CREATE TABLE IF NOT EXISTS waiting (
    digest bytea PRIMARY KEY,
    entry bytea NOT NULL
);
CREATE TABLE IF NOT EXISTS agreements (
    digest bytea PRIMARY KEY,
    proposal bytea NOT NULL
);
CREATE TABLE IF NOT EXISTS proposals (
    digest bytea PRIMARY KEY,
    proposal bytea NOT NULL
);
CREATE TABLE IF NOT EXISTS acceptances (
    agreement bytea NOT NULL,
    agency text NOT NULL,
    acceptance bytea NOT NULL,
    PRIMARY KEY (agreement, agency)
);
CREATE TABLE IF NOT EXISTS declarations (
    agreement bytea NOT NULL,
    number bigint NOT NULL,
    statement bytea NOT NULL,
    PRIMARY KEY (agreement, number)
);
CREATE TABLE IF NOT EXISTS statements (
    epoch bigint NOT NULL,
    generation bigint NOT NULL,
    custodian text NOT NULL,
    body bytea NOT NULL,
    signature bytea NOT NULL,
    PRIMARY KEY (epoch, generation, custodian)
);
CREATE TABLE IF NOT EXISTS certificates (
    agency text NOT NULL,
    serial text NOT NULL,
    issued_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    request bytea NOT NULL,
    chain bytea[] NOT NULL,
    PRIMARY KEY (agency, serial)
);
CREATE TABLE IF NOT EXISTS revocations (
    serial text PRIMARY KEY,
    subject text NOT NULL,
    expires_at bigint NOT NULL,
    at bigint NOT NULL,
    reason text NOT NULL
);

CREATE TABLE IF NOT EXISTS log (
    number bigint PRIMARY KEY,
    line bytea NOT NULL
);

-- Tables of one line. The registry's version counts changes of membership and the statements those of
-- custody: hubs that share the database see by them what another one did.
CREATE TABLE IF NOT EXISTS registry (
    single boolean PRIMARY KEY CHECK (single),
    version bigint NOT NULL,
    statements bigint NOT NULL
);
INSERT INTO registry (single, version, statements) VALUES (true, 0, 0) ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS revocation_list (
    single boolean PRIMARY KEY CHECK (single),
    number bigint NOT NULL,
    at bigint NOT NULL,
    lists bytea[] NOT NULL
);
INSERT INTO revocation_list (single, number, at, lists) VALUES (true, 0, 0, '{}') ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS log_head (
    single boolean PRIMARY KEY CHECK (single),
    frontier bytea NOT NULL
);
INSERT INTO log_head (single, frontier) VALUES (true, '\x0000000000000000') ON CONFLICT DO NOTHING;
-- Held by whoever tells owners of silent rows; and what is written to see whether writing works.
CREATE TABLE IF NOT EXISTS telling (
    single boolean PRIMARY KEY CHECK (single),
    probe bigint NOT NULL
);
INSERT INTO telling (single, probe) VALUES (true, 0) ON CONFLICT DO NOTHING;
