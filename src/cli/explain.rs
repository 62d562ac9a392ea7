//! `portcullis explain`: why a request is let through or refused, by description, by token, or after the fact.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::{COULD_NOT_RUN, Format, PROBLEMS, terminal};
use crate::app::ask;
use crate::app::rehearsal::{Rehearsal, on_its_own};
use crate::config::plan::test::{Call, Described, Token};
use crate::config::{self, Files, Plan};
use crate::observe::explanation::{Explanation, Outcome, Verdict};

/// What the command line says.
#[derive(clap::Args)]
pub struct Arguments {
    /// `METHOD URL` for a described request, or the `X-Request-Id` of one that a running gateway has judged
    #[arg(required = true, num_args = 1..=2, value_names = ["METHOD URL | REQUEST_ID"])]
    what: Vec<String>,
    /// The configuration
    #[arg(long, short, default_value = "gateway.yaml")]
    file: PathBuf,
    /// Address of the running gateway's admin listener; by default the one of the configuration
    #[arg(long)]
    admin: Option<String>,
    /// A real token; `-` reads it from standard input, where no history keeps it
    #[arg(long, conflicts_with_all = ["scope", "role", "client", "subject", "issuer", "claim"])]
    token: Option<String>,
    /// A scope that the described token has
    #[arg(long)]
    scope: Vec<String>,
    /// A role that it has
    #[arg(long)]
    role: Vec<String>,
    /// The client it was issued to
    #[arg(long)]
    client: Option<String>,
    /// Whose it is
    #[arg(long)]
    subject: Option<String>,
    /// Who issued it; by default the first issuer of the file
    #[arg(long)]
    issuer: Option<String>,
    /// A claim, as NAME=VALUE
    #[arg(long, value_name = "NAME=VALUE")]
    claim: Vec<String>,
    /// Address of the caller
    #[arg(long, default_value = "127.0.0.1")]
    from: IpAddr,
    /// A header of the request, as NAME: VALUE
    #[arg(long, short = 'H', value_name = "NAME: VALUE")]
    header: Vec<String>,
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// Exit 0 on allow, 1 on deny, 2 when it cannot say.
pub fn explain(arguments: &Arguments) -> ExitCode {
    let explained = match arguments.what.as_slice() {
        [method, url] => described(arguments, &format!("{method} {url}")),
        [request_id, ..] => decided(arguments, request_id).map(|explanation| (explanation, None)),
        [] => Err(anyhow::anyhow!("name a request")),
    };
    match explained {
        Ok((explanation, upstream)) => {
            match arguments.format {
                Format::Human => match terminal::all_quoted(&(explanation.clone(), upstream)) {
                    Ok((explanation, upstream)) => show(&explanation, upstream.as_ref()),
                    Err(fault) => complain!("portcullis cannot show this: {fault}"),
                },
                Format::Json => {
                    let mut value = serde_json::to_value(&explanation).unwrap_or_default();
                    if let (Some(map), Some(upstream)) = (value.as_object_mut(), upstream) {
                        map.insert("upstream_would_receive".to_owned(), upstream);
                    }
                    say!("{value:#}");
                }
            }
            match explanation.outcome {
                Verdict::Allowed | Verdict::Observed => ExitCode::SUCCESS,
                Verdict::Refused => ExitCode::from(PROBLEMS),
            }
        }
        Err(fault) => {
            complain!("portcullis cannot explain this: {fault:#}");
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

type Explained = (Explanation, Option<Value>);

fn described(arguments: &Arguments, request: &str) -> anyhow::Result<Explained> {
    let plan = load(arguments)?;
    let (method, host, target) = config::call(request).map_err(anyhow::Error::msg)?;
    let token = token(arguments, &plan)?;
    let headers = arguments.header.iter().map(|line| header(line)).collect::<anyhow::Result<_>>()?;
    let call = Call { method, host, target, token, from: arguments.from, headers, body: None, at: None };
    on_its_own(async || {
        let rehearsal = match &call.token {
            Token::Given(_) => Rehearsal::real(&plan).await?,
            Token::None | Token::Described(_) => Rehearsal::staged(&plan)?,
        };
        let told = rehearsal.call(&call, None).await?;
        Ok((told.explanation, told.upstream))
    })
}

fn load(arguments: &Arguments) -> anyhow::Result<Plan> {
    config::load(&arguments.file, &Files).map_err(|problems| {
        anyhow::anyhow!("the configuration has problems:\n{}", problems.render(terminal::stderr_takes_color()))
    })
}

fn token(arguments: &Arguments, plan: &Plan) -> anyhow::Result<Token> {
    if let Some(token) = &arguments.token {
        return Ok(Token::Given(super::token::read(Some(token.clone()))?));
    }
    let named = [&arguments.client, &arguments.subject, &arguments.issuer].into_iter().flatten().next();
    if named.is_none() && [&arguments.scope, &arguments.role, &arguments.claim].iter().all(|list| list.is_empty()) {
        return Ok(Token::None);
    }
    if let Some(issuer) = &arguments.issuer {
        let known = plan.issuer_names();
        let names = known.iter().map(|name| name.to_string()).collect::<Vec<_>>().join(", ");
        anyhow::ensure!(known.iter().any(|name| **name == **issuer), "there is no issuer `{issuer}`; there is {names}");
    }
    let claim = |text: &String| {
        let (name, value) = text.split_once('=').ok_or_else(|| anyhow::anyhow!("`{text}` is not NAME=VALUE"))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        Ok((name.to_owned(), value))
    };
    Ok(Token::Described(Box::new(Described {
        scopes: arguments.scope.clone(),
        roles: arguments.role.clone(),
        client: arguments.client.clone(),
        subject: arguments.subject.clone(),
        issuer: arguments.issuer.clone(),
        claims: arguments.claim.iter().map(claim).collect::<anyhow::Result<_>>()?,
        ..Described::default()
    })))
}

fn header(line: &str) -> anyhow::Result<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':').ok_or_else(|| anyhow::anyhow!("`{line}` is not `NAME: VALUE`"))?;
    Ok((name.trim().parse()?, value.trim().parse()?))
}

fn decided(arguments: &Arguments, request_id: &str) -> anyhow::Result<Explanation> {
    let admin = match &arguments.admin {
        Some(admin) => admin.clone(),
        None => format!("http://{}", load(arguments)?.admin),
    };
    ask::decision(&admin, request_id)
}

fn show(explanation: &Explanation, upstream: Option<&Value>) {
    let color = terminal::stdout_takes_color();
    let paint = |text: &str, code: &str| terminal::painted(text, code, color);
    let (word, code) = match explanation.outcome {
        Verdict::Allowed => ("ALLOWED", "1;32"),
        Verdict::Refused => ("REFUSED", "1;31"),
        Verdict::Observed => ("OBSERVED", "1;33"),
    };
    let reason = explanation.code.as_deref().map_or_else(String::new, |code| format!(" {code}"));
    say!("{}  {}{reason}", paint(word, code), explanation.status);
    say!("{}", explanation.summary);
    if let Some(advice) = &explanation.advice {
        say!("{} {advice}", paint("What to do:", "1"));
    }
    let request = &explanation.request;
    let scheme = if request.tls { "https" } else { "http" };
    say!("\n{}", paint("request", "1"));
    say!(
        "  {} {scheme}://{}{}  from {}, HTTP/{}",
        request.method,
        request.host,
        request.path,
        request.client,
        request.version
    );
    say!("  id {}, {}, configuration {}", explanation.request_id, explanation.at, explanation.generation);
    if !explanation.considered.is_empty() {
        say!("\n{}", paint("routes", "1"));
        for route in &explanation.considered {
            let line = route.line.map_or_else(String::new, |line| format!(" (line {line})"));
            say!("  {}{line}: {}", route.pattern, route.why);
        }
    }
    if let Some(caller) = &explanation.caller {
        let who = caller.subject.as_deref().or(caller.client.as_deref()).unwrap_or("somebody");
        say!("\n{}", paint("caller", "1"));
        say!(
            "  {who}, client {}, by issuer {}; {}",
            caller.client.as_deref().unwrap_or("-"),
            caller.issuer,
            caller.verified
        );
        if let Some(key) = &caller.key {
            say!("  signed with key {key}");
        }
    }
    if !explanation.token_says.is_empty() {
        say!("\n{}", paint("the token says, unproved", "1"));
        for (name, text) in &explanation.token_says {
            say!("  {name} {text:?}");
        }
    }
    say!("\n{}", paint("checks", "1"));
    for step in &explanation.steps {
        let (word, code) = match step.outcome {
            Outcome::Passed => ("passed  ", "32"),
            Outcome::Refused => ("REFUSED ", "1;31"),
            Outcome::Observed => ("observed", "1;33"),
            Outcome::NotReached => ("-       ", "2"),
        };
        let seen = if step.seen.is_empty() { String::new() } else { format!("; seen: {}", step.seen) };
        say!("  {} {:8} needed: {}{seen}", paint(word, code), step.step, step.needed);
    }
    show_answer(explanation, upstream);
}

fn show_answer(explanation: &Explanation, upstream: Option<&Value>) {
    let color = terminal::stdout_takes_color();
    if let Some(answered) = &explanation.answered_by {
        say!("\n{} {answered}", terminal::painted("answered by", "1", color));
    }
    let headers: Vec<(String, String)> = match upstream.and_then(|upstream| upstream.get("headers")?.as_object()) {
        Some(map) => {
            map.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
        }
        None => explanation.upstream_receives.clone(),
    };
    if explanation.outcome != Verdict::Refused && !headers.is_empty() {
        say!("\n{}", terminal::painted("the upstream receives", "1", color));
        for (name, value) in headers {
            say!("  {name}: {value}");
        }
    }
}
