//! The targets of `fuzz/` on a stable toolchain: seeds, cut, joined, changed, and mixed with words that matter.

#[path = "../../fuzz/targets.rs"]
mod targets;

use std::time::{Duration, Instant};

use fastrand::Rng;
use targets::{ALL, Target, WORDS};

/// How long each target runs: `PORTCULLIS_FUZZ_SECONDS`, or a moment.
#[allow(clippy::disallowed_methods, reason = "how much is tried is for whoever runs the tests to say")]
fn budget() -> Duration {
    let seconds = std::env::var("PORTCULLIS_FUZZ_SECONDS").map_or(0.2, |text| text.parse().unwrap());
    Duration::from_secs_f64(seconds)
}

#[test]
fn no_bytes_from_outside_break_what_reads_them() {
    for target in ALL {
        let seed = fastrand::u64(..);
        let mut rng = Rng::with_seed(seed);
        let mut corpus: Vec<Vec<u8>> = target.seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
        for bytes in &corpus {
            run(target, bytes, seed);
        }
        let (start, mut runs) = (Instant::now(), 0_u64);
        while start.elapsed() < budget() {
            let bytes = mutated(&corpus, &mut rng);
            run(target, &bytes, seed);
            runs += 1;
            // Later ones build on earlier ones.
            if rng.u8(..) < 16 {
                if corpus.len() < 500 {
                    corpus.push(bytes);
                } else {
                    corpus[rng.usize(target.seeds.len()..500)] = bytes;
                };
            }
        }
        println!("{}: {runs} runs, seed {seed}", target.name);
    }
}

fn run(target: &Target, bytes: &[u8], seed: u64) {
    let ended = std::panic::catch_unwind(|| (target.run)(bytes));
    assert!(ended.is_ok(), "{} with seed {seed} breaks on b\"{}\"", target.name, bytes.escape_ascii());
}

fn mutated(corpus: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = rng.choice(corpus).unwrap().clone();
    for _ in 0..rng.usize(1..6) {
        let at = rng.usize(..=bytes.len());
        match rng.u8(..6) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] = rng.u8(..),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 => {
                let other = rng.choice(corpus).unwrap();
                let from = rng.usize(..=other.len());
                bytes.splice(at..at, other[from..].iter().copied().take(64));
            }
            4 => bytes.insert(at, rng.u8(..)),
            _ => drop(bytes.splice(at..at, rng.choice(WORDS).unwrap().bytes())),
        }
    }
    bytes.truncate(8192);
    bytes
}
