//! Whether there is a terminal, and whether it takes colour.

use std::io::IsTerminal;

/// Standard output is a terminal, and nobody asked for no colour (<https://no-color.org>).
pub fn stdout_takes_color() -> bool {
    std::io::stdout().is_terminal() && color_is_welcome()
}

/// The same of standard error.
pub fn stderr_takes_color() -> bool {
    std::io::stderr().is_terminal() && color_is_welcome()
}

/// In this colour (SGR parameters), where colour is wanted.
pub fn painted(text: &str, code: &str, color: bool) -> String {
    if color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// One line on standard output. Whoever reads may stop reading: `| head` is no fault of ours.
pub fn line(text: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

pub fn stdout_is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

pub fn stderr_is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

#[expect(clippy::disallowed_methods, reason = "the terminal's own variables are the command line's business")]
fn color_is_welcome() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !set("NO_COLOR") && !dumb
}
