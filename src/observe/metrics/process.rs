//! What the process costs, from Linux's `/proc/self`.

use super::families as family;
use super::samples::Samples;

/// Ticks per second in `/proc` (USER_HZ), fixed on Linux.
const TICKS: f64 = 100.0;

/// Adds what can be read; a system without `/proc` simply lacks these figures.
pub fn collect(samples: &mut Samples) {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
    let stat = read("stat");
    // The command's name, in parentheses, may hold anything; the fields begin behind it.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let field = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok());
    if let (Some(user), Some(system)) = (field(11), field(12)) {
        samples.add(&family::PROCESS_CPU, &[], (user + system) / TICKS);
    }
    let status = read("status");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).and_then(first_number);
    if let Some(kib) = resident {
        samples.add(&family::PROCESS_MEMORY, &[], kib * 1024.0);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        samples.add(&family::PROCESS_FDS, &[], open.count() as f64);
    }
    let limits = read("limits");
    let most = limits.lines().find_map(|line| line.strip_prefix("Max open files")).and_then(first_number);
    if let Some(most) = most {
        samples.add(&family::PROCESS_MAX_FDS, &[], most);
    }
}

fn first_number(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}
