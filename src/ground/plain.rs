//! Whether a text is as plain as nearly every text is, and its small letters, eight bytes in one step: names, hosts and
//! identifiers are short, and a look at each byte of them would be much of what a request costs.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = LOW << 7;

/// Whether controls other than the tab stand in it: no value of a field has one (RFC 9110 section 5.5).
pub fn has_controls(text: &[u8]) -> bool {
    let suspect = |eight: u64| below(eight, b' ') | equal(eight, 127);
    finds(text, suspect, |byte| (byte < b' ' && byte != b'\t') || byte == 127)
}

/// Whether it is visible ASCII, spaces and tabs.
pub fn is_visible(text: &[u8]) -> bool {
    let suspect = |eight: u64| below(eight, b' ') | equal(eight, 127) | (eight & HIGH);
    !finds(text, suspect, |byte| !matches!(byte, b' '..=b'~' | b'\t'))
}

/// Whether it stands in a JSON text as it is (RFC 8259 section 7): visible ASCII and spaces, without `"` and `\`.
pub fn needs_no_escape(text: &[u8]) -> bool {
    let suspect =
        |eight: u64| below(eight, b' ') | equal(eight, 127) | (eight & HIGH) | equal(eight, b'"') | equal(eight, b'\\');
    !finds(text, suspect, |byte| !matches!(byte, b' '..=b'~') || byte == b'"' || byte == b'\\')
}

/// Whether it changes what a terminal shows: controls, C1 ones too, and bidirectional marks that make a line read
/// differently from what it says.
pub fn is_deceptive(character: char) -> bool {
    let turns = matches!(character,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}');
    turns || character.is_control()
}

/// Turns capital letters of ASCII into small ones.
pub fn lower(text: &mut [u8]) {
    if text.len() < 8 {
        return text.make_ascii_lowercase();
    }
    let (eights, _) = text.as_chunks_mut::<8>();
    eights.iter_mut().for_each(lower_eight);
    // The last eight once more with what is left over: a small letter stays one.
    text.last_chunk_mut::<8>().into_iter().for_each(lower_eight);
}

fn lower_eight(bytes: &mut [u8; 8]) {
    let eight = u64::from_ne_bytes(*bytes);
    let low = eight & !HIGH;
    // No byte carries into the next one: both sums are below 256.
    let not_before = |bound: u8| low.wrapping_add(LOW.wrapping_mul(u64::from(128 - bound)));
    let capital = not_before(b'A') & !not_before(b'Z' + 1) & !eight & HIGH;
    *bytes = (eight | capital >> 2).to_ne_bytes();
}

/// Whether `is` of any byte. `suspect` sets the high bit of a byte of which it may be, and perhaps of others after it; of
/// eight that are not suspect it is of none.
fn finds(text: &[u8], suspect: impl Fn(u64) -> u64, is: impl Fn(u8) -> bool) -> bool {
    let Some(last) = text.last_chunk::<8>() else { return text.iter().any(|byte| is(*byte)) };
    let (chunks, _) = text.as_chunks::<8>();
    // The last eight are looked at again with what is left over: that is less than to look at each of those alone.
    let all = chunks.iter().chain([last]).fold(0, |all, eight| all | suspect(u64::from_ne_bytes(*eight)));
    all & HIGH != 0 && text.iter().any(|byte| is(*byte))
}

/// The high bit of each byte below `bound`, which is at most 128; carries may set it of others above one.
fn below(eight: u64, bound: u8) -> u64 {
    eight.wrapping_sub(LOW.wrapping_mul(u64::from(bound))) & !eight
}

/// The same of each byte that is `wanted`.
fn equal(eight: u64, wanted: u8) -> u64 {
    below(eight ^ LOW.wrapping_mul(u64::from(wanted)), 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All of this module, and the same said byte by byte.
    fn check(text: &[u8]) {
        let control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
        assert_eq!(has_controls(text), text.iter().any(control), "{text:?}");
        let visible = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ' || *byte == b'\t';
        assert_eq!(is_visible(text), text.iter().all(visible), "{text:?}");
        let plain = |byte: &u8| (byte.is_ascii_graphic() || *byte == b' ') && !b"\"\\".contains(byte);
        assert_eq!(needs_no_escape(text), text.iter().all(plain), "{text:?}");
        let mut small = text.to_vec();
        lower(&mut small);
        assert_eq!(small, text.to_ascii_lowercase());
    }

    #[test]
    fn each_byte_at_each_place_is_seen() {
        for length in 0..20_usize {
            for place in 0..length {
                for byte in 0..=255 {
                    let mut text = vec![b'a'; length];
                    text[place] = byte;
                    check(&text);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn eight_at_once_and_one_by_one_say_the_same(text in prop::collection::vec(any::<u8>(), 0..40)) {
            check(&text);
        }

        #[test]
        fn also_of_texts_that_are_nearly_plain(text in "[ -~\\t\\x7f\\x1f\\x80]{0,40}") {
            check(text.as_bytes());
        }
    }
}
