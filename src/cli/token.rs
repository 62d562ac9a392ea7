//! `portcullis token inspect`: what a token says, and what the file would say to it.

use std::io::{IsTerminal, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::{COULD_NOT_RUN, Format, PROBLEMS, terminal};
use crate::app::OfficeFault;
use crate::app::inspect::{self, Inspection, Outcome};

/// What can be done with tokens.
#[derive(Subcommand)]
pub enum Command {
    /// Decode a token and check it, a line per check; exit 1 when one fails
    Inspect {
        /// The token; without one, or with `-`, it is read from standard input, where no history keeps it
        token: Option<String>,
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
}

/// Runs it against `file`.
pub fn token(command: Command, file: PathBuf) -> ExitCode {
    let Command::Inspect { token, format } = command;
    let token = match read(token) {
        Ok(token) => token,
        Err(cause) => {
            complain!("portcullis: the token cannot be read: {cause}");
            return ExitCode::from(COULD_NOT_RUN);
        }
    };
    match inspected(&file, &token) {
        Ok(inspection) => {
            match format {
                Format::Human => show(&inspection),
                Format::Json => say!("{:#}", in_json(&inspection)),
            }
            let good = inspection.checks.iter().all(|(_, outcome)| matches!(outcome, Outcome::Good));
            if good { ExitCode::SUCCESS } else { ExitCode::from(PROBLEMS) }
        }
        Err(OfficeFault::Problems(problems)) => {
            complain!("{}", problems.render(terminal::stderr_takes_color()).trim_end());
            ExitCode::from(if problems.could_not_read() { COULD_NOT_RUN } else { PROBLEMS })
        }
        Err(OfficeFault::Fault(fault)) => {
            complain!("portcullis cannot run: {fault:#}");
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

pub(super) fn read(token: Option<String>) -> std::io::Result<String> {
    if let Some(token) = token.filter(|token| token != "-") {
        return Ok(token.trim().to_owned());
    }
    if std::io::stdin().is_terminal() {
        complain!("the token, then Ctrl-D:");
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

fn inspected(file: &Path, token: &str) -> Result<Inspection, OfficeFault> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.map_err(anyhow::Error::from)?.block_on(inspect::inspect(file, token))
}

fn show(inspection: &Inspection) {
    for (title, part) in [("header", &inspection.header), ("claims", &inspection.claims)] {
        if let Some(part) = part {
            say!("{title} {part:#}");
        }
    }
    let color = terminal::stdout_takes_color();
    let painted = |text: &str, code: &str| terminal::painted(text, code, color);
    for (check, outcome) in &inspection.checks {
        match outcome {
            Outcome::Good => say!("{}  {check}", painted("good   ", "32")),
            Outcome::Failed(why) => say!("{}  {check}: {}", painted("FAILED ", "31"), terminal::quoted(why)),
            Outcome::NotReached => say!("{}  {check}", painted("not yet", "2")),
        }
    }
}

fn in_json(inspection: &Inspection) -> Value {
    let check = |(check, outcome): &(&'static str, Outcome)| match outcome {
        Outcome::Good => json!({"check": check, "outcome": "good"}),
        Outcome::Failed(why) => json!({"check": check, "outcome": "failed", "why": why}),
        Outcome::NotReached => json!({"check": check, "outcome": "not_reached"}),
    };
    let checks: Vec<Value> = inspection.checks.iter().map(check).collect();
    json!({"header": inspection.header, "claims": inspection.claims, "checks": checks})
}
