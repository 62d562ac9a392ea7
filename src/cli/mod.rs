//! What a person types: the commands as an enum and one match, a file per command.
//!
//! In: arguments. Out: text on the terminal and an exit code: 0 clean, 1 problems, 2 could not run. The only room that
//! talks to the terminal, and only by `terminal.rs`: `println` would end the program where nobody reads any more.

/// A line for whoever typed the command.
macro_rules! say {
    ($($part:tt)*) => { $crate::cli::terminal::line(format_args!($($part)*)) };
}

/// A line for whoever typed the command, beside what was asked for.
macro_rules! complain {
    ($($part:tt)*) => { $crate::cli::terminal::complaint(format_args!($($part)*)) };
}

mod audit;
mod check;
mod client;
mod doctor;
mod explain;
mod grant;
mod key;
mod office;
mod ready;
mod run;
mod schema;
mod table;
mod terminal;
mod test;
mod token;
mod transfer;
mod user;
mod whole;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Something was wrong with what was looked at.
const PROBLEMS: u8 = 1;
/// The command itself could not run.
const COULD_NOT_RUN: u8 = 2;

#[derive(Parser)]
#[command(name = "portcullis", version, about = "An OAuth 2.0 gateway in one binary, configured by one file")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway; SIGHUP reloads the file, SIGTERM drains and ends
    Run {
        /// The configuration
        #[arg(default_value = "gateway.yaml")]
        file: PathBuf,
        /// Workers; by default one per core that may be used
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
        workers: Option<u16>,
        /// Which events are logged: `info`, `debug`, `portcullis::audit=info`
        #[arg(long, env = "PORTCULLIS_LOG")]
        log: Option<String>,
    },
    /// Check the configuration: prints every problem, or who may call what, or what a change opens and closes
    Check(check::Arguments),
    /// Run the tests of the configuration against the real decision code, without a socket
    Test(test::Arguments),
    /// Say why a request is let through or refused: `explain GET /v1/orders/7 --scope orders:read`, or `explain REQUEST_ID`
    Explain(Box<explain::Arguments>),
    /// Try on a running gateway what an attacker would try first: forged headers, odd paths, bad tokens
    Doctor(doctor::Arguments),
    /// Ask a running gateway whether traffic may come: exit 0 if so, 1 if not, 2 if it does not answer; for health checks
    Ready(ready::Arguments),
    /// Print the JSON Schema of the configuration, for editors
    Schema,
    /// Clients: programs that may ask for tokens
    Client {
        #[command(subcommand)]
        command: client::Command,
        #[command(flatten)]
        of: Of,
    },
    /// Users: people who log in
    User {
        #[command(subcommand)]
        command: user::Command,
        #[command(flatten)]
        of: Of,
    },
    /// Keys: what tokens are signed with
    Key {
        #[command(subcommand)]
        command: key::Command,
        #[command(flatten)]
        of: Of,
    },
    /// Grants: what people have allowed
    Grant {
        #[command(subcommand)]
        command: grant::Command,
        #[command(flatten)]
        of: Of,
    },
    /// Print clients and users that commands made, without clear secrets; or everything, for another store
    Export {
        /// Everything that the store has: keys, users, sessions, grants, revocations; as secret as the store itself
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        of: Of,
    },
    /// Bring an export in, or the clients and users of another server
    Import {
        /// The export is one of `export --all`: fill an empty store with it, all or nothing
        #[arg(long, conflicts_with = "from")]
        all: bool,
        /// The export or dump; `-` for standard input
        text: PathBuf,
        /// What wrote it
        #[arg(long, value_enum, default_value_t)]
        from: transfer::From,
        /// Only say what it would change
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        of: Of,
    },
    /// The log of who did what
    Audit {
        #[command(subcommand)]
        command: audit::Command,
        #[command(flatten)]
        of: Of,
    },
    /// Look into a token and check it against the file
    Token {
        #[command(subcommand)]
        command: token::Command,
        #[command(flatten)]
        of: Of,
    },
}

/// Whose store it is about.
#[derive(Args)]
struct Of {
    /// The configuration
    #[arg(long, short, global = true, default_value = "gateway.yaml")]
    file: PathBuf,
}

/// How lists are printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Human,
    Json,
}

/// Runs one command.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(message) => {
            // Help and version are no failure; a wrong word is.
            let code = if message.use_stderr() { COULD_NOT_RUN } else { 0 };
            let _ = message.print();
            return ExitCode::from(code);
        }
    };
    match arguments.command {
        Command::Run { file, workers, log } => run::run(file, workers.map(usize::from), log),
        Command::Check(arguments) => check::check(&arguments),
        Command::Test(arguments) => test::test(&arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::Doctor(arguments) => doctor::doctor(&arguments),
        Command::Ready(arguments) => ready::ready(&arguments),
        Command::Schema => schema::schema(),
        Command::Client { command, of } => client::client(command, of.file),
        Command::User { command, of } => user::user(command, of.file),
        Command::Key { command, of } => key::key(command, of.file),
        Command::Grant { command, of } => grant::grant(command, of.file),
        Command::Export { all: true, of } => whole::export(of.file),
        Command::Export { all: false, of } => transfer::export(of.file),
        Command::Import { all: true, text, dry_run, of, .. } => whole::import(&text, dry_run, of.file),
        Command::Import { all: false, text, from, dry_run, of } => transfer::import(&text, from, dry_run, of.file),
        Command::Audit { command, of } => audit::audit(command, &of.file),
        Command::Token { command, of } => token::token(command, of.file),
    }
}
