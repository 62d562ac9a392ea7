//! Arguments in, exit code out.

use std::process::ExitCode;

/// Returns memory to the system after a burst of connections, where glibc's keeps it.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    portcullis::cli::main(std::env::args_os())
}
