//! What happened: one record per request, and the writers that tell it to people and machines.
//!
//! In: a `Record`, filled on its way through the house. Out: metrics, access-log lines. Never sees a token, a cookie or a
//! body. Never waits: shards are plain adds, lines go to a buffer that another thread writes.

pub mod audit;
pub mod events;
pub mod explanation;
pub mod log;
pub mod metrics;
pub mod reason;
pub mod record;
pub mod trace;

pub use audit::Audit;
pub use reason::Reason;
pub use record::Record;
