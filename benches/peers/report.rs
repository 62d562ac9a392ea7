//! What came of one question: a table, a picture, goals, and what the figures say in words. Printed, and kept beside the
//! build for the page.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::goal::Verdict;
use crate::support::here;

#[derive(Default, Serialize, Deserialize)]
pub struct Report {
    pub name: String,
    pub title: String,
    /// Of the columns; the first is that of the names, and mostly empty.
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
    /// SVG; empty: none.
    pub picture: String,
    pub goals: Vec<Verdict>,
    /// Sentences that were made from the figures.
    pub words: Vec<String>,
    /// The day, and the build it was measured with.
    pub when: String,
}

impl Report {
    pub fn print(&self) {
        println!("\n{} ({})", self.title, self.name);
        let cells = || std::iter::once(&self.head).chain(&self.rows);
        let width = |column: usize| cells().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        for row in cells() {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = width(column).unwrap_or(0);
                line += &if column == 0 { format!("{cell:<width$}") } else { format!("  {cell:>width$}") };
            }
            println!("{}", line.trim_end());
        }
        for words in &self.words {
            println!("{words}");
        }
        for goal in &self.goals {
            println!("goal: {}: {}; {}: {}", goal.what, goal.limit(), goal.got(), goal.word());
        }
    }

    pub fn keep(&self) {
        let path = path(&self.name);
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("the target folder can be written");
        std::fs::write(path, serde_json::to_vec_pretty(self).expect("plain data")).expect("it can be written");
    }

    /// That of the last run which asked this question.
    pub fn kept(name: &str) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path(name)).ok()?).ok()
    }
}

fn path(name: &str) -> PathBuf {
    here(&format!("target/peers/{name}.json"))
}
