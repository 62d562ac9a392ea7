//! Traffic as pictures: SVG made here, so that the page needs no library and no second request.

use std::fmt::Write as _;

/// One minute of traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minute {
    pub passed: u64,
    pub refused: u64,
    pub failed: u64,
}

impl Minute {
    pub fn all(self) -> u64 {
        self.passed + self.refused + self.failed
    }
}

const WIDTH: usize = 720;
const HEIGHT: usize = 180;
/// Space for the figures at the side and below.
const SIDE: usize = 48;
const FOOT: usize = 20;

/// Bars of an hour, the oldest minute first, each of let through, refused and failed.
pub fn hour(minutes: &[Minute]) -> String {
    let most = minutes.iter().map(|minute| minute.all()).max().unwrap_or(0).max(1);
    let total: u64 = minutes.iter().map(|minute| minute.all()).sum();
    let (inner, tall) = (WIDTH - SIDE, HEIGHT - FOOT);
    let step = inner as f64 / minutes.len().max(1) as f64;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Requests in each of the last {} minutes: {total} in all, {most} \
         in the busiest\">",
        minutes.len()
    );
    for (share, label) in [(1.0, most), (0.5, most / 2)] {
        let y = tall as f64 * (1.0 - share) + 10.0;
        let _ = write!(svg, "<line x1=\"{SIDE}\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
        if label > 0 {
            let _ = write!(
                svg,
                "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                SIDE - 6,
                y + 4.0,
                short(label)
            );
        }
    }
    let scale = (tall as f64 - 10.0) / most as f64;
    for (at, minute) in minutes.iter().enumerate() {
        let x = SIDE as f64 + at as f64 * step;
        let mut floor = tall as f64;
        for (class, count) in [("pass", minute.passed), ("refused", minute.refused), ("failed", minute.failed)] {
            if count > 0 {
                // A single refusal among thousands is to be seen.
                let height = (count as f64 * scale).max(1.0);
                floor -= height;
                let width = (step - 1.5).max(1.0);
                let _ = write!(
                    svg,
                    "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{floor:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
                );
            }
        }
    }
    let _ = write!(svg, "<line x1=\"{SIDE}\" x2=\"{WIDTH}\" y1=\"{tall}\" y2=\"{tall}\"/>");
    for (share, label) in [(0.0, "an hour ago"), (0.5, "half an hour"), (1.0, "now")] {
        let x = SIDE as f64 + inner as f64 * share;
        let anchor = if share == 0.0 {
            "start"
        } else if share == 1.0 {
            "end"
        } else {
            "middle"
        };
        let _ = write!(svg, "<text x=\"{x:.0}\" y=\"{}\" text-anchor=\"{anchor}\">{label}</text>", HEIGHT - 5);
    }
    svg + "</svg>"
}

/// The same, small, for a row of a table.
pub fn spark(minutes: &[Minute]) -> String {
    const WIDE: usize = 180;
    const TALL: f64 = 24.0;
    let most = minutes.iter().map(|minute| minute.all()).max().unwrap_or(0).max(1);
    let step = WIDE as f64 / minutes.len().max(1) as f64;
    let mut svg = format!("<svg viewBox=\"0 0 {WIDE} 24\" width=\"{WIDE}\" height=\"24\" aria-hidden=\"true\">");
    for (at, minute) in minutes.iter().enumerate() {
        let mut floor = TALL;
        for (class, count) in [("pass", minute.passed), ("refused", minute.refused), ("failed", minute.failed)] {
            if count > 0 {
                let height = (count as f64 * TALL / most as f64).max(1.0);
                floor -= height;
                let x = at as f64 * step;
                let _ = write!(
                    svg,
                    "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{floor:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>",
                    step - 0.5
                );
            }
        }
    }
    svg + "</svg>"
}

/// `950`, `12.3k`, `4.5M`.
pub fn short(count: u64) -> String {
    match count {
        0..10_000 => count.to_string(),
        10_000..1_000_000 => format!("{:.1}k", count as f64 / 1e3),
        1_000_000.. => format!("{:.1}M", count as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_short() {
        let told = [0, 9_999, 12_345, 4_500_000].map(short);
        assert_eq!(told, ["0", "9999", "12.3k", "4.5M"]);
    }

    #[test]
    fn a_single_refusal_is_seen_among_thousands() {
        let picture = hour(&[Minute { passed: 1_000_000, refused: 1, failed: 0 }, Minute::default()]);
        assert!(picture.contains("class=\"refused\"") && picture.contains("height=\"1.0\""), "{picture}");
        assert!(picture.contains("1000001 in all"), "{picture}");
        assert!(!hour(&[]).contains("NaN") && !spark(&[]).contains("NaN"));
    }
}
