//! The gate judges; it never forwards and never stores. Each file is one policy: a compiled type with one verb.
//!
//! In: a borrowed view of the request's head (`Head`), the peer, verified claims. Out: a `Permit`, or a `Refusal` that
//! says which check failed, what it needed and what it saw. Policies are written against `Head`, not against hyper's
//! types, so that every engine in `serve` is judged by the same lines. Knows neither `forward` nor `authority`, no YAML,
//! and does no I/O but to wait for `token`, and for what a fleet counts together (`store`'s `Counters`).
//!
//! # One page of attacks
//!
//! The famous bugs of gateways, what stops each of them here, and the test that proves it.
//!
//! | bug, and where it was seen | what stops it | test |
//! |---|---|---|
//! | Request smuggling (`Content-Length` against `Transfer-Encoding`, twice, `005`) | `admit` takes one plain number or exactly `chunked`; all else ends the connection | `admit`: `a_body_has_one_length` |
//! | Path normalisation bypass (Envoy `%2F`, Traefik `%2e`, Spring `;`, OPA `//`) | `admit::path` gives the one spelling that is matched, logged and forwarded; what has two readings is refused | `admit`: `a_path_with_two_readings_is_refused`, `canonicalising_twice_changes_nothing` |
//! | The policy reads one path, the router another (Malcolm, Pomerium) | `Head` is the only view that policies and `table` get, and it is made of `Admitted` | `proxying`: `an_upstream_gets_a_head_built_by_the_gateway` |
//! | A literal route dodged by encoding (`/a%2Bb`) | `table` compares decoded segments | `table`: `an_encoded_spelling_of_a_literal_is_that_literal` |
//! | `/**` that forgets the bare prefix or the trailing slash | the rest is offered at its own node too | `table`: `the_table_is_a_loop_over_all_routes` |
//! | Host confusion (two `Host`, `a, b`, `user@h`, absolute form, `:authority`) | `admit::host`: every host named is canonical and all are the same | `admit`: `a_host_has_one_reading` |
//! | TLS for one host, request for another (Traefik, nginx) | `serve::Door::same_certificate`: 421 | `listen::tls`: `the_server_name_chooses_the_certificate_and_the_first_serves_the_rest` |
//! | `CONNECT`, `TRACE`, method override headers | no pattern names them, `*` does not mean them; override headers are taken out | `table`: `without_any_route_for_the_method_the_allowed_ones_are_named` |
//! | `X-Forwarded-For: 127.0.0.1` (many) | believed from trusted proxies alone, rightmost hop that is not ours | `admit`: `only_a_trusted_proxy_says_who_the_client_is` |
//! | Identity headers spoofed, also as `X_User` and `X.User` (oauth2-proxy, Caddy, APISIX) | `caller::is_identity_name` folds names; names with `_` never pass | `caller`: `look_alikes_are_known_in_every_spelling` |
//! | `Connection: X-Auth-Subject` takes trust headers off (Apache, Traefik) | ours are set after hop-by-hop removal | `forward::rewrite`: `what_connection_names_takes_nothing_of_ours_away` |
//! | A claim that injects a header line | `Identity::new` percent-encodes | `caller`: `an_upstream_is_told_who_calls_in_single_lines` |
//! | `alg: none`, HS256 with the public key, `jwk`/`jku`/`crit` headers, key of another issuer | `token::jwt` takes asymmetric algorithms alone, bound to keys of the issuer that `iss` names | `token` |
//! | A cached verdict used on another route (Oathkeeper) | tables hold who, never whether | `tokens`: `opaque_tokens_are_asked_about_once_and_never_believed_past_their_end` |
//! | JWKS stampede and key-id floods | one fetch in flight, a budget per issuer | `tokens`: `keys_rotate_and_nothing_fails` |
//! | A condition that fails and so passes | an error, or a result that is no boolean, refuses | `condition`: `what_cannot_be_evaluated_does_not_hold` |
//! | Limits dodged by IPv4-mapped addresses, by walking a /64, by an unverified `sub` | one key per network; limits by token come after the token | `limit`: `one_customer_is_one_address_or_one_network` |
//! | CORS: `*` with credentials, origins by suffix, `null`; WebSocket from other pages | `Cors::new` cannot make it; origins are compared whole | `cors`, `proxying`: `pages_of_listed_origins_may_call_and_read_refusals` |
//! | Upgrade smuggling, h2c (Pingora, many) | nothing passes before 101; all upgrades but WebSocket are taken off | `proxying`: `an_upgrade_that_is_no_websocket_is_taken_off` |
//! | Input reflected in an error | refusals speak in fixed words and names of the file | `refusal`: `a_challenge_follows_rfc_6750` |

pub mod admit;
pub mod authenticate;
pub mod authorize;
pub mod caller;
pub mod condition;
pub mod cors;
pub mod head;
pub mod headers;
pub mod limit;
pub mod policy;
pub mod refusal;
pub mod table;

pub use authorize::Permit;
pub use caller::{Caller, Identity};
pub use head::Head;
pub use policy::Policy;
pub use refusal::Refusal;
