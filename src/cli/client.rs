//! `portcullis client …`: programs that may ask for tokens.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Format, office, table};
use crate::authority::administration::{ClientLine, Refused};
use crate::authority::registration::Registration;
use crate::ground::duration;

/// What can be done with clients.
#[derive(Subcommand)]
pub enum Command {
    /// Keep a new client and show its secret once
    Add(Box<Add>),
    /// List all clients, those of the file too
    List {
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Give a client a new secret and show it once; the old one is good for a while
    Rotate {
        id: String,
        /// How long the old secret stays good: `24h`, `0s`
        #[arg(long, default_value = "24h", value_parser = duration::parse)]
        overlap: Duration,
    },
    /// Refuse a client and end everything that it holds
    Disable { id: String },
    /// Take a disabled client back
    Enable { id: String },
    /// Forget a client and end everything that it holds
    Remove { id: String },
}

/// What a new client is registered with.
#[derive(Args)]
pub struct Add {
    id: String,
    /// What people see on the consent page
    #[arg(long)]
    name: Option<String>,
    /// How it gets tokens: authorization_code, refresh_token, client_credentials; may be repeated
    #[arg(long = "grant", required = true)]
    grants: Vec<String>,
    /// A scope that it may have; may be repeated
    #[arg(long = "scope")]
    scopes: Vec<String>,
    /// Where browsers are sent back to; may be repeated
    #[arg(long = "redirect-uri")]
    redirect_uris: Vec<String>,
    /// Where browsers are sent after signing out; may be repeated
    #[arg(long = "post-logout-redirect-uri")]
    post_logout_redirect_uris: Vec<String>,
    /// It cannot keep a secret: a program in a browser or on a phone
    #[arg(long, conflicts_with = "keys_url")]
    public: bool,
    /// Address of its key set; it then proves itself by `private_key_jwt`
    #[arg(long)]
    keys_url: Option<String>,
    /// Audience of its tokens
    #[arg(long)]
    resource: Option<String>,
    /// Form of its access tokens: jwt or opaque
    #[arg(long)]
    token_format: Option<String>,
    /// No consent page: it is the operator's own
    #[arg(long)]
    trusted: bool,
}

/// Runs one of them on the store of `file`.
pub fn client(command: Command, file: PathBuf) -> ExitCode {
    office::run(&file, async |office| {
        let administration = &office.administration;
        match command {
            Command::Add(add) => {
                let id = add.id.clone();
                let has_secret = !add.public && add.keys_url.is_none();
                show_secret(&id, administration.add_client(&id, registration(*add), has_secret).await?);
            }
            Command::List { format } => list(&administration.clients().await?, format),
            Command::Rotate { id, overlap } => {
                show_secret(&id, Some(administration.rotate_client(&id, overlap).await?));
            }
            Command::Disable { id } => {
                administration.disable_client(&id, true).await?;
                say!("client {id} is disabled; what it held is revoked");
            }
            Command::Enable { id } => {
                administration.disable_client(&id, false).await?;
                say!("client {id} is enabled");
            }
            Command::Remove { id } => {
                administration.remove_client(&id).await?;
                say!("client {id} is gone; what it held is revoked");
            }
        }
        Ok::<(), Refused>(())
    })
}

fn registration(add: Add) -> Registration {
    let auth = match (add.public, add.keys_url.is_some()) {
        (true, _) => Some("none".to_owned()),
        (false, true) => Some("private_key_jwt".to_owned()),
        (false, false) => None,
    };
    Registration {
        name: add.name,
        auth,
        keys_url: add.keys_url,
        grants: add.grants,
        scopes: add.scopes,
        redirect_uris: add.redirect_uris,
        post_logout_redirect_uris: add.post_logout_redirect_uris,
        resource: add.resource,
        format: add.token_format,
        trusted: add.trusted,
        ..Registration::default()
    }
}

/// The secret alone stands on standard output, so that it can be piped to where it belongs.
fn show_secret(id: &str, secret: Option<String>) {
    match secret {
        Some(secret) => {
            complain!("the secret of client {id}, shown this once:");
            say!("{secret}");
        }
        None => say!("client {id} is kept; it has no secret"),
    }
}

fn list(clients: &[ClientLine], format: Format) {
    if format == Format::Json {
        let one = |client: &ClientLine| {
            let secrets: Vec<_> = client
                .secrets
                .iter()
                .map(|secret| {
                    json!({
                        "name": secret.name, "ends": secret.ends.map(table::moment),
                        "used": secret.used.map(table::moment),
                    })
                })
                .collect();
            json!({
                "id": client.id, "name": client.name, "origin": origin(client), "disabled": client.disabled,
                "grants": client.grants, "scopes": client.scopes, "secrets": secrets, "fault": client.fault,
            })
        };
        say!("{:#}", serde_json::Value::from(clients.iter().map(one).collect::<Vec<_>>()));
        return;
    }
    let row = |client: &ClientLine| {
        let secrets: Vec<String> = client
            .secrets
            .iter()
            .map(|secret| format!("{} (used {})", secret.name, table::moment_or(secret.used, "never")))
            .collect();
        let state = match (&client.fault, client.disabled) {
            (Some(fault), _) => format!("cannot be used: {fault}"),
            (None, true) => "disabled".to_owned(),
            (None, false) => "good".to_owned(),
        };
        vec![
            client.id.clone(),
            origin(client).to_owned(),
            table::list(&client.grants),
            table::list(&client.scopes),
            if secrets.is_empty() { "none".to_owned() } else { secrets.join(", ") },
            state,
        ]
    };
    table::print(
        &["id", "origin", "grants", "scopes", "secrets", "state"],
        &clients.iter().map(row).collect::<Vec<_>>(),
    );
}

fn origin(client: &ClientLine) -> &'static str {
    if client.from_file { "file" } else { "command" }
}
