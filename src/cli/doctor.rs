//! `portcullis doctor`: what an attacker would try first, tried on a running gateway.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{COULD_NOT_RUN, Format, PROBLEMS, terminal};
use crate::app::doctor::{self, Finding, Verdict};
use crate::config::{self, NoFiles};

/// What the command line says.
#[derive(clap::Args)]
pub struct Arguments {
    /// Address of the gateway; by default that of the first listener of the configuration
    url: Option<String>,
    /// The configuration that the gateway runs
    #[arg(long, short, default_value = "gateway.yaml")]
    file: PathBuf,
    /// A good token, for what can only be tried with one; `-` reads it from standard input
    #[arg(long)]
    token: Option<String>,
    /// Show what is good, too
    #[arg(long, short)]
    verbose: bool,
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// Exit 1 when something leaked.
pub fn doctor(arguments: &Arguments) -> ExitCode {
    let plan = match config::load(&arguments.file, &NoFiles) {
        Ok(plan) => plan,
        Err(problems) => {
            complain!("{}", problems.render(terminal::stderr_takes_color()).trim_end());
            return ExitCode::from(if problems.could_not_read() { COULD_NOT_RUN } else { PROBLEMS });
        }
    };
    let token = match arguments.token.clone().map(|token| super::token::read(Some(token))).transpose() {
        Ok(token) => token,
        Err(cause) => {
            complain!("portcullis: the token cannot be read: {cause}");
            return ExitCode::from(COULD_NOT_RUN);
        }
    };
    let human = arguments.format == Format::Human;
    let mut found = Vec::new();
    let examined = doctor::examine(&plan, arguments.url.as_deref(), token.as_deref(), &mut |finding| {
        if human && (arguments.verbose || finding.verdict != Verdict::Good) {
            show(&finding);
        }
        found.push(finding);
    });
    if let Err(fault) = examined {
        complain!("portcullis cannot examine the gateway: {fault:#}");
        return ExitCode::from(COULD_NOT_RUN);
    }
    let count = |verdict: Verdict| found.iter().filter(|finding| finding.verdict == verdict).count();
    let bad = count(Verdict::Bad);
    if human {
        let (good, look, skipped) = (count(Verdict::Good), count(Verdict::Look), count(Verdict::Skipped));
        say!("{} probes: {good} good, {bad} bad, {look} worth a look, {skipped} not tried", found.len());
    } else {
        say!("{:#}", serde_json::to_value(&found).unwrap_or_default());
    }
    if bad > 0 { ExitCode::from(PROBLEMS) } else { ExitCode::SUCCESS }
}

fn show(finding: &Finding) {
    let (word, code) = match finding.verdict {
        Verdict::Good => ("good", "32"),
        Verdict::Look => ("look", "1;33"),
        Verdict::Bad => ("BAD ", "1;31"),
        Verdict::Skipped => ("skip", "2"),
    };
    let word = terminal::painted(word, code, terminal::stdout_takes_color());
    say!("{word}  {:9} {}\n      {}", finding.about, finding.probe, terminal::quoted(&finding.detail));
}
