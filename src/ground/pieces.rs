//! A few small pieces that go out as one.
//!
//! hyper hands a head and a short body over as two pieces. Measured: copying them together and sending them by `send`
//! costs a tenth of a whole proxied request less than `writev`; for large bodies the copy would cost more than it saves.

use std::io::IoSlice;

/// Up to here copying is cheaper.
const MOST_BYTES: usize = 4096;

/// The pieces copied into one buffer, if they are small; `None`: better sent as they are.
pub fn joined(pieces: &[IoSlice<'_>]) -> Option<Vec<u8>> {
    let total: usize = pieces.iter().map(|piece| piece.len()).sum();
    if total == 0 || total > MOST_BYTES {
        return None;
    }
    let mut all = Vec::with_capacity(total);
    for piece in pieces {
        all.extend_from_slice(piece);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pieces_become_one_and_large_ones_stay() {
        let join = |pieces: &[&[u8]]| joined(&pieces.iter().map(|piece| IoSlice::new(piece)).collect::<Vec<_>>());
        assert_eq!(join(&[b"head", b"", b"body"]).as_deref(), Some(&b"headbody"[..]));
        assert_eq!(join(&[b"head", &[0; MOST_BYTES]]), None);
        assert_eq!(join(&[]), None);
    }
}
