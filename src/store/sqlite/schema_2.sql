-- Times are milliseconds since 1970; lists are JSON arrays; digests are the 32 bytes of SHA-256.

ALTER TABLE signing_key ADD COLUMN starts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE signing_key ADD COLUMN ends INTEGER;
-- Those of the first version have signed since they were made.
UPDATE signing_key SET starts = made;

CREATE TABLE version (
    subject TEXT PRIMARY KEY,
    number  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO version VALUES ('clients', 0), ('keys', 0);

CREATE TABLE client (
    id           TEXT PRIMARY KEY,
    registration TEXT NOT NULL,
    made         INTEGER NOT NULL,
    disabled     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE secret_use (
    client TEXT NOT NULL,
    secret TEXT NOT NULL,
    used   INTEGER NOT NULL,
    PRIMARY KEY (client, secret)
) STRICT, WITHOUT ROWID;

-- What the file named when it was last read.
CREATE TABLE declared (
    kind TEXT NOT NULL,
    id   TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE user (
    id             TEXT PRIMARY KEY,
    folded         TEXT NOT NULL UNIQUE,
    name           TEXT NOT NULL,
    email          TEXT,
    email_verified INTEGER NOT NULL,
    profile        TEXT NOT NULL,
    password       TEXT,
    roles          TEXT NOT NULL,
    disabled       INTEGER NOT NULL,
    from_file      INTEGER NOT NULL,
    file_hash      TEXT,              -- what the file said of the password last
    made           INTEGER NOT NULL,
    totp           BLOB,
    totp_made      INTEGER,
    totp_step      INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE recovery_code (
    user   TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    digest BLOB NOT NULL,
    PRIMARY KEY (user, digest)
) STRICT, WITHOUT ROWID;

-- Ids that were somebody's once.
CREATE TABLE retired (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

CREATE TABLE session (
    digest        BLOB PRIMARY KEY,
    sid           TEXT NOT NULL,
    user          TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    made          INTEGER NOT NULL,
    authenticated INTEGER NOT NULL,
    methods       TEXT NOT NULL,
    seen          INTEGER NOT NULL,
    idle_end      INTEGER NOT NULL,
    ends          INTEGER NOT NULL,
    device        TEXT NOT NULL,
    address       TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_user ON session (user);
CREATE INDEX session_end ON session (min(idle_end, ends));

CREATE TABLE consent (
    user     TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    client   TEXT NOT NULL,
    resource TEXT NOT NULL,
    scopes   TEXT NOT NULL,
    given    INTEGER NOT NULL,
    PRIMARY KEY (user, client, resource)
) STRICT, WITHOUT ROWID;
CREATE INDEX consent_client ON consent (client);

CREATE TABLE grant_ (
    id            BLOB PRIMARY KEY,
    client        TEXT NOT NULL,
    user          TEXT NOT NULL,
    session       TEXT,
    scope         TEXT NOT NULL,
    resources     TEXT NOT NULL,
    offline       INTEGER NOT NULL,
    authenticated INTEGER NOT NULL,
    methods       TEXT NOT NULL,
    tells_time    INTEGER NOT NULL,
    nonce         TEXT,
    salt          BLOB NOT NULL,
    refreshable   INTEGER NOT NULL,
    made          INTEGER NOT NULL,
    idle_end      INTEGER NOT NULL,
    ends          INTEGER NOT NULL,
    generation    INTEGER NOT NULL,
    superseded    INTEGER,
    confirmed     INTEGER NOT NULL,
    epoch         INTEGER NOT NULL,
    revoked       INTEGER NOT NULL,
    used          INTEGER NOT NULL,
    until         INTEGER NOT NULL   -- when the row goes
) STRICT, WITHOUT ROWID;
CREATE INDEX grant_user ON grant_ (user, client);
CREATE INDEX grant_client ON grant_ (client);
CREATE INDEX grant_session ON grant_ (session) WHERE session IS NOT NULL;
CREATE INDEX grant_made ON grant_ (made);
CREATE INDEX grant_until ON grant_ (until);

CREATE TABLE code (
    digest        BLOB PRIMARY KEY,
    client        TEXT NOT NULL,
    redirect_uri  TEXT NOT NULL,
    challenge     TEXT,
    nonce         TEXT,
    user          TEXT NOT NULL,
    session       TEXT,
    scope         TEXT NOT NULL,
    resources     TEXT NOT NULL,
    offline       INTEGER NOT NULL,
    authenticated INTEGER NOT NULL,
    methods       TEXT NOT NULL,
    tells_time    INTEGER NOT NULL,
    made          INTEGER NOT NULL,
    ends          INTEGER NOT NULL,
    misses        INTEGER NOT NULL,
    grant_id      BLOB REFERENCES grant_ (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX code_grant ON code (grant_id) WHERE grant_id IS NOT NULL;
CREATE INDEX code_end ON code (ends) WHERE grant_id IS NULL;

-- Transactions that have ended.
CREATE TABLE finished (
    digest BLOB PRIMARY KEY,
    until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX finished_end ON finished (until);

CREATE TABLE access_token (
    digest     BLOB PRIMARY KEY,
    id         TEXT NOT NULL,
    client     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    grant_id   BLOB,
    generation INTEGER,
    epoch      INTEGER,
    claims     TEXT NOT NULL,
    ends       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX access_token_id ON access_token (id);
CREATE INDEX access_token_client ON access_token (client);
CREATE INDEX access_token_grant ON access_token (grant_id) WHERE grant_id IS NOT NULL;
CREATE INDEX access_token_end ON access_token (ends);

CREATE TABLE revocation (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind   TEXT NOT NULL,            -- token, grant, client
    name   TEXT NOT NULL,            -- jti, grant id in hexadecimal, client id
    bound  INTEGER NOT NULL,         -- epoch below which, or time up to which
    until  INTEGER NOT NULL
) STRICT;
CREATE INDEX revocation_name ON revocation (kind, name);
CREATE INDEX revocation_end ON revocation (until);

CREATE TABLE assertion (
    id    BLOB PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX assertion_end ON assertion (until);
