//! How much housekeeping may a client of HTTP/2 ask for?
//!
//! PING, SETTINGS, PRIORITY, RST_STREAM, WINDOW_UPDATE and frames of unknown types cost a client nothing and the server a
//! little each, and h2 answers them without an end. Every connection has an allowance for them: it grows with time, with
//! requests, and with what is transferred, so that who uses the protocol never notices. This reads the frame headers (RFC
//! 9113 section 4.1) off the bytes on their way to h2 and looks at nothing else.

/// Frames that may be sent at once.
const BURST: i64 = 1000;
/// More per second.
const PER_SECOND: i64 = 200;
/// More for each request: its reset, its priority, its windows.
const PER_REQUEST: i64 = 4;
/// Bytes in either direction that earn one more: a window is rarely moved by less.
const PER_BYTES: u64 = 512;

const PREFACE: usize = 24;
const HEADER: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Reads the frames of one connection.
#[derive(Debug)]
pub struct Frames {
    /// Bytes to come of the preface or of a frame's payload.
    skip: usize,
    header: [u8; HEADER],
    /// Bytes of the header that are here.
    have: usize,
    /// The last frame began or went on with a head, and did not end it.
    in_head: bool,
    allowance: i64,
    /// Bytes that have not earned a frame yet.
    bytes: u64,
    /// When time last earned something, in milliseconds.
    earned: u64,
}

impl Frames {
    pub fn new(now: u64) -> Self {
        Self { skip: PREFACE, header: [0; HEADER], have: 0, in_head: false, allowance: BURST, bytes: 0, earned: now }
    }

    /// Reads on; `now` in milliseconds. `false`: more than it may.
    pub fn read(&mut self, mut piece: &[u8], now: u64) -> bool {
        self.earn_by_time(now);
        while !piece.is_empty() {
            let taken = self.skip.min(piece.len());
            if taken > 0 {
                self.skip -= taken;
                piece = piece.get(taken..).unwrap_or_default();
                continue;
            }
            let taken = (HEADER - self.have).min(piece.len());
            let (now, later) = piece.split_at(taken);
            for (to, from) in self.header.iter_mut().skip(self.have).zip(now) {
                *to = *from;
            }
            self.have += taken;
            piece = later;
            if self.have == HEADER {
                self.have = 0;
                self.frame();
                if self.allowance < 0 {
                    return false;
                }
            }
        }
        true
    }

    /// Bytes went to the client.
    pub fn wrote(&mut self, count: usize) {
        self.moved(u64::try_from(count).unwrap_or(0));
    }

    /// A head has begun and not ended.
    pub fn is_in_head(&self) -> bool {
        self.in_head
    }

    fn frame(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.header;
        self.skip = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        match kind {
            DATA => self.moved(u64::try_from(self.skip).unwrap_or(0)),
            HEADERS => self.allowance = (self.allowance + PER_REQUEST).min(BURST),
            CONTINUATION => {}
            _ => self.allowance -= 1,
        }
        if kind == HEADERS || kind == CONTINUATION {
            self.in_head = flags & END_HEADERS == 0;
        }
    }

    fn moved(&mut self, count: u64) {
        self.bytes = self.bytes.saturating_add(count);
        let frames = i64::try_from(self.bytes / PER_BYTES).unwrap_or(BURST);
        self.bytes %= PER_BYTES;
        self.allowance = self.allowance.saturating_add(frames).min(BURST);
    }

    fn earn_by_time(&mut self, now: u64) {
        let seconds = now.saturating_sub(self.earned) / 1000;
        if seconds > 0 {
            self.earned += seconds * 1000;
            let frames = PER_SECOND.saturating_mul(i64::try_from(seconds).unwrap_or(BURST));
            self.allowance = self.allowance.saturating_add(frames).min(BURST);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let size = u32::try_from(length).unwrap().to_be_bytes();
        [&size[1..], &[kind, flags, 0, 0, 0, 1], &vec![0; length]].concat()
    }

    /// After how many of these frames it is too much, when that many come in a second; `None`: never.
    fn check(frames: &[Vec<u8>], per_second: u64, wrote: usize, expected: Option<u64>) {
        let mut reading = Frames::new(0);
        assert!(reading.read(&[0; PREFACE], 0));
        let refused = (0..20_000_u64).find(|number| {
            reading.wrote(wrote);
            frames.iter().any(|frame| !reading.read(frame, number * 1000 / per_second))
        });
        assert_eq!(refused, expected);
    }

    #[test]
    fn floods_end_and_use_does_not() {
        const PING: u8 = 6;
        const SETTINGS: u8 = 4;
        const PRIORITY: u8 = 2;
        const WINDOW_UPDATE: u8 = 8;
        for kind in [PING, SETTINGS, PRIORITY, WINDOW_UPDATE, 3, 0x10, 0xfe] {
            check(&[frame(kind, 0, 8)], 10_000, 0, Some(1000));
            check(&[frame(kind, 0, 8)], 100, 0, None);
        }
        // A browser: a request with its priority and windows, a thousand a second.
        let request = [frame(HEADERS, 5, 100), frame(PRIORITY, 0, 5), frame(WINDOW_UPDATE, 0, 4), frame(3, 0, 4)];
        check(&request, 1000, 0, None);
        // A download: two windows for each 16 KiB, and an upload with a PING for each piece.
        check(&[frame(WINDOW_UPDATE, 0, 4), frame(WINDOW_UPDATE, 0, 4)], 10_000, 16 * 1024, None);
        check(&[frame(DATA, 0, 1024), frame(PING, 0, 8)], 10_000, 0, None);
        // Windows of a byte each are none of that.
        check(&[frame(WINDOW_UPDATE, 0, 4)], 10_000, 1, Some(1001));
    }

    #[test]
    fn a_head_is_open_until_its_last_frame() {
        let mut reading = Frames::new(0);
        reading.read(&[0; PREFACE], 0);
        for (frame, open) in [
            (frame(HEADERS, 0, 10), true),
            (frame(CONTINUATION, 0, 10), true),
            (frame(CONTINUATION, END_HEADERS, 10), false),
            (frame(HEADERS, END_HEADERS, 0), false),
        ] {
            assert!(reading.read(&frame, 0));
            assert_eq!(reading.is_in_head(), open);
        }
    }

    proptest! {
        #[test]
        fn frames_are_counted_the_same_however_they_are_cut(lengths in proptest::collection::vec((0..12_u8, 0..40_usize), 1..30), cut in 1..50_usize) {
            let all: Vec<u8> = [vec![0; PREFACE]].into_iter().chain(lengths.iter().map(|(kind, length)| frame(*kind, 0, *length))).flatten().collect();
            let (mut whole, mut pieces) = (Frames::new(0), Frames::new(0));
            whole.read(&all, 0);
            all.chunks(cut).for_each(|piece| assert!(pieces.read(piece, 0) || pieces.allowance < 0));
            prop_assert_eq!((whole.allowance, whole.in_head, whole.skip), (pieces.allowance, pieces.in_head, pieces.skip));
        }
    }
}
