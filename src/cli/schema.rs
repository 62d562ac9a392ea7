//! `portcullis schema`.

use std::process::ExitCode;

use crate::config;

/// Prints the JSON Schema of gateway.yaml.
pub fn schema() -> ExitCode {
    say!("{:#}", config::schema());
    ExitCode::SUCCESS
}
