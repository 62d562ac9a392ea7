//! The README's commands, executed as they stand there.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// A block of commands and what the README says they print.
struct Step {
    commands: String,
    printed: Option<String>,
}

fn steps() -> Vec<Step> {
    let readme = std::fs::read_to_string(format!("{}/README.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let block = block.join("\n");
        match (kind, steps.last_mut()) {
            ("sh", _) => steps.push(Step { commands: block, printed: None }),
            ("text", Some(step)) => step.printed = Some(block),
            _ => {}
        }
    }
    steps
}

/// Ends the gateway that the first command started.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

fn shell(commands: &str) -> Command {
    let mut shell = Command::new("bash");
    shell.args(["-c", commands]).current_dir(env!("CARGO_MANIFEST_DIR"));
    shell
}

/// `...` stands for anything, on a line of its own for any lines.
fn fits(printed: &str, expected: &str) -> bool {
    let pieces: Vec<&str> = expected.split("...").collect();
    let mut rest = printed;
    for (index, piece) in pieces.iter().enumerate() {
        let found = if index == 0 { rest.starts_with(piece).then_some(0) } else { rest.find(piece) };
        match found {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.is_empty() || pieces.last() == Some(&"")
}

#[test]
fn the_walk_of_the_readme_works_as_printed() {
    let steps = steps();
    let (first, walk) = steps.split_first().unwrap();
    // `exec`, so that ending the shell's process ends the gateway.
    let mut child =
        shell(&format!("exec {}", first.commands)).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let _running = Running(child);
    let up = lines.by_ref().map_while(Result::ok).any(|line| line.contains("admin on http"));
    assert!(up, "`{}` does not come up", first.commands);
    std::thread::spawn(move || lines.for_each(drop));

    // Variables live from one block to the next, so each block is run behind all that came before it.
    let mut before = String::new();
    let mut walked = 0;
    for step in walk.iter().filter(|step| !step.commands.starts_with(".ci/")) {
        let script = format!("{{ :\n{before}\n}} >/dev/null 2>&1\n{}", step.commands);
        let out = shell(&script).output().unwrap();
        let printed = String::from_utf8_lossy(&out.stdout).into_owned();
        let expected = step.printed.as_deref().expect("each block of the walk says what it prints");
        assert!(
            fits(printed.trim_end(), expected.trim_end()),
            "{}\nprinted\n{printed}\nand not\n{expected}",
            step.commands
        );
        before.push_str(&step.commands);
        before.push('\n');
        walked += 1;
    }
    assert!(walked >= 5, "the README has lost its walk");
}
