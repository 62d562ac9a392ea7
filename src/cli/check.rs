//! `portcullis check`.

use std::path::Path;
use std::process::ExitCode;

use super::{COULD_NOT_RUN, PROBLEMS, terminal};
use crate::config::source::{Files, NoFiles};
use crate::config::{self, Problems, map};

/// Prints every problem, or the access map.
pub fn check(file: &Path, no_files: bool, json: bool) -> ExitCode {
    let loaded = if no_files { config::load(file, &NoFiles) } else { config::load(file, &Files) };
    match loaded {
        Ok(plan) if json => {
            println!("{:#}", map::json(&plan));
            ExitCode::SUCCESS
        }
        Ok(plan) => {
            print!("{}", map::text(&plan));
            ExitCode::SUCCESS
        }
        Err(problems) => {
            show(&problems, json);
            ExitCode::from(if problems.could_not_read() { COULD_NOT_RUN } else { PROBLEMS })
        }
    }
}

/// Problems are what was asked for: they go to standard output in JSON, and to standard error for people.
fn show(problems: &Problems, json: bool) {
    if json {
        println!("{:#}", problems.to_json());
    } else {
        eprint!("{}", problems.render(terminal::stderr_takes_color()));
    }
}
