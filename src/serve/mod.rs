//! HTTP in: a worker per core, an engine per protocol, and the pipeline that every request walks.
//!
//! In: sockets from `listen`, a `Snapshot` from `app`. Out: answers, and one `Record` per request to `observe`. The only
//! place where gate, forward and authority meet. Nothing here is shared between workers on a request's way: snapshot,
//! token table, pools, counters and log buffer each have a copy per worker. Knows no YAML and no policy of its own.

pub mod accept;
pub mod answer;
pub mod connection;
pub mod crowd;
pub mod decisions;
pub mod explain;
pub mod frames;
pub mod framing;
mod hyper;
pub mod pipeline;
pub mod places;
pub mod recorded;
pub mod reply;
pub mod service;
pub mod snapshot;
pub mod stream;
pub mod strict;
pub mod worker;

pub use service::Gateway;
pub use snapshot::{Destination, Door, Forwarding, Route, Snapshot};
pub use worker::{Order, Shared, Worker};
