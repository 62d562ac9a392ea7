//! Recovery codes: what opens an account when the app of the second factor is lost. Each is good once.

use crate::ground::{Digest, Random};

/// How many there are.
const COUNT: usize = 10;
/// Letters that cannot be taken for one another.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Letters of a code: 80 bits.
const LETTERS: usize = 16;

/// New codes, in groups for reading.
pub fn new_codes(random: &dyn Random) -> Vec<String> {
    let letter = |byte: u8| ALPHABET.get(usize::from(byte & 31)).map_or('0', |letter| char::from(*letter));
    (0..COUNT)
        .map(|_| {
            let letters: Vec<char> = random.bytes::<LETTERS>().into_iter().map(letter).collect();
            letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
        })
        .collect()
}

/// What is kept of a code; case, blanks and dashes mean nothing. `None` for what cannot be one.
pub fn digest(code: &str) -> Option<Digest> {
    let letters: String =
        code.chars().filter(|letter| !matches!(letter, '-' | ' ')).map(|letter| letter.to_ascii_lowercase()).collect();
    let is_code = letters.len() == LETTERS && letters.bytes().all(|letter| ALPHABET.contains(&letter));
    is_code.then(|| Digest::of(letters.as_bytes()))
}
