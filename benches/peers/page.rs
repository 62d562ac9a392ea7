//! `docs/performance.md` and its pictures.

use std::fmt::Write as _;

use crate::support::here;
use crate::{Outcome, Scenario};

const WIDTH: f64 = 640.0;
const LINE: f64 = 26.0;
const NAMES: f64 = 170.0;

pub fn write(outcomes: &[(&Scenario, Outcome)]) {
    let file = here("docs/performance.md");
    let text = std::fs::read_to_string(&file).expect("it is there");
    let (before, rest) = text.split_once("<!-- figures -->").expect("a mark where the figures begin");
    let (_, after) = rest.split_once("<!-- end of figures -->").expect("a mark where they end");
    let mut figures = String::new();
    std::fs::create_dir_all(here("docs/performance")).expect("the folder can be written");
    for (scenario, outcome) in outcomes {
        std::fs::write(here(&format!("docs/performance/{}.svg", scenario.name)), picture(scenario, outcome))
            .expect("writable");
        let base = outcome[0].1;
        let _ = writeln!(
            figures,
            "\n### {}\n\n![{}](performance/{}.svg)\n",
            capital(scenario.title),
            scenario.title,
            scenario.name
        );
        let _ = writeln!(figures, "| | CPU us per request | times {} | requests/s |\n|---|---|---|---|", outcome[0].0);
        for (name, micros, rate) in outcome {
            let _ = writeln!(figures, "| {name} | {micros:.1} | {:.2} | {rate:.0} |", micros / base);
        }
        if let Some(goal) = scenario.goal {
            let ours = outcome
                .iter()
                .find(|(name, ..)| *name == "portcullis")
                .map_or(f64::NAN, |(_, micros, _)| micros / base);
            let word = if ours <= goal { "reached" } else { "missed" };
            let _ =
                writeln!(figures, "\nGoal: {goal} times {} at the most. {}: {ours:.2}.", outcome[0].0, capital(word));
        }
    }
    std::fs::write(file, format!("{before}<!-- figures -->\n{figures}\n<!-- end of figures -->{after}"))
        .expect("writable");
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// Bars, one for each server. Colours that are told apart on light and dark grounds alike.
fn picture(scenario: &Scenario, outcome: &Outcome) -> String {
    let most = outcome.iter().map(|(_, micros, _)| *micros).fold(1.0, f64::max);
    let height = LINE * outcome.len() as f64 + 12.0;
    let mut bars = String::new();
    for (index, (name, micros, _)) in outcome.iter().enumerate() {
        let top = LINE * index as f64 + 8.0;
        let length = (WIDTH - NAMES - 80.0) * micros / most;
        let colour = if name.starts_with("portcullis") { "#2a78d6" } else { "#8a8f98" };
        let _ = write!(
            bars,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text>\
             <rect x=\"{NAMES}\" y=\"{top}\" width=\"{length:.1}\" height=\"18\" rx=\"3\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{}\">{micros:.1} us</text>",
            NAMES - 8.0,
            top + 13.0,
            NAMES + length + 6.0,
            top + 13.0
        );
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"CPU per request: {}\"><style>text {{ font: 13px sans-serif; fill: #24292f }} \
         @media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3 }} }}</style>{bars}</svg>\n",
        scenario.title
    )
}
