//! One token against one file, check by check, without a running gateway.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::office::OfficeFault;
use super::open::{authority, issuers, store};
use crate::config::{self, Files};
use crate::dial::client::{Bounds, Client};
use crate::ground::{Clock as _, SystemClock, SystemRandom};
use crate::store::{Memory, SharedStore};
use crate::token::jwt::Compact;
use crate::token::revoked::{Follower, Revocations};
use crate::token::verifier::Context;
use crate::token::{Hosted, TokenFault, Verifier};

/// What came of it.
pub struct Inspection {
    /// Decoded; `None` for what is not a signed token.
    pub header: Option<Value>,
    pub claims: Option<Value>,
    /// In the order in which the gateway makes them.
    pub checks: Vec<(&'static str, Outcome)>,
}

/// How one check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Good,
    Failed(String),
    /// An earlier one failed.
    NotReached,
}

/// The checks, first to last.
const CHECKS: [&str; 9] = [
    "it has the form of a token",
    "its issuer is known",
    "it is an access token",
    "its algorithm is accepted",
    "its key is published by the issuer",
    "its signature is right",
    "its time is now",
    "it is for this audience",
    "it is in force",
];

/// Checks `token` as a gateway that runs `file` would. Asks issuers for keys, and the store for revocations, where there is
/// one.
pub async fn inspect(file: &Path, token: &str) -> Result<Inspection, OfficeFault> {
    let plan = config::load(file, &Files).map_err(OfficeFault::Problems)?;
    let store: SharedStore =
        if plan.authority.is_some() { store::open(&plan).await? } else { Arc::new(Memory::default()) };
    let revocations = Arc::new(Revocations::default());
    // What was revoked is read once; nothing follows it from there.
    let read = Follower::open(Arc::clone(&revocations), Arc::clone(&store), Arc::new(SystemClock)).await;
    read.map_err(anyhow::Error::from)?;
    let (sightings, _) = tokio::sync::mpsc::channel(1);
    let hosted = Arc::new(Hosted::new(Arc::clone(&store), revocations, sightings));
    let mut settings = Vec::new();
    if let Some(planned) = &plan.authority {
        let keys = authority::published_keys(planned, &store).await?;
        settings.push(issuers::hosted(planned, keys, &hosted));
    }
    settings.extend(issuers::foreign_ones(&plan)?);
    let context = Context {
        clock: Arc::new(SystemClock),
        store,
        control: tokio::runtime::Handle::current(),
        http: Client::with_system_roots(Bounds::default()).map_err(anyhow::Error::msg)?,
        random: Arc::new(SystemRandom),
    };
    let verifier = Verifier::open(settings, None, &context);
    verifier.warm().await;
    let verdict = verifier.verify(token, None, SystemClock.now()).await;
    Ok(told(token, verdict.err().as_ref()))
}

fn told(token: &str, fault: Option<&TokenFault>) -> Inspection {
    let compact = Compact::split(token);
    let part = |place: usize| {
        let text = token.split('.').nth(place)?;
        let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).ok()?;
        serde_json::from_slice(&bytes).ok()
    };
    let (header, claims) = match compact {
        Some(_) => (part(0), part(1)),
        None => (None, None),
    };
    let failed = fault.map(|fault| (place(fault), fault.to_string()));
    let outcome = |number: usize| match &failed {
        None => Outcome::Good,
        Some((place, why)) if *place == number => Outcome::Failed(why.clone()),
        Some((place, _)) if number < *place => Outcome::Good,
        Some(_) => Outcome::NotReached,
    };
    let checks = CHECKS.iter().enumerate().map(|(number, check)| (*check, outcome(number))).collect();
    Inspection { header, claims, checks }
}

/// Which check a fault belongs to.
fn place(fault: &TokenFault) -> usize {
    match fault {
        TokenFault::Malformed(_) => 0,
        TokenFault::IssuerUnknown => 1,
        TokenFault::TypeRefused(_) => 2,
        TokenFault::AlgorithmRefused(_) => 3,
        TokenFault::KeyUnknown(_) | TokenFault::KeysUnavailable { .. } => 4,
        TokenFault::SignatureInvalid { .. } => 5,
        TokenFault::Expired(_) | TokenFault::NotYetValid(_) => 6,
        TokenFault::AudienceMismatch { .. } => 7,
        TokenFault::Inactive
        | TokenFault::Revoked
        | TokenFault::ProofMissing
        | TokenFault::StoreUnavailable(_)
        | TokenFault::IntrospectionUnavailable { .. } => 8,
    }
}
