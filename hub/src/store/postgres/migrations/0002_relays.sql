-- Evaluations whose custodian is on another hub's line. Whoever takes one marks it; whoever asked deletes
-- it with its outcome, or when nobody waits any more.
CREATE TABLE IF NOT EXISTS relays (
    id bytea PRIMARY KEY,
    hub bytea NOT NULL,
    taken boolean NOT NULL,
    asking text NOT NULL,
    custodian text NOT NULL,
    request bytea NOT NULL,
    signature bytea NOT NULL,
    outcome bytea,
    until timestamptz NOT NULL
);
-- Which hub has which custodian on its line; a hub that is gone says so no more.
CREATE TABLE IF NOT EXISTS attendances (
    custodian text NOT NULL,
    hub bytea NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (custodian, hub)
);
