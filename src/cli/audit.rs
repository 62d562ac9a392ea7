//! `portcullis audit …`: is the log of who did what whole, and what does it say?

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{COULD_NOT_RUN, Format, PROBLEMS, terminal};
use crate::config::{self, NoFiles};
use crate::observe::audit::{self, Verdict};

/// What can be done with the log.
#[derive(Subcommand)]
pub enum Command {
    /// Look at every line of all its files; exit 1 when something was changed, removed or added
    Verify {
        /// The log; by default the one that the configuration names
        log: Option<PathBuf>,
    },
    /// Print events
    Show {
        /// The log; by default the one that the configuration names
        log: Option<PathBuf>,
        #[command(flatten)]
        which: Which,
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
}

#[derive(Args)]
pub struct Which {
    /// Only events whose name begins so: `login`, `refresh.replayed`
    #[arg(long)]
    event: Option<String>,
    /// Only those about this user
    #[arg(long)]
    subject: Option<String>,
    /// Only those about this client
    #[arg(long)]
    client: Option<String>,
    /// Only those from then on: `2026-11-25`, `2026-11-25T10:00:00Z`
    #[arg(long)]
    since: Option<String>,
}

/// Runs one of them; `file` is the configuration.
pub fn audit(command: Command, file: &Path) -> ExitCode {
    let (Command::Verify { log } | Command::Show { log, .. }) = &command;
    let log = match log.clone().map_or_else(|| named_by(file), Ok) {
        Ok(log) => log,
        Err(text) => {
            complain!("{}", text.trim_end());
            return ExitCode::from(COULD_NOT_RUN);
        }
    };
    let verdict = match &command {
        Command::Verify { .. } => audit::verify(&log, |_| ()),
        Command::Show { which, format, .. } => audit::verify(&log, |line| show(line, which, *format)),
    };
    match (verdict, command) {
        (Err(fault), _) => {
            complain!("portcullis: the log {} cannot be read: {fault}", log.display());
            ExitCode::from(COULD_NOT_RUN)
        }
        (Ok(verdict), Command::Verify { .. }) => tell(&verdict),
        (Ok(verdict), Command::Show { .. }) if verdict.damages.is_empty() => ExitCode::SUCCESS,
        (Ok(_), Command::Show { .. }) => {
            complain!("the log is not whole: `portcullis audit verify` says where");
            ExitCode::from(PROBLEMS)
        }
    }
}

fn named_by(file: &Path) -> Result<PathBuf, String> {
    let plan = config::load(file, &NoFiles).map_err(|problems| problems.render(terminal::stderr_takes_color()))?;
    let authority = plan.authority.ok_or("portcullis: the file has no `authority`, so it has no audit log\n")?;
    Ok(authority.audit.file)
}

fn tell(verdict: &Verdict) -> ExitCode {
    for damage in &verdict.damages {
        say!("{}:{}: {}", damage.file.display(), damage.line, damage.what);
    }
    if let Some(begins_at) = &verdict.begins_at {
        say!("older files were removed; the first line goes on from {begins_at}");
    }
    let files = if verdict.files == 1 { "1 file".to_owned() } else { format!("{} files", verdict.files) };
    let damages = verdict.damages.len();
    say!(
        "{} events in {files}: {}",
        verdict.lines,
        if damages == 0 { "whole".into() } else { format!("{damages} damages") }
    );
    say!("last hash {}", verdict.last);
    if damages == 0 { ExitCode::SUCCESS } else { ExitCode::from(PROBLEMS) }
}

fn show(line: &str, which: &Which, format: Format) {
    let Ok(event) = serde_json::from_str::<Value>(line) else { return };
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let is = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| text(name) == wanted);
    let begins = which.event.as_ref().is_none_or(|wanted| text("event").starts_with(wanted));
    let is_late = which.since.as_ref().is_none_or(|since| text("at") >= since.as_str());
    if !(begins && is_late && is(&which.subject, "subject") && is(&which.client, "client")) {
        return;
    }
    if format == Format::Json {
        say!("{line}");
        return;
    }
    let fields = ["subject", "client", "grant", "session", "id", "scope", "detail", "source", "request_id"];
    let told = fields.iter().filter(|name| !text(name).is_empty()).map(|name| format!("{name}={:?}", text(name)));
    say!(
        "{}  {:<28} {}",
        terminal::quoted(text("at")),
        terminal::quoted(text("event")),
        told.collect::<Vec<_>>().join(" ")
    );
}
