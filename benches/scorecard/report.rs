//! What a rehearsal found, beside what it should have.

use serde_json::{Map, Value, json};

/// Figures of one rehearsal.
#[derive(Default)]
pub struct Report {
    figures: Map<String, Value>,
    missed: Vec<String>,
}

impl Report {
    /// A figure without a goal.
    pub fn note(&mut self, name: &str, value: impl Into<Value>) {
        self.figures.insert(name.to_owned(), value.into());
    }

    /// A figure that must not be larger than `most`.
    pub fn at_most(&mut self, name: &str, value: f64, most: f64) {
        self.goal(name, value, most, "at most", value <= most);
    }

    /// A figure that must not be smaller than `least`.
    pub fn at_least(&mut self, name: &str, value: f64, least: f64) {
        self.goal(name, value, least, "at least", value >= least);
    }

    fn goal(&mut self, name: &str, value: f64, bound: f64, word: &str, reached: bool) {
        let value = (value * 1000.0).round() / 1000.0;
        self.figures.insert(name.to_owned(), json!({"is": value, word: bound, "reached": reached}));
        if !reached {
            self.missed.push(name.to_owned());
        }
    }

    pub fn missed(&self) -> usize {
        self.missed.len()
    }

    pub fn line(&self, name: &str) -> String {
        json!({"rehearsal": name, "figures": self.figures, "missed": self.missed}).to_string()
    }
}
