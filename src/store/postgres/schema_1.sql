-- Times are milliseconds since 1970; digests are the 32 bytes of SHA-256; texts compare byte by byte ("C").

-- How far each subject has come. Whoever changes something moves its row in the same transaction, and last in it, so that
-- numbers are seen in the order in which they were given.
CREATE TABLE portcullis.version (
    subject text COLLATE "C" PRIMARY KEY,
    number  bigint NOT NULL
);
INSERT INTO portcullis.version VALUES ('clients', 0), ('keys', 0), ('revocations', 0);

CREATE TABLE portcullis.signing_key (
    position  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id        text COLLATE "C" NOT NULL UNIQUE,   -- RFC 7638 thumbprint
    algorithm text COLLATE "C" NOT NULL,
    pkcs8     bytea NOT NULL,
    made      bigint NOT NULL,
    starts    bigint NOT NULL,
    ends      bigint
);

-- By a digest of the issuer: a name may be longer than an index entry.
CREATE TABLE portcullis.key_set (
    issuer   bytea PRIMARY KEY,
    document text COLLATE "C" NOT NULL,
    fetched  bigint NOT NULL
);

CREATE TABLE portcullis.client (
    id           text COLLATE "C" PRIMARY KEY,
    registration text COLLATE "C" NOT NULL,
    made         bigint NOT NULL,
    disabled     boolean NOT NULL
);

CREATE TABLE portcullis.secret_use (
    client text COLLATE "C" NOT NULL,
    secret text COLLATE "C" NOT NULL,
    used   bigint NOT NULL,
    PRIMARY KEY (client, secret)
);

-- What the file named when it was last read.
CREATE TABLE portcullis.declared (
    kind text COLLATE "C" NOT NULL,
    id   text COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, id)
);

CREATE TABLE portcullis.person (
    id             text COLLATE "C" PRIMARY KEY,
    folded         text COLLATE "C" NOT NULL UNIQUE,
    name           text COLLATE "C" NOT NULL,
    email          text COLLATE "C",
    email_verified boolean NOT NULL,
    profile        text COLLATE "C" NOT NULL,
    password       text COLLATE "C",
    roles          text[] COLLATE "C" NOT NULL,
    disabled       boolean NOT NULL,
    from_file      boolean NOT NULL,
    file_hash      text COLLATE "C",            -- what the file said of the password last
    made           bigint NOT NULL,
    totp           bytea,
    totp_made      bigint,
    totp_step      bigint
);

CREATE TABLE portcullis.recovery_code (
    person text COLLATE "C" NOT NULL REFERENCES portcullis.person (id) ON DELETE CASCADE,
    digest bytea NOT NULL,
    PRIMARY KEY (person, digest)
);

-- Ids that were somebody's once.
CREATE TABLE portcullis.retired (id text COLLATE "C" PRIMARY KEY);

CREATE TABLE portcullis.session (
    digest        bytea PRIMARY KEY,
    sid           text COLLATE "C" NOT NULL,
    person        text COLLATE "C" NOT NULL REFERENCES portcullis.person (id) ON DELETE CASCADE,
    made          bigint NOT NULL,
    authenticated bigint NOT NULL,
    methods       text[] COLLATE "C" NOT NULL,
    seen          bigint NOT NULL,
    idle_end      bigint NOT NULL,
    ends          bigint NOT NULL,
    device        text COLLATE "C" NOT NULL,
    address       text COLLATE "C" NOT NULL
);
CREATE INDEX session_person ON portcullis.session (person);
CREATE INDEX session_end ON portcullis.session (least(idle_end, ends));

CREATE TABLE portcullis.consent (
    person   text COLLATE "C" NOT NULL REFERENCES portcullis.person (id) ON DELETE CASCADE,
    client   text COLLATE "C" NOT NULL,
    resource text COLLATE "C" NOT NULL,
    scopes   text[] COLLATE "C" NOT NULL,
    given    bigint NOT NULL,
    PRIMARY KEY (person, client, resource)
);
CREATE INDEX consent_client ON portcullis.consent (client);

