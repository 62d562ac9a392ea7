//! The check of a token: known to this worker, known to another worker, seen for the first time.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use futures_util::FutureExt as _;
use portcullis::dial::client::{Bounds, Client};
use portcullis::ground::{SystemClock, SystemRandom};
use portcullis::observe::record::TokenUse;
use portcullis::store::Memory;
use portcullis::token::Verifier;
use portcullis::token::cache::{Local, Remembered};
use portcullis::token::issuer::{IssuerSettings, KeySource};
use portcullis::token::jwt::Algorithm;
use portcullis::token::jwt::sign::Signer;
use portcullis::token::verifier::Context;
use tokio::runtime::Runtime;

use crate::setting::{AUDIENCE, ISSUER, key_set, now, signer, token};

/// Tokens that take turns, so that no branch is learned by heart.
const TOKENS: usize = 256;
/// Longer than a verified token is remembered.
const FORGOTTEN: Duration = Duration::from_secs(301);

pub fn bench(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut group = criterion.benchmark_group("tokens");

    let es256 = signer(Algorithm::Es256);
    let tokens: Vec<String> = (0..TOKENS).map(|id| token(&es256, id)).collect();
    let (generation, now) = (1, now());
    let mut local = Local::new(7);
    for token in &tokens {
        local.insert(generation, token.as_bytes(), Nothing, now.plus(FORGOTTEN));
    }
    let mut turn = tokens.iter().cycle();
    group.bench_function("known to the worker", |bencher| {
        bencher.iter(|| turn.next().map(|token| local.lookup(generation, token.as_bytes(), now).expect("known")));
    });

    let verifier = verifier(&es256, &runtime);
    for token in &tokens {
        verify(&verifier, token, Duration::ZERO);
    }
    assert!(verify(&verifier, &tokens[0], Duration::ZERO) == TokenUse::Shared);
    let mut turn = tokens.iter().cycle();
    group.bench_function("known to another worker", |bencher| {
        bencher.iter(|| turn.next().map(|token| black_box(verify(&verifier, token, Duration::ZERO))));
    });

    for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
        let signer = signer(algorithm);
        let verifier = self::verifier(&signer, &runtime);
        let tokens: Vec<String> = (0..TOKENS).map(|id| token(&signer, id)).collect();
        // Each round is later than what the round before has left in the cache.
        let (turn, later) = (Cell::new(0), Cell::new(Duration::ZERO));
        let mut verify_next = || {
            let level = verify(&verifier, &tokens[turn.get()], later.get());
            turn.set((turn.get() + 1) % TOKENS);
            if turn.get() == 0 {
                later.set(later.get() + FORGOTTEN);
            }
            level
        };
        assert!((0..2 * TOKENS).all(|_| verify_next() == TokenUse::Verified));
        group.bench_function(BenchmarkId::new("new", algorithm.name()), |bencher| bencher.iter(&mut verify_next));
    }
    group.finish();
}

/// What is known of a token does not matter here.
#[derive(Clone)]
struct Nothing;

impl Remembered for Nothing {
    fn fetch(&self) {}
}

fn verify(verifier: &Verifier, token: &str, later: Duration) -> TokenUse {
    let verified = verifier.verify(token, None, now().plus(later)).now_or_never();
    match verified.expect("nothing to wait for") {
        Ok((_, level)) => level,
        Err(fault) => panic!("{fault}"),
    }
}

/// One issuer, whose keys stand in a file.
fn verifier(signer: &Signer, runtime: &Runtime) -> Verifier {
    let mut settings = IssuerSettings::new("corp", Some(ISSUER), &[AUDIENCE]);
    settings.keys = Some(KeySource::Document(key_set(signer).into()));
    settings.check().expect("an issuer");
    let context = Context {
        clock: Arc::new(SystemClock),
        store: Arc::new(Memory::default()),
        control: runtime.handle().clone(),
        http: Client::with_roots(rustls::RootCertStore::empty(), Bounds::default()).expect("a client"),
        random: Arc::new(SystemRandom),
    };
    Verifier::open(vec![settings], None, &context)
}
