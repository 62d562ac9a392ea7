//! Sizes as people write them: `512B 64KiB 10MiB 1GiB`.

/// Units, largest first, in bytes.
const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads one whole number with one unit, in bytes. The error says what is wrong in the user's words.
pub fn parse(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let advice = "write a whole number and a unit: `512B`, `64KiB`, `10MiB`, `1GiB`";
    if number.is_empty() {
        return Err(format!("`{text}` is not a size; {advice}"));
    }
    if unit.is_empty() {
        return Err(format!("`{text}` has no unit; {advice}"));
    }
    let Some((_, bytes)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("`{unit}` is not a unit of size; {advice}"));
    };
    let number: u64 = number.parse().map_err(|_| format!("`{text}` is too large"))?;
    number.checked_mul(*bytes).filter(|n| *n <= 1 << 50).ok_or_else(|| format!("`{text}` is too large"))
}

/// The shortest exact form: 65536 comes out as `64KiB`.
pub fn format(bytes: u64) -> String {
    UNITS
        .iter()
        .find(|(_, unit)| bytes != 0 && bytes.is_multiple_of(*unit))
        .map_or_else(|| format!("{bytes}B"), |(name, unit)| format!("{}{name}", bytes / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_whole_number_and_a_binary_unit() {
        assert_eq!(parse("512B"), Ok(512));
        assert_eq!(parse("64KiB"), Ok(65_536));
        assert_eq!(parse("10MiB"), Ok(10_485_760));
        assert_eq!(parse("1GiB"), Ok(1 << 30));
        for (text, part) in
            [("10", "no unit"), ("KiB", "not a size"), ("1KB", "not a unit"), ("99999999999GiB", "too large")]
        {
            assert!(parse(text).unwrap_err().contains(part), "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        for text in ["0B", "512B", "64KiB", "10MiB", "3GiB", "1500B"] {
            assert_eq!(format(parse(text).unwrap()), text);
        }
    }
}