CREATE TABLE portcullis.family (
    id            bytea PRIMARY KEY,
    client        text COLLATE "C" NOT NULL,
    person        text COLLATE "C" NOT NULL,
    session       text COLLATE "C",
    scope         text COLLATE "C" NOT NULL,
    resources     text[] COLLATE "C" NOT NULL,
    offline       boolean NOT NULL,
    authenticated bigint NOT NULL,
    methods       text[] COLLATE "C" NOT NULL,
    tells_time    boolean NOT NULL,
    nonce         text COLLATE "C",
    salt          bytea NOT NULL,
    refreshable   boolean NOT NULL,
    made          bigint NOT NULL,
    idle_end      bigint NOT NULL,
    ends          bigint NOT NULL,
    generation    bigint NOT NULL,
    superseded    bigint,
    confirmed     boolean NOT NULL,
    epoch         bigint NOT NULL,
    revoked       boolean NOT NULL,
    used          bigint NOT NULL,
    until         bigint NOT NULL                -- when the row goes
);
CREATE INDEX family_person ON portcullis.family (person, client);
CREATE INDEX family_client ON portcullis.family (client);
CREATE INDEX family_session ON portcullis.family (session) WHERE session IS NOT NULL;
CREATE INDEX family_made ON portcullis.family (made);
CREATE INDEX family_until ON portcullis.family (until);

CREATE TABLE portcullis.code (
    digest        bytea PRIMARY KEY,
    client        text COLLATE "C" NOT NULL,
    redirect_uri  text COLLATE "C" NOT NULL,
    challenge     text COLLATE "C",
    nonce         text COLLATE "C",
    person        text COLLATE "C" NOT NULL,
    session       text COLLATE "C",
    scope         text COLLATE "C" NOT NULL,
    resources     text[] COLLATE "C" NOT NULL,
    offline       boolean NOT NULL,
    authenticated bigint NOT NULL,
    methods       text[] COLLATE "C" NOT NULL,
    tells_time    boolean NOT NULL,
    made          bigint NOT NULL,
    ends          bigint NOT NULL,
    misses        bigint NOT NULL,
    family        bytea REFERENCES portcullis.family (id) ON DELETE CASCADE
);
CREATE INDEX code_family ON portcullis.code (family) WHERE family IS NOT NULL;
CREATE INDEX code_end ON portcullis.code (ends) WHERE family IS NULL;

-- Transactions that have ended.
CREATE TABLE portcullis.finished (
    digest bytea PRIMARY KEY,
    until  bigint NOT NULL
);
CREATE INDEX finished_end ON portcullis.finished (until);

CREATE TABLE portcullis.access_token (
    digest     bytea PRIMARY KEY,
    id         text COLLATE "C" NOT NULL,
    client     text COLLATE "C" NOT NULL,
    subject    text COLLATE "C" NOT NULL,
    family     bytea,
    generation bigint,
    epoch      bigint,
    claims     text COLLATE "C" NOT NULL,
    ends       bigint NOT NULL
);
CREATE INDEX access_token_id ON portcullis.access_token (id);
CREATE INDEX access_token_client ON portcullis.access_token (client);
CREATE INDEX access_token_family ON portcullis.access_token (family) WHERE family IS NOT NULL;
CREATE INDEX access_token_end ON portcullis.access_token (ends);

CREATE TABLE portcullis.revocation (
    number bigint PRIMARY KEY,               -- of the row `revocations` in `version`
    kind   text COLLATE "C" NOT NULL,        -- token, grant, client
    name   text COLLATE "C" NOT NULL,        -- jti, grant id in hexadecimal, client id
    bound  bigint NOT NULL,                  -- epoch below which, or time up to which
    until  bigint NOT NULL
);
CREATE INDEX revocation_name ON portcullis.revocation (kind, name);
CREATE INDEX revocation_end ON portcullis.revocation (until);

CREATE TABLE portcullis.assertion (
    id    bytea PRIMARY KEY,
    until bigint NOT NULL
);
CREATE INDEX assertion_end ON portcullis.assertion (until);
