//! `portcullis grant …`: what people have allowed.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Format, office, table};
use crate::authority::administration::{GrantLine, Refused};

/// What can be done with grants.
#[derive(Subcommand)]
pub enum Command {
    /// List live grants, latest first
    List {
        #[command(flatten)]
        whose: Whose,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        most: usize,
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Revoke one grant, or all of a user or client, with their tokens
    Revoke {
        id: Option<String>,
        #[command(flatten)]
        whose: Whose,
    },
}

#[derive(Args)]
pub struct Whose {
    /// Of this user
    #[arg(long)]
    user: Option<String>,
    /// To this client
    #[arg(long)]
    client: Option<String>,
}

/// Runs one of them on the store of `file`.
pub fn grant(command: Command, file: PathBuf) -> ExitCode {
    office::run(&file, async |office| {
        let administration = &office.administration;
        match command {
            Command::List { whose, most, format } => {
                let (user, client) = (whose.user.as_deref(), whose.client.as_deref());
                list(&administration.grants(user, client, most).await?, format);
            }
            Command::Revoke { id, whose } => {
                let (user, client) = (whose.user.as_deref(), whose.client.as_deref());
                match administration.revoke_grants(id.as_deref(), user, client).await? {
                    1 => say!("1 grant is revoked"),
                    count => say!("{count} grants are revoked"),
                }
            }
        }
        Ok::<(), Refused>(())
    })
}

fn list(grants: &[GrantLine], format: Format) {
    if format == Format::Json {
        let one = |grant: &GrantLine| {
            json!({
                "id": grant.id, "client": grant.client, "user": grant.user, "scope": grant.scope,
                "offline": grant.offline, "made": table::moment(grant.made), "used": table::moment(grant.used),
                "ends": table::moment(grant.ends),
            })
        };
        say!("{:#}", serde_json::Value::from(grants.iter().map(one).collect::<Vec<_>>()));
        return;
    }
    let row = |grant: &GrantLine| {
        vec![
            grant.id.clone(),
            grant.client.clone(),
            grant.user.clone(),
            table::moment(grant.used),
            table::moment(grant.ends),
            grant.scope.clone(),
        ]
    };
    table::print(&["id", "client", "user", "used", "ends", "scope"], &grants.iter().map(row).collect::<Vec<_>>());
}
