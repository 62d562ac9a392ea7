//! A whole authority on its way to another store: every row as a line, nothing in clear, all or nothing.
//!
//! The text is as sensitive as the store itself: it has the hashes of passwords, digests of what is good, and the sealed
//! keys, which whoever knows `keys.encryption` can open.

mod form;
mod head;
mod line;
mod taking_in;
mod taking_out;
#[cfg(test)]
mod tests;

pub use taking_in::Filled;

/// Told how many rows have gone, and of how many.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);
