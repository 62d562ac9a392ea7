//! From plan to running house, and from one house to the next.
//!
//! In: a file. Out: workers, listeners, a control plane, and one snapshot that is swapped whole at each reload. On any
//! failure of a reload the old house stands and the reason is told. The only room that knows all others.

pub mod ask;
mod console;
mod desk;
pub mod doctor;
mod doors;
mod history;
pub mod house;
pub mod inspect;
mod notify;
pub mod office;
pub mod open;
mod operators;
pub mod rehearsal;
mod reload;
pub mod run;
mod shutdown;
mod sources;
mod traffic;

pub use office::{Office, OfficeFault};
pub use run::{Options, RunFault, run};
