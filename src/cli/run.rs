//! `portcullis run`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{COULD_NOT_RUN, PROBLEMS, terminal};
use crate::app::{self, Options, RunFault};

/// Runs until a signal ends it.
pub fn run(file: PathBuf, workers: Option<usize>, log_level: Option<String>) -> ExitCode {
    let options = Options {
        file,
        workers,
        terminal: terminal::stdout_is_terminal(),
        color: terminal::stdout_takes_color(),
        log_level,
    };
    match app::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(RunFault::Problems(problems)) => {
            complain!("{}", problems.render(terminal::stderr_takes_color()).trim_end());
            ExitCode::from(if problems.could_not_read() { COULD_NOT_RUN } else { PROBLEMS })
        }
        Err(RunFault::Fault(fault)) => {
            complain!("portcullis cannot run: {fault:#}");
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}
