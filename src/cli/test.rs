//! `portcullis test`: the tests of the file, against the real decision code and without a socket.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{COULD_NOT_RUN, Format, PROBLEMS, terminal};
use crate::app::rehearsal::on_its_own;
use crate::app::rehearsal::tests::{self, Ran, Report, Suite};
use crate::config::{self, Files, NoFiles, Plan, Problems, Source};

/// What the command line says.
#[derive(clap::Args)]
pub struct Arguments {
    /// The configuration
    #[arg(default_value = "gateway.yaml")]
    file: PathBuf,
    /// A further file of tests; may be named more than once
    #[arg(long = "tests", value_name = "FILE")]
    more: Vec<PathBuf>,
    /// Do not look at the files and variables that the configuration names
    #[arg(long)]
    no_files: bool,
    /// Fail too when a route has no test
    #[arg(long)]
    all_routes: bool,
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// Runs all tests; exit 1 when one fails.
pub fn test(arguments: &Arguments) -> ExitCode {
    let loaded = if arguments.no_files { load(arguments, &NoFiles) } else { load(arguments, &Files) };
    let (plan, suites) = match loaded {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain!("{}", problems.render(terminal::stderr_takes_color()).trim_end());
            return ExitCode::from(if problems.could_not_read() { COULD_NOT_RUN } else { PROBLEMS });
        }
    };
    let human = arguments.format == Format::Human;
    let color = terminal::stdout_takes_color();
    let ran = on_its_own(async || {
        tests::run(&plan, &suites, |ran| {
            if human {
                show(ran, color);
            }
        })
        .await
    });
    let report = match ran {
        Ok(report) => report,
        Err(fault) => {
            complain!("portcullis cannot run the tests: {fault:#}");
            return ExitCode::from(COULD_NOT_RUN);
        }
    };
    if human {
        conclude(&report, color);
    } else {
        say!("{:#}", serde_json::to_value(&report).unwrap_or_default());
    }
    let untested = arguments.all_routes && !report.untouched.is_empty();
    if report.failed() > 0 || untested { ExitCode::from(PROBLEMS) } else { ExitCode::SUCCESS }
}

fn load(arguments: &Arguments, source: &dyn Source) -> Result<(Plan, Vec<Suite>), Problems> {
    let plan = config::load(&arguments.file, source)?;
    let name = |path: &Path| path.to_string_lossy().into_owned();
    let mut suites = vec![(name(&arguments.file), plan.tests.clone())];
    for file in &arguments.more {
        suites.push((name(file), config::load_tests(file, &plan, source)?));
    }
    Ok((plan, suites))
}

fn show(ran: &Ran, color: bool) {
    let paint = |text: &str, code: &str| terminal::painted(text, code, color);
    if ran.passed {
        say!("{}    {}  {}", paint("ok", "32"), ran.name, paint(&terminal::quoted(&ran.outcome), "2"));
        return;
    }
    say!("{}  {}  ({}:{})", paint("FAIL", "1;31"), ran.name, ran.file, ran.line);
    for miss in &ran.misses {
        say!("      {}", terminal::quoted(miss));
    }
    say!("      {}", paint(&terminal::quoted(&ran.why), "2"));
}

fn conclude(report: &Report, color: bool) {
    let (all, failed) = (report.tests.len(), report.failed());
    if !report.untouched.is_empty() {
        say!("\nroutes that no test touches:");
        for (name, line) in &report.untouched {
            say!("  {name}  (line {line})");
        }
    }
    let failing = format!("{failed} failed");
    let failing = if failed > 0 { terminal::painted(&failing, "1;31", color) } else { failing };
    say!("\n{all} tests, {} passed, {failing}", all - failed);
}
