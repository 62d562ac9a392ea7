//! Arguments in, exit code out.

use std::process::ExitCode;

/// Returns memory to the system after a burst of connections, where glibc's keeps it. Its second version (Cargo.toml): the third takes a detour for each
/// size that is no power of two, as it is asked with an alignment each time.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    portcullis::cli::main(std::env::args_os())
}
