//! `portcullis ready`: what a health check asks where there is no curl.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::{COULD_NOT_RUN, PROBLEMS, terminal};
use crate::app::ask;

#[derive(Args)]
pub struct Arguments {
    /// Address of the gateway's admin listener
    #[arg(long, default_value = "http://127.0.0.1:9090")]
    admin: String,
}

/// Prints whether traffic may come, and what is not up.
pub fn ready(arguments: &Arguments) -> ExitCode {
    let (ready, told) = match ask::readiness(&arguments.admin) {
        Ok(answer) => answer,
        Err(fault) => {
            complain!("{fault:#}");
            return ExitCode::from(COULD_NOT_RUN);
        }
    };
    say!("{}", if ready { "ready" } else { "not ready" });
    for dependency in told.get("dependencies").and_then(Value::as_array).into_iter().flatten() {
        let text = |key| terminal::quoted(dependency.get(key).and_then(Value::as_str).unwrap_or_default());
        if text("state") != "up" {
            say!("{} {}: {} {}", text("kind"), text("name"), text("state"), text("detail"));
        }
    }
    if ready { ExitCode::SUCCESS } else { ExitCode::from(PROBLEMS) }
}
