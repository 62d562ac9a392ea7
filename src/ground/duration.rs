//! Durations as people write them: `250ms 10s 5m 12h 7d`.

use std::time::Duration;

/// Units, longest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads one whole number with one unit. The error says what is wrong in the user's words.
pub fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let advice = "write a whole number and a unit: `250ms`, `10s`, `5m`, `12h`, `7d`";
    if number.is_empty() {
        return Err(format!("`{text}` is not a duration; {advice}"));
    }
    if unit.is_empty() {
        return Err(format!("`{text}` has no unit; {advice}"));
    }
    let Some((_, millis)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("`{unit}` is not a unit of time; {advice}"));
    };
    let number: u64 = number.parse().map_err(|_| format!("`{text}` is too long"))?;
    let total = number.checked_mul(*millis).filter(|total| *total <= 36_500 * 86_400_000);
    total.map(Duration::from_millis).ok_or_else(|| format!("`{text}` is too long; the most is `36500d`"))
}

/// The shortest exact form: `90000ms` comes out as `90s`, zero as `0s`.
pub fn format(span: Duration) -> String {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    UNITS
        .iter()
        .find(|(_, unit)| millis.is_multiple_of(*unit))
        .map_or_else(|| format!("{millis}ms"), |(name, unit)| format!("{}{name}", millis / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<u64, &str>) {
        match (parse(text), expected) {
            (Ok(span), Ok(millis)) => assert_eq!(span, Duration::from_millis(millis), "{text}"),
            (Err(message), Err(part)) => assert!(message.contains(part), "{text}: {message}"),
            (got, _) => panic!("{text}: {got:?}"),
        }
    }

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        check("250ms", Ok(250));
        check("10s", Ok(10_000));
        check("5m", Ok(300_000));
        check("12h", Ok(43_200_000));
        check("7d", Ok(604_800_000));
        check("10", Err("no unit"));
        check("s", Err("not a duration"));
        check("1.5s", Err("not a unit"));
        check("-1s", Err("not a duration"));
        check("10 s", Err("not a unit"));
        check("99999999999999999999d", Err("too long"));
        check("99999999999d", Err("too long"));
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        for text in ["0s", "250ms", "90s", "5m", "36h", "7d"] {
            assert_eq!(format(parse(text).unwrap()), text);
        }
    }
}
