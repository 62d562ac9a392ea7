//! `portcullis check`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{COULD_NOT_RUN, Format, PROBLEMS, terminal};
use crate::app::ask;
use crate::config::diff::{self, Model};
use crate::config::source::{Files, NoFiles};
use crate::config::{self, Plan, Problems, map};

/// What the command line says.
#[derive(clap::Args)]
pub struct Arguments {
    /// The configuration
    #[arg(default_value = "gateway.yaml")]
    file: PathBuf,
    /// Do not look at the files and variables that the configuration names
    #[arg(long)]
    no_files: bool,
    /// Say what the change opens and closes, against an older file or the gateway behind this admin address
    #[arg(long, value_name = "FILE | URL")]
    against: Option<String>,
    /// Exit 1 when the change opens something, or changes anything at all
    #[arg(long, value_enum, requires = "against")]
    fail_on: Option<FailOn>,
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// What a review stops at.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FailOn {
    Opening,
    Change,
}

/// Prints every problem, or the access map, or the access diff.
pub fn check(arguments: &Arguments) -> ExitCode {
    let json = arguments.format == Format::Json;
    let loaded = load(&arguments.file, arguments.no_files);
    match (loaded, &arguments.against) {
        (Ok(plan), Some(against)) => diff(arguments, &Model::of(&plan), against),
        (Ok(plan), None) if json => {
            say!("{:#}", map::json(&plan));
            ExitCode::SUCCESS
        }
        (Ok(plan), None) => {
            say!("{}", map::text(&plan).trim_end());
            ExitCode::SUCCESS
        }
        (Err(problems), _) => {
            show(&problems, json);
            ExitCode::from(if problems.could_not_read() { COULD_NOT_RUN } else { PROBLEMS })
        }
    }
}

fn load(file: &Path, no_files: bool) -> Result<Plan, Problems> {
    if no_files { config::load(file, &NoFiles) } else { config::load(file, &Files) }
}

fn diff(arguments: &Arguments, new: &Model, against: &str) -> ExitCode {
    let diff = before(against).and_then(|old| diff::diff(&old, new));
    let diff = match diff {
        Ok(diff) => diff,
        Err(fault) => {
            complain!("portcullis cannot compare with {against}: {fault}");
            return ExitCode::from(COULD_NOT_RUN);
        }
    };
    match arguments.format {
        Format::Human => say!("{}", diff.text().trim_end()),
        Format::Json => say!("{:#}", serde_json::to_value(&diff).unwrap_or_default()),
    }
    let stops = match arguments.fail_on {
        Some(FailOn::Opening) => diff.opens(),
        Some(FailOn::Change) => !diff.changes.is_empty(),
        None => false,
    };
    if stops { ExitCode::from(PROBLEMS) } else { ExitCode::SUCCESS }
}

/// The older configuration: a file, read without what it names, or what a running gateway says it is.
fn before(against: &str) -> Result<Model, String> {
    if against.starts_with("http://") || against.starts_with("https://") {
        return ask::access(against).map_err(|fault| format!("{fault:#}"));
    }
    match config::load(Path::new(against), &NoFiles) {
        Ok(plan) => Ok(Model::of(&plan)),
        Err(problems) => Err(format!("it has problems itself:\n{}", problems.render(terminal::stderr_takes_color()))),
    }
}

/// Problems are what was asked for: they go to standard output in JSON, and to standard error for people.
fn show(problems: &Problems, json: bool) {
    if json {
        say!("{:#}", problems.to_json());
    } else {
        complain!("{}", problems.render(terminal::stderr_takes_color()).trim_end());
    }
}
