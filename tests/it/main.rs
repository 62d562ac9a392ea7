//! The end-to-end tests: the real binary, real sockets, real counterparts. One binary, a module per behaviour.
#![allow(clippy::disallowed_methods, reason = "tests may look at the clock and the environment")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what goes wrong in a test fails it, helpers included"
)]

mod support;

mod administration;
mod agreement;
mod apache;
mod architecture;
mod attacks;
mod audit;
mod authority;
mod browser;
mod clients;
mod command_line;
mod conformance;
mod dashboards;
mod deployment;
mod engines;
mod explains;
mod faults;
mod fleet;
mod from_node;
mod fuzz;
mod grants;
mod life;
mod proxying;
mod readme;
mod reasons;
mod shared;
mod streams;
mod systemd;
mod tokens;
mod wycheproof;
