//! Taking everything out of one store and into another: what a store holds, part by part, in one form for all backends.
//!
//! What has to be good afterwards as before is all in it: who is signed in, what was granted, what was used up, what was
//! revoked, and the keys. Left out is what is fetched anew (key sets of other issuers).

use std::collections::BTreeMap;
use std::fmt;

use tokio::sync::mpsc;

use super::{
    AccessToken, Act, Code, Consent, Grant, KeptClient, Revocation, SecretUse, Session, SigningKey, StoreFault, User,
};
use crate::ground::{Digest, Time};

/// What a store holds, in an order in which each row finds what it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Keys,
    Clients,
    SecretUses,
    Declared,
    Users,
    Retired,
    Sessions,
    Consents,
    Grants,
    Codes,
    Finished,
    Tokens,
    Revocations,
    Assertions,
}

/// One thing that a store holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    Key(SigningKey),
    Client(KeptClient),
    SecretUse(SecretUse),
    /// A client that the file named when it was last read.
    Declared(String),
    User(KeptUser),
    /// The id of a user who was removed.
    Retired(String),
    Session(Session),
    Consent(Consent),
    Grant(KeptGrant),
    Code(Code),
    /// An authorization request that has ended.
    Finished(Mark),
    Token(AccessToken),
    Revocation(Revocation),
    /// A client assertion that was used.
    Assertion(Mark),
}

/// A user, and what the file said of the password last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptUser {
    pub user: User,
    /// `None` for users of commands, and for those of the file without a password there.
    pub file_hash: Option<String>,
}

/// A grant, and until when its row is kept: a revoked one as long as its tokens could live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptGrant {
    pub grant: Grant,
    pub until: Time,
}

/// Something that was used up, until it would be refused for its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub digest: Digest,
    pub until: Time,
}

/// How many rows of each part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<Part, u64>);

/// Everything of a store as it was at one moment, on its way out, page by page.
pub struct Outgoing {
    /// How many rows will come.
    pub tally: Tally,
    pages: mpsc::Receiver<Result<Vec<Row>, StoreFault>>,
}

/// The store's end of what is taken out.
pub(super) type Pages = mpsc::Sender<Result<Vec<Row>, StoreFault>>;

/// Rows on their way into a store, and word that they were all.
pub struct Incoming(mpsc::Receiver<Option<Vec<Row>>>);

/// The other end of `Incoming`. Dropped before `end`, nothing of it is kept.
pub struct Feed(mpsc::Sender<Option<Vec<Row>>>);

/// What became of rows that were to be taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// All of them are kept.
    All,
    /// None: the store is not empty.
    Occupied(Tally),
    /// None, because of this one, counted from 0.
    Clash { row: u64, why: Clash },
    /// None: they ended without a word.
    BrokenOff,
}

/// Why a row cannot stand beside those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clash {
    /// One with the same id or name is there.
    Twice,
    /// What it belongs to is not there.
    Orphan,
}

/// Taking everything out, and in.
pub trait Whole {
    /// How many rows there are, those that are over too.
    fn tally(&self) -> Act<'_, Tally>;

    /// Everything that is not over at `now`, as it stands at one moment: by `Part`, and within a part by its key.
    fn take_out(&self, now: Time) -> Act<'_, Outgoing>;

    /// Fills an empty store: all rows or none. A gateway that starts meanwhile waits, and then finds them.
    fn take_in(&self, rows: Incoming) -> Act<'_, Taken>;
}

/// Rows of a page.
pub const PAGE: usize = 500;

/// Pages under way at most.
const PAGES: usize = 2;

impl Part {
    pub const ALL: [Self; 14] = [
        Self::Keys,
        Self::Clients,
        Self::SecretUses,
        Self::Declared,
        Self::Users,
        Self::Retired,
        Self::Sessions,
        Self::Consents,
        Self::Grants,
        Self::Codes,
        Self::Finished,
        Self::Tokens,
        Self::Revocations,
        Self::Assertions,
    ];

    /// One of it, and several.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Keys => ("key", "keys"),
            Self::Clients => ("client", "clients"),
            Self::SecretUses => ("use of a secret", "uses of secrets"),
            Self::Declared => ("client of the file", "clients of the file"),
            Self::Users => ("user", "users"),
            Self::Retired => ("id of a removed user", "ids of removed users"),
            Self::Sessions => ("session", "sessions"),
            Self::Consents => ("consent", "consents"),
            Self::Grants => ("grant", "grants"),
            Self::Codes => ("code", "codes"),
            Self::Finished => ("ended request", "ended requests"),
            Self::Tokens => ("opaque token", "opaque tokens"),
            Self::Revocations => ("revocation", "revocations"),
            Self::Assertions => ("used assertion", "used assertions"),
        }
    }
}

