//! What every room may stand on: time, chance, secrets, sizes, header fields, bodies.
//!
//! Only nouns with a doc and tests. Nothing here knows HTTP policy or OAuth, does I/O (but for the system clock and the
//! system's random source, which are handed to everyone else) or reads the environment.

pub mod address;
pub mod body;
pub mod chunked;
pub mod clock;
pub mod cold;
pub mod digest;
pub mod duration;
pub mod fields;
pub mod message;
pub mod pieces;
pub mod plain;
pub mod random;
pub mod secret;
pub mod size;
pub mod spare;
pub mod turns;
pub mod wheel;

pub use body::{Body, BodyFault};
pub use clock::{Clock, ManualClock, SharedClock, SystemClock, Time};
pub use digest::Digest;
pub use fields::Fields;
pub use message::{Reply, RequestHead};
pub use random::{Random, SharedRandom, SystemRandom};
pub use secret::Secret;
pub use wheel::Wheel;
