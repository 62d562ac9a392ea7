//! `portcullis user …`: people who log in.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::{Format, office, table};
use crate::authority::administration::{NewUser, Refused, UserLine};
use crate::ground::Secret;

/// What can be done with users.
#[derive(Subcommand)]
pub enum Command {
    /// Keep a new user; the password is asked for, or read from standard input
    Add {
        name: String,
        #[arg(long)]
        email: Option<String>,
        /// A role; may be repeated
        #[arg(long = "role")]
        roles: Vec<String>,
        /// A hash of the password in place of the password (Argon2id, bcrypt, scrypt, PBKDF2)
        #[arg(long)]
        hash: Option<String>,
        /// Without a password: cannot log in by one
        #[arg(long, conflicts_with = "hash")]
        no_password: bool,
    },
    /// List all users
    List {
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Set a password; the user is signed out everywhere
    Passwd { name: String },
    /// Set the roles of a user to exactly these
    Roles { name: String, roles: Vec<String> },
    /// Refuse a user and end sessions and grants
    Disable { name: String },
    /// Take a disabled user back
    Enable { name: String },
    /// Take the second factor away, for who has lost device and recovery codes
    ResetSecondFactor { name: String },
    /// Forget a user
    Remove { name: String },
}

/// Runs one of them on the store of `file`.
pub fn user(command: Command, file: PathBuf) -> ExitCode {
    office::run(&file, async |office| {
        let administration = &office.administration;
        match command {
            Command::Add { name, email, roles, hash, no_password } => {
                let password = if hash.is_some() || no_password { None } else { Some(password()?) };
                let new = NewUser { name: name.clone(), email, roles, password, hash };
                say!("user {name} is kept as {}", administration.add_user(new).await?);
            }
            Command::List { format } => list(&administration.users().await?, format),
            Command::Passwd { name } => {
                administration.set_password(&name, password()?).await?;
                say!("the password of {name} is set; sessions and grants have ended");
            }
            Command::Roles { name, roles } => {
                administration.set_roles(&name, roles).await?;
                say!("the roles of {name} are set");
            }
            Command::Disable { name } => {
                administration.disable_user(&name, true).await?;
                say!("user {name} is disabled; sessions and grants have ended");
            }
            Command::Enable { name } => {
                administration.disable_user(&name, false).await?;
                say!("user {name} is enabled");
            }
            Command::ResetSecondFactor { name } => {
                administration.remove_second_factor(&name).await?;
                say!("user {name} has no second factor any more");
            }
            Command::Remove { name } => {
                administration.remove_user(&name).await?;
                say!("user {name} is gone");
            }
        }
        Ok::<(), Refused>(())
    })
}

/// From the terminal, twice and unseen; from a pipe, its first line.
fn password() -> Result<Secret, Refused> {
    let unread = |cause: std::io::Error| Refused::Wish(format!("the password cannot be read: {cause}"));
    if !std::io::stdin().is_terminal() {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map_err(unread)?;
        return Ok(Secret::new(line.trim_end_matches(['\r', '\n'])));
    }
    let first = Secret::new(rpassword::prompt_password("password: ").map_err(unread)?);
    let second = Secret::new(rpassword::prompt_password("once more: ").map_err(unread)?);
    if first != second {
        return Err(Refused::Wish("the two are not the same".to_owned()));
    }
    Ok(first)
}

fn list(users: &[UserLine], format: Format) {
    if format == Format::Json {
        let one = |user: &UserLine| {
            json!({
                "id": user.id, "name": user.name, "email": user.email, "roles": user.roles,
                "origin": origin(user), "disabled": user.disabled, "password": user.has_password,
                "second_factor": user.has_second_factor, "made": table::moment(user.made),
            })
        };
        say!("{:#}", serde_json::Value::from(users.iter().map(one).collect::<Vec<_>>()));
        return;
    }
    let row = |user: &UserLine| {
        let proof = match (user.has_password, user.has_second_factor) {
            (true, true) => "password, second factor",
            (true, false) => "password",
            (false, _) => "none",
        };
        vec![
            user.name.clone(),
            user.id.clone(),
            origin(user).to_owned(),
            table::list(&user.roles),
            proof.to_owned(),
            user.email.clone().unwrap_or_else(|| "-".to_owned()),
            if user.disabled { "disabled" } else { "good" }.to_owned(),
        ]
    };
    table::print(
        &["name", "id", "origin", "roles", "proof", "e-mail", "state"],
        &users.iter().map(row).collect::<Vec<_>>(),
    );
}

fn origin(user: &UserLine) -> &'static str {
    if user.from_file { "file" } else { "command" }
}
