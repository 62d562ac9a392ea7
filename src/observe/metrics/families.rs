//! Every metric there is: name, kind, labels, meaning. `docs/metrics.md` shows this table, and a test compares the two.

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// One metric. Labels are bounded: they come from the file, the list of reasons, or a fixed list of words.
#[derive(Debug)]
pub struct Family {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

/// One short macro, so that the table is typed once.
macro_rules! families {
    ($($constant:ident $name:literal $kind:ident [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: Family =
                Family { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };
        )*

        /// All of them, in the order of the documentation.
        pub const ALL: &[&Family] = &[$(&$constant),*];
    };
}

families! {
    REQUESTS "portcullis_requests_total" Counter ["route", "code", "status"]
        "Requests answered, by route, reason code (ok: the gateway let it pass, or the client left before) and status class.";
    OBSERVED "portcullis_observed_refusals_total" Counter ["route", "code"]
        "Requests that were let through and would have been refused by what is only observed.";
    REQUEST_DURATION "portcullis_request_duration_seconds" Histogram ["route"]
        "From the head of a request to the last byte of its answer.";
    REQUEST_BYTES "portcullis_request_bytes_total" Counter ["route"]
        "Bytes of request bodies that were forwarded.";
    RESPONSE_BYTES "portcullis_response_bytes_total" Counter ["route"]
        "Bytes of answer bodies.";
    REQUESTS_IN_FLIGHT "portcullis_requests_in_flight" Gauge []
        "Requests that are being answered.";
    UPSTREAM_REQUESTS "portcullis_upstream_requests_total" Counter ["upstream", "outcome"]
        "Requests sent to an upstream, by status class of its answer; failed: no answer that could be read; left: the client left before the answer. Those that the gateway refused on their way there, such as a body that grew too large, are not counted.";
    UPSTREAM_DURATION "portcullis_upstream_duration_seconds" Histogram ["upstream"]
        "From sending a request upstream to the head of the answer.";
    UPSTREAM_RETRIES "portcullis_upstream_retries_total" Counter ["upstream"]
        "Requests that were sent again, to another server or on a fresh connection.";
    UPSTREAM_IN_FLIGHT "portcullis_upstream_in_flight" Gauge ["upstream", "server"]
        "Requests that a server is answering.";
    UPSTREAM_CONNECT_FAILURES "portcullis_upstream_connect_failures_total" Counter ["upstream", "server"]
        "Connections to a server that could not be opened.";
    UPSTREAM_SHUNNED "portcullis_upstream_shunned" Gauge ["upstream", "server"]
        "1 while a server is tried last because a connection to it failed.";
    TOKEN_CHECKS "portcullis_token_checks_total" Counter ["level", "result"]
        "Access tokens looked at, by who knew the answer: local and shared tables, or verified anew.";
    KEY_SET_KEYS "portcullis_key_set_keys" Gauge ["issuer"]
        "Usable keys in an issuer's key set.";
    KEY_SET_AGE "portcullis_key_set_age_seconds" Gauge ["issuer"]
        "Since the issuer's key set was last fetched; not there for keys of a file.";
    KEY_SET_FETCHES "portcullis_key_set_fetches_total" Counter ["issuer", "result"]
        "Fetches of an issuer's key set.";
    INTROSPECTIONS "portcullis_introspections_total" Counter ["issuer", "result"]
        "Questions asked of an issuer about opaque tokens.";
    AUTHORITY_EVENTS "portcullis_authority_events_total" Counter ["event"]
        "What the hosted authority did or refused, by the events of its audit log.";
    AUDIT_FAILURES "portcullis_audit_failures_total" Counter []
        "Writes and syncs of the audit log that have failed; what was not written was not done.";
    REVOCATIONS "portcullis_revocations" Gauge []
        "Tokens, grants and clients that the gateway refuses though their signature is good.";
    REVOCATIONS_AGE "portcullis_revocations_age_seconds" Gauge []
        "Since the revocations were last read from the store.";
    REVOCATIONS_FAILURES "portcullis_revocations_read_failures_total" Counter []
        "Times that the revocations could not be read from the store.";
    REVOCATIONS_TRUSTED "portcullis_revocations_trusted" Gauge []
        "1 as long as the revocations were read lately enough (`authority.revocations.stale_for`); 0: tokens of the authority are refused.";
    STORE_FAULTS "portcullis_store_faults_total" Counter ["store"]
        "Requests to the store that failed, where it counts them (PostgreSQL).";
    STORE_CONNECTIONS "portcullis_store_connections" Gauge ["store", "state"]
        "Connections to the store: `busy`, `idle`, and `most`, how many there may be.";
    STORE_LISTENS "portcullis_store_listens" Gauge ["store"]
        "1 while changes of other gateways are heard at once; 0: they are asked for, four times a second.";
    TOKEN_CACHE_ENTRIES "portcullis_token_cache_entries" Gauge ["cache"]
        "Entries of the token cache that the workers share.";
    LIMIT_KEYS "portcullis_limit_keys" Gauge ["route", "limit"]
        "Callers that a rate limit is counting.";
    SHARED_UP "portcullis_shared_up" Gauge []
        "1 while Redis answers and limits are counted together; 0 while each gateway counts for itself.";
    SHARED_NODES "portcullis_shared_nodes" Gauge []
        "Gateways of the fleet that were there in the last few seconds, as this one knows.";
    SHARED_CONNECTIONS "portcullis_shared_connections_total" Counter []
        "Connections to Redis that were made; more than one: it was away in between.";
    SHARED_COMMANDS "portcullis_shared_commands_total" Counter ["act", "result"]
        "Questions to Redis: take (from a limit), pay and pay_back (guesses), mark (what is good once), join (being there).";
    SHARED_DURATION "portcullis_shared_command_duration_seconds" Histogram ["act"]
        "From a question to Redis to its answer.";
    SHARED_UNITS "portcullis_shared_limit_units_total" Counter ["way"]
        "Units of shared limits: leased ahead of their use, and returned unused.";
    SHARED_WAITS "portcullis_shared_limit_waits_total" Counter []
        "Requests that waited for an answer about a limit: those of exact limits, and those that came before their share.";
    SHARED_FALLBACKS "portcullis_shared_fallbacks_total" Counter ["way"]
        "Requests whose limit could not be counted together: local counted here, refused where the file says so.";
    CONNECTIONS_OPEN "portcullis_connections_open" Gauge []
        "Client connections that are open.";
    CONNECTIONS_ACCEPTED "portcullis_connections_accepted_total" Counter []
        "Client connections accepted.";
    CONNECTIONS_REFUSED "portcullis_connections_refused_total" Counter ["cause"]
        "Client connections closed at once: limit: there were as many as the listener allows; address: the client had as many as one address may have.";
    TLS_FAILURES "portcullis_tls_handshake_failures_total" Counter []
        "TLS handshakes that failed or took too long.";
    RELOADS "portcullis_reloads_total" Counter ["result"]
        "Reloads of the configuration; refused: the old one stands.";
    CONFIG_LOADED "portcullis_config_loaded_timestamp_seconds" Gauge []
        "When the configuration in force was loaded.";
    CONFIG_GENERATION "portcullis_config_generation" Gauge []
        "Number of the configuration in force; counts up with each reload.";
    LOG_DROPPED "portcullis_access_log_lines_dropped_total" Counter []
        "Access-log lines thrown away because the log's reader was too slow.";
    EVENTS_DROPPED "portcullis_event_lines_dropped_total" Counter []
        "Events thrown away because their reader was too slow.";
    BUILD_INFO "portcullis_build_info" Gauge ["version"]
        "Always 1.";
    PROCESS_CPU "process_cpu_seconds_total" Counter []
        "User and system time of the process.";
    PROCESS_MEMORY "process_resident_memory_bytes" Gauge []
        "Resident memory of the process.";
    PROCESS_FDS "process_open_fds" Gauge []
        "Open file descriptors of the process.";
    PROCESS_MAX_FDS "process_max_fds" Gauge []
        "File descriptors the process may open.";
}
