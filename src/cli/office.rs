//! What the commands that administer the authority have in common: the store of a file, and how they end.

use std::path::Path;
use std::process::ExitCode;

use super::{COULD_NOT_RUN, PROBLEMS, terminal};
use crate::app::{Office, OfficeFault};
use crate::authority::administration::Refused;

/// Opens the store of `file`, runs `act` on it, and says how it ended: 0 done, 1 refused, 2 could not run.
pub fn run<F>(file: &Path, act: impl FnOnce(Office) -> F) -> ExitCode
where
    F: Future<Output = Result<(), Refused>>,
{
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime,
        Err(fault) => return could_not_run(&fault.to_string()),
    };
    runtime.block_on(async {
        let office = match Office::open(file).await {
            Ok(office) => office,
            Err(OfficeFault::Problems(problems)) => {
                complain!("{}", problems.render(terminal::stderr_takes_color()).trim_end());
                return ExitCode::from(if problems.could_not_read() { COULD_NOT_RUN } else { PROBLEMS });
            }
            Err(OfficeFault::Fault(fault)) => return could_not_run(&format!("{fault:#}")),
        };
        match act(office).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(Refused::Wish(text)) => {
                complain!("portcullis: {text}");
                ExitCode::from(PROBLEMS)
            }
            Err(Refused::Store(fault)) => could_not_run(&fault.to_string()),
            Err(Refused::Audit(fault)) => could_not_run(&format!("it is done, but {fault}")),
        }
    })
}

fn could_not_run(text: &str) -> ExitCode {
    complain!("portcullis cannot run: {text}");
    ExitCode::from(COULD_NOT_RUN)
}
