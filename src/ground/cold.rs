//! Memory that nobody has looked at for a while.
//!
//! What is known about one of many tokens lies in a dozen places that are no longer in the processor's caches, and each costs
//! as much as two hundred instructions. Read where they are needed, one after the other, they are waited for one after the
//! other. Read together before any is needed, they come together.

/// Reads a byte of each cache line; what comes out is of no use but to say that it has been read, see `has_read`.
pub fn lines(bytes: &[u8]) -> u8 {
    bytes.iter().step_by(64).fold(0, |sum, byte| sum ^ byte)
}

/// Keeps the compiler from leaving out what was read.
pub fn has_read(sum: u8) {
    std::hint::black_box(sum);
}
