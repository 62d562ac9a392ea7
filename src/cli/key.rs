//! `portcullis key …`: what tokens are signed with.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::{Format, office, table};
use crate::authority::administration::{KeyLine, Refused};

/// What can be done with keys.
#[derive(Subcommand)]
pub enum Command {
    /// List all keys: which signs, which is waiting, which is kept for old tokens
    List {
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Make successors: published now, in use in a day, so that no token fails
    Rotate {
        /// Of this algorithm alone
        #[arg(long)]
        algorithm: Option<String>,
        /// A key is in wrong hands: the old ones are gone now, and every token that they signed is refused
        #[arg(long)]
        now: bool,
    },
}

/// Runs one of them on the store of `file`.
pub fn key(command: Command, file: PathBuf) -> ExitCode {
    office::run(&file, async |office| {
        match command {
            Command::List { format } => list(&office.administration.keys().await?, format),
            Command::Rotate { algorithm, now } => {
                for key in office.administration.rotate_keys(algorithm.as_deref(), now).await? {
                    say!("{} key {} signs from {}", key.algorithm, key.id, table::moment(key.starts));
                }
            }
        }
        Ok::<(), Refused>(())
    })
}

fn list(keys: &[KeyLine], format: Format) {
    if format == Format::Json {
        let one = |key: &KeyLine| {
            json!({
                "id": key.id, "algorithm": key.algorithm, "made": table::moment(key.made),
                "starts": table::moment(key.starts), "ends": key.ends.map(table::moment), "state": state(key),
            })
        };
        say!("{:#}", serde_json::Value::from(keys.iter().map(one).collect::<Vec<_>>()));
        return;
    }
    let row = |key: &KeyLine| {
        vec![
            key.algorithm.clone(),
            key.id.clone(),
            table::moment(key.made),
            table::moment(key.starts),
            table::moment_or(key.ends, "-"),
            state(key).to_owned(),
        ]
    };
    table::print(
        &["algorithm", "id", "made", "signs from", "gone at", "state"],
        &keys.iter().map(row).collect::<Vec<_>>(),
    );
}

fn state(key: &KeyLine) -> &'static str {
    match (key.signs, key.ends) {
        (true, _) => "signs",
        (false, Some(_)) => "verifies",
        (false, None) => "waits",
    }
}
