//! What a new password has to be: long enough, and none that everybody tries first.

use std::collections::HashSet;
use std::sync::Arc;

/// Longest in bytes.
const LONGEST: usize = 1024;

/// What people choose when nobody stops them; variations are found by `core`.
const COMMON: &str = include_str!("common.txt");

/// The rules. No kinds of characters are demanded: that makes passwords worse (NIST SP 800-63B-4 section 3.1.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordRules {
    pub min: usize,
    pub min_with_second_factor: usize,
    /// The operator's own list, in lower case.
    pub blocked: Arc<HashSet<String>>,
}

impl Default for PasswordRules {
    fn default() -> Self {
        Self { min: 15, min_with_second_factor: 8, blocked: Arc::default() }
    }
}

/// Why a new password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Fewer characters than this.
    TooShort(usize),
    TooLong,
    /// Known to everybody who guesses.
    Common,
}

impl PasswordRules {
    /// Fewest characters.
    pub fn least(&self, has_second_factor: bool) -> usize {
        if has_second_factor { self.min_with_second_factor } else { self.min }
    }

    /// `about`: what a stranger knows of the user and the site.
    pub fn check(&self, password: &str, has_second_factor: bool, about: &[&str]) -> Result<(), Unfit> {
        let least = self.least(has_second_factor);
        if password.chars().count() < least {
            return Err(Unfit::TooShort(least));
        }
        if password.len() > LONGEST {
            return Err(Unfit::TooLong);
        }
        let lower = password.to_lowercase();
        let core = core(&lower);
        let parts = about.iter().flat_map(|text| text.split(['@', ' ', '.'])).chain(about.iter().copied());
        let is_about = parts.filter(|part| part.len() >= 3).any(|part| core == self::core(&part.to_lowercase()));
        let is_common = self.blocked.contains(&lower) || COMMON.lines().any(|word| word == core || word == lower);
        if is_about || is_common || is_monotonous(&lower) {
            return Err(Unfit::Common);
        }
        Ok(())
    }
}

/// The word in a password: without digits and signs around it, with letters in the place of look-alikes, and once where it
/// is repeated. `P4ssw0rdP4ssw0rd!2026` is `password`.
fn core(lower: &str) -> String {
    let letters: String = lower
        .trim_matches(|letter: char| !letter.is_alphabetic())
        .chars()
        .map(|letter| match letter {
            '0' => 'o',
            '1' | '!' => 'i',
            '3' => 'e',
            '4' | '@' => 'a',
            '5' | '$' => 's',
            '7' => 't',
            other => other,
        })
        .collect();
    let count = letters.chars().count();
    for length in 1..=count / 2 {
        let part: String = letters.chars().take(length).collect();
        if count.is_multiple_of(length) && part.repeat(count / length) == letters {
            return part;
        }
    }
    letters
}

/// A few letters over and over, or a run along the alphabet, the digits or the keyboard.
fn is_monotonous(lower: &str) -> bool {
    let distinct: HashSet<char> = lower.chars().collect();
    if distinct.len() < 5 {
        return true;
    }
    let letters: Vec<char> = lower.chars().collect();
    let is_step = |pair: &[char]| match pair {
        [one, two] => {
            let (one, two) = (u32::from(*one), u32::from(*two));
            one.abs_diff(two) <= 1
        }
        _ => false,
    };
    let steps = letters.windows(2).filter(|pair| is_step(pair)).count();
    let rows = ["qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "1234567890"];
    let on_rows = letters.windows(3).filter(|run| {
        let run: String = run.iter().collect();
        rows.iter().any(|row| row.contains(&run))
    });
    steps * 4 >= letters.len() * 3 || on_rows.count() * 2 >= letters.len()
}
