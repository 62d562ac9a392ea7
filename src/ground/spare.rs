//! Buffers that wait to be used again. An allocator gives what was given back long ago, which is in no cache any more, or has
//! to look for room of the wanted size; what one request has let go of last is warm, and of the size that the next one needs.

use std::cell::RefCell;

use bytes::BytesMut;

/// As many wait on one thread, of each kind: more than are let go of at once in one turn of a worker.
const MOST: usize = 64;
/// What nearly every head fits in, with what the gateway says on top of it.
const TEXT: usize = 2 * 1024;

thread_local! {
    static TEXTS: Spares<BytesMut> = const { Spares::new() };
}

/// What one thread keeps of one kind, the one given back last first.
pub struct Spares<T>(RefCell<Vec<T>>);

impl<T> Spares<T> {
    pub(super) const fn new() -> Self {
        Self(RefCell::new(Vec::new()))
    }

    pub fn take(&self) -> Option<T> {
        self.0.borrow_mut().pop()
    }

    pub fn give_back(&self, spare: T) {
        let mut all = self.0.borrow_mut();
        if all.len() < MOST {
            all.push(spare);
        }
    }
}

/// An empty text with room for this many bytes.
pub fn text(capacity: usize) -> BytesMut {
    if capacity > TEXT {
        return BytesMut::with_capacity(capacity);
    }
    // Not there any more on a thread that ends.
    let spare = TEXTS.try_with(Spares::take).ok().flatten();
    spare.unwrap_or_else(|| BytesMut::with_capacity(TEXT))
}

/// Keeps the room of a text for the next one. A larger text goes: what waits here should be small.
pub fn give_back(mut text: BytesMut) {
    if text.capacity() == 0 {
        return;
    }
    text.clear();
    // Of one that is shared, or has been shortened at its front and never was that long, there is no room to keep.
    if text.try_reclaim(TEXT) && text.capacity() < 2 * TEXT {
        let _ = TEXTS.try_with(|all| all.give_back(text));
    }
}

/// More room than this is not kept by a connection that waits.
pub const KEPT: usize = TEXT;

#[cfg(test)]
mod tests {
    use bytes::Buf as _;

    use super::*;

    #[test]
    fn the_room_of_a_text_is_used_again_and_nothing_of_what_stood_in_it_is_seen() {
        let mut first = text(10);
        first.extend_from_slice(b"secret");
        let place = first.as_ptr();
        first.advance(3);
        give_back(first);
        let second = text(TEXT);
        assert_eq!((second.as_ptr(), second.len()), (place, 0));
        assert!(second.capacity() >= TEXT);
        assert_ne!(text(10).as_ptr(), place);
    }

    #[test]
    fn what_is_too_large_too_small_or_held_elsewhere_is_not_kept() {
        let mut halves = BytesMut::with_capacity(TEXT);
        halves.extend_from_slice(&[b'a'; 100]);
        let held = halves.split_to(50);
        for unfit in [BytesMut::new(), BytesMut::with_capacity(16), BytesMut::with_capacity(2 * TEXT), halves] {
            give_back(unfit);
            assert!(TEXTS.with(Spares::take).is_none());
        }
        assert_eq!(held, [b'a'; 50][..]);
    }

    #[test]
    fn no_more_than_a_few_wait() {
        let many: Vec<BytesMut> = (0..2 * MOST).map(|_| text(1)).collect();
        many.into_iter().for_each(give_back);
        let waiting = std::iter::from_fn(|| TEXTS.with(Spares::take)).count();
        assert_eq!(waiting, MOST);
    }
}
