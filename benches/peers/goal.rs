//! What was to be reached, and whether it was.

use serde::{Deserialize, Serialize};

/// The most that `ours` may cost, in parts of what `beside` costs.
pub struct Goal {
    pub ours: &'static str,
    pub beside: &'static str,
    pub most: f64,
}

/// A goal and what was measured.
#[derive(Clone, Serialize, Deserialize)]
pub struct Verdict {
    /// What is compared with what.
    pub what: String,
    pub bound: Bound,
    pub limit: f64,
    /// `None`: it could not be measured here.
    pub got: Option<f64>,
    /// What both figures are in, such as `times` or `kB`.
    pub unit: String,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub enum Bound {
    AtMost,
    AtLeast,
}

impl Verdict {
    pub fn at_most(what: impl Into<String>, limit: f64, got: Option<f64>, unit: &str) -> Self {
        Self { what: what.into(), bound: Bound::AtMost, limit, got, unit: unit.to_owned() }
    }

    pub fn at_least(what: impl Into<String>, limit: f64, got: Option<f64>, unit: &str) -> Self {
        Self { bound: Bound::AtLeast, ..Self::at_most(what, limit, got, unit) }
    }

    pub fn reached(&self) -> bool {
        match self.bound {
            Bound::AtMost => self.got.is_some_and(|got| got <= self.limit),
            Bound::AtLeast => self.got.is_some_and(|got| got >= self.limit),
        }
    }

    pub fn limit(&self) -> String {
        let word = match self.bound {
            Bound::AtMost => "at most",
            Bound::AtLeast => "at least",
        };
        format!("{word} {} {}", short(self.limit), self.unit)
    }

    pub fn got(&self) -> String {
        self.got.map_or_else(|| "not measured".to_owned(), |got| format!("{} {}", short(got), self.unit))
    }

    /// `reached`, or by how much it was missed.
    pub fn word(&self) -> String {
        match (self.got, self.bound) {
            (None, _) => "not measured".to_owned(),
            _ if self.reached() => "reached".to_owned(),
            (Some(got), Bound::AtMost) => format!("missed by {:.0}%", (got / self.limit - 1.0) * 100.0),
            (Some(got), Bound::AtLeast) => format!("missed by {:.0}%", (1.0 - got / self.limit) * 100.0),
        }
    }
}

/// As many digits as say something.
fn short(value: f64) -> String {
    match value {
        v if v.abs() >= 100.0 => format!("{v:.0}"),
        v if v.abs() >= 10.0 => format!("{v:.1}"),
        v if v.abs() >= 0.2 => format!("{v:.2}"),
        v => format!("{v:.3}"),
    }
}
