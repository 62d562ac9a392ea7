//! Pictures of figures. Colours that are told apart on light and dark grounds alike.

use std::fmt::Write as _;

const WIDTH: f64 = 640.0;
const LINE: f64 = 26.0;
const NAMES: f64 = 170.0;
const OURS: &str = "#2a78d6";
const OTHERS: &str = "#8a8f98";

/// Bars, one for each server, with its figure behind it.
pub fn bars(what: &str, unit: &str, rows: &[(String, f64)]) -> String {
    let most = rows.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    let mut inner = String::new();
    for (index, (name, value)) in rows.iter().enumerate() {
        let top = LINE * index as f64 + 8.0;
        let length = (WIDTH - NAMES - 90.0) * value / most;
        let colour = if name.starts_with("portcullis") { OURS } else { OTHERS };
        let _ = write!(
            inner,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text>\
             <rect x=\"{NAMES}\" y=\"{top}\" width=\"{length:.1}\" height=\"18\" rx=\"3\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{}\">{value:.1} {unit}</text>",
            NAMES - 8.0,
            top + 13.0,
            NAMES + length + 6.0,
            top + 13.0
        );
    }
    framed(what, LINE * rows.len() as f64 + 12.0, &inner)
}

/// A curve over a logarithmic axis, from zero up.
pub fn curve(what: &str, axis: &str, points: &[(f64, f64)]) -> String {
    let [west, north, east, south] = [60.0, 20.0, 596.0, 210.0];
    let logs = || points.iter().map(|(x, _)| x.max(1.0).log10());
    let (least, most) = (logs().fold(f64::MAX, f64::min), logs().fold(f64::MIN, f64::max));
    let highest = points.iter().map(|(_, y)| *y).fold(f64::MIN_POSITIVE, f64::max) * 1.15;
    let across = |x: f64| west + (east - west) * (x.max(1.0).log10() - least) / (most - least).max(0.1);
    let up = |y: f64| south - (south - north) * y / highest;
    let mut inner = format!(
        "<line x1=\"{west}\" y1=\"{south}\" x2=\"{east}\" y2=\"{south}\" stroke=\"{OTHERS}\"/>\
         <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{axis}</text>",
        f64::midpoint(west, east),
        south + 38.0
    );
    let line: Vec<String> = points.iter().map(|(x, y)| format!("{:.1},{:.1}", across(*x), up(*y))).collect();
    let _ =
        write!(inner, "<polyline points=\"{}\" fill=\"none\" stroke=\"{OURS}\" stroke-width=\"2\"/>", line.join(" "));
    for (x, y) in points {
        let (left, top) = (across(*x), up(*y));
        let _ = write!(
            inner,
            "<circle cx=\"{left:.1}\" cy=\"{top:.1}\" r=\"4\" fill=\"{OURS}\"/>\
             <text x=\"{left:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{y:.1} us</text>\
             <text x=\"{left:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            top - 9.0,
            south + 18.0,
            grouped(*x)
        );
    }
    framed(what, 256.0, &inner)
}

/// `10000` as `10,000`.
pub fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn framed(what: &str, height: f64, inner: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{what}\">\
         <style>text {{ font: 13px sans-serif; fill: #24292f }} \
         @media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3 }} }}</style>{inner}</svg>\n"
    )
}