impl Row {
    pub const fn part(&self) -> Part {
        match self {
            Self::Key(_) => Part::Keys,
            Self::Client(_) => Part::Clients,
            Self::SecretUse(_) => Part::SecretUses,
            Self::Declared(_) => Part::Declared,
            Self::User(_) => Part::Users,
            Self::Retired(_) => Part::Retired,
            Self::Session(_) => Part::Sessions,
            Self::Consent(_) => Part::Consents,
            Self::Grant(_) => Part::Grants,
            Self::Code(_) => Part::Codes,
            Self::Finished(_) => Part::Finished,
            Self::Token(_) => Part::Tokens,
            Self::Revocation(_) => Part::Revocations,
            Self::Assertion(_) => Part::Assertions,
        }
    }

    /// By what rows of a part are told apart, and in what order they come. Keys come in the order in which they were kept,
    /// which is no part of them.
    pub fn key(&self) -> (u64, Vec<&[u8]>) {
        let key: Vec<&[u8]> = match self {
            Self::Key(key) => vec![key.id.as_bytes()],
            Self::Client(client) => vec![client.id.as_bytes()],
            Self::SecretUse(one) => vec![one.client.as_bytes(), one.secret.as_bytes()],
            Self::Declared(id) | Self::Retired(id) => vec![id.as_bytes()],
            Self::User(kept) => vec![kept.user.id.as_bytes()],
            Self::Session(session) => vec![session.digest.as_bytes()],
            Self::Consent(one) => vec![one.user.as_bytes(), one.client.as_bytes(), one.resource.as_bytes()],
            Self::Grant(kept) => vec![&kept.grant.id.0],
            Self::Code(code) => vec![code.digest.as_bytes()],
            Self::Finished(mark) | Self::Assertion(mark) => vec![mark.digest.as_bytes()],
            Self::Token(token) => vec![token.digest.as_bytes()],
            Self::Revocation(revocation) => return (revocation.number, Vec::new()),
        };
        (0, key)
    }
}

impl Tally {
    pub fn add(&mut self, part: Part, count: u64) {
        if count > 0 {
            *self.0.entry(part).or_default() += count;
        }
    }

    pub fn of(&self, part: Part) -> u64 {
        self.0.get(&part).copied().unwrap_or(0)
    }

    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

/// `2 keys, 12 users, 40,112 grants`.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing");
        }
        for (place, (part, count)) in self.0.iter().enumerate() {
            let (one, several) = part.words();
            let comma = if place > 0 { ", " } else { "" };
            write!(f, "{comma}{} {}", grouped(*count), if *count == 1 { one } else { several })?;
        }
        Ok(())
    }
}

/// A number as people read it: `1,000,000`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl Outgoing {
    /// Where a store puts its pages, and what the other end gets.
    pub(super) fn channel(tally: Tally) -> (Pages, Self) {
        let (pages, taken) = mpsc::channel(PAGES);
        (pages, Self { tally, pages: taken })
    }

    /// The next rows; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<Vec<Row>, StoreFault>> {
        self.pages.recv().await
    }
}

impl Incoming {
    pub fn channel() -> (Feed, Self) {
        let (feed, rows) = mpsc::channel(PAGES);
        (Feed(feed), Self(rows))
    }

    /// The next rows. `Some(None)`: there are no more; `None`: they were broken off.
    pub(super) async fn next(&mut self) -> Option<Option<Vec<Row>>> {
        self.0.recv().await
    }

    /// The same, for a thread that may wait.
    #[cfg(feature = "sqlite")]
    pub(super) fn next_blocking(&mut self) -> Option<Option<Vec<Row>>> {
        self.0.blocking_recv()
    }
}

impl Feed {
    /// Hands rows on; `false` when the store takes no more, and says why by itself.
    pub async fn rows(&self, rows: Vec<Row>) -> bool {
        self.0.send(Some(rows)).await.is_ok()
    }

    /// Those were all.
    pub async fn end(self) {
        // A store that takes no more says why by itself.
        let _ = self.0.send(None).await;
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, Tally, grouped};

    #[test]
    fn a_tally_says_what_there_is_as_people_count() {
        let mut tally = Tally::default();
        assert_eq!(tally.to_string(), "nothing");
        for (part, count) in [(Part::Grants, 40_112), (Part::Users, 1), (Part::Keys, 2), (Part::Codes, 0)] {
            tally.add(part, count);
        }
        assert_eq!(tally.to_string(), "2 keys, 1 user, 40,112 grants");
        assert_eq!(tally.total(), 40_115);
    }

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_000_000, "1,000,000")] {
            assert_eq!(grouped(number), text);
        }
    }
}
