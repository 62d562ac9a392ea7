//! `shared`.

use std::time::Duration;

use super::read::Must;
use super::secret::Secret;
use crate::config::place::At;

section! {
    /// What the gateways of a fleet count and remember together. Leave it out on one machine.
    Shared ("`shared`") {
        /// Address of Redis or Valkey, by reference, because it may hold a password: `redis://[USER:PASSWORD@]HOST[:PORT][/DB]`;
        /// `redis+sentinel://HOST,HOST/MASTER[/DB]` behind sentinels; `redis+cluster://HOST,HOST` for a cluster; `rediss` in
        /// place of `redis` for TLS.
        redis: Must<Secret>,
        /// User (ACL), where the address names none.
        user: Option<At<String>>,
        /// Password, where the address names none.
        password: Option<Secret>,
        /// How the server is checked, and how the gateway shows who it is. Only for `rediss`.
        tls: Option<SharedTls>,
        /// Name of this fleet: gateways that say the same on one server count together. Default: `portcullis`.
        fleet: Option<At<String>>,
        /// How long a request waits for an answer at most, where it has to wait for one. Default: `50ms`.
        wait: Option<At<Duration>>,
    }
    instead [
        url: "the key is `redis`: `redis: {env: REDIS_URL}`",
        valkey: "the key is `redis`, for Valkey as well",
        postgres: "it stands under `store`: `store: {postgres: {env: DATABASE_URL}}`",
        prefix: "the key is `fleet`"
    ]
}

section! {
    /// TLS to Redis or Valkey. All files are PEM.
    SharedTls ("the `tls` of `shared`") {
        /// Authorities to trust instead of the system's.
        ca: Option<At<String>>,
        /// The gateway's own certificate, where the server asks for one.
        certificate: Option<At<String>>,
        /// The private key of the certificate.
        key: Option<At<String>>,
    }
}
