//! What the steps of a request cost, one by one and all together, without sockets.
//!
//! `cargo bench --bench micro`, or with the name of a group (`-- routes`). Under a minute in all; `docs/benchmarks.md`
//! says how to read it. Each group is a module that knows nothing of the others.

#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench prints, measures time, and may panic"
)]

mod decision;
mod limits;
mod pipeline;
mod routes;
mod setting;
mod tokens;

use std::time::Duration;

use criterion::Criterion;

/// The one that the program uses.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .nresamples(2_000)
        .configure_from_args();
    routes::bench(&mut criterion);
    tokens::bench(&mut criterion);
    decision::bench(&mut criterion);
    limits::bench(&mut criterion);
    pipeline::bench(&mut criterion);
    criterion.final_summary();
}
