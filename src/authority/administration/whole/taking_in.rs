//! Reading everything, and filling an empty store with it.

use std::collections::HashSet;
use std::io::{BufRead, Read as _};

use super::Progress;
use super::head::Head;
use super::line::Line;
use crate::authority::administration::{Administration, OLD_KEY, Refused, wish};
use crate::authority::prove::totp_context;
use crate::authority::registration::Registration;
use crate::authority::rotation;
use crate::authority::sealing::is_sealed;
use crate::store::SigningKey;
use crate::store::whole::{Clash, Feed, Incoming, PAGE, Part, Row, Taken, Tally};

/// The longest line, in bytes: many times what a row takes.
const LONGEST: u64 = 16 * 1024 * 1024;

/// What an import says of itself in the audit log and at its end.
pub struct Filled {
    pub tally: Tally,
    /// What stands in the way, where it was only asked.
    pub occupied: Option<String>,
}

impl Administration {
    /// Fills the store, which has to be empty, with what `take_out` wrote: all of it or nothing. With `dry_run` it only looks
    /// whether that could be.
    pub async fn take_in(
        &self,
        from: &mut dyn BufRead,
        dry_run: bool,
        progress: Progress<'_>,
    ) -> Result<Filled, Refused> {
        let there = self.store.tally().await?;
        let occupied = (there.total() > 0).then(|| occupied(&there));
        if let (Some(cause), false) = (&occupied, dry_run) {
            return Err(wish(cause.clone()));
        }
        let mut lines = Lines::begin(from, self.settings.issuer.as_str())?;
        if dry_run {
            while let Some(page) = lines.page(self)? {
                drop(page);
                progress(lines.read.total(), lines.promised.total());
            }
            return Ok(Filled { tally: lines.read, occupied });
        }
        let (feed, incoming) = Incoming::channel();
        // Whichever of the two fails takes the other along: a feed that is dropped early leaves nothing behind.
        let (taken, fed) = tokio::join!(self.store.take_in(incoming), self.feed(&mut lines, feed, progress));
        fed?;
        match taken? {
            Taken::All => {}
            Taken::Occupied(there) => return Err(wish(occupied_now(&there))),
            Taken::Clash { row, why } => return Err(clash(row, why)),
            Taken::BrokenOff => return Err(wish("the rows ended without a word: nothing was kept")),
        }
        self.tell("admin.import", "", format!("a whole store: {}", lines.read)).await?;
        Ok(Filled { tally: lines.read, occupied: None })
    }

    async fn feed(&self, lines: &mut Lines<'_>, feed: Feed, progress: Progress<'_>) -> Result<(), Refused> {
        while let Some(page) = lines.page(self)? {
            if !feed.rows(page).await {
                return Ok(());
            }
            progress(lines.read.total(), lines.promised.total());
        }
        feed.end().await;
        Ok(())
    }

    /// What would not work in the new store.
    fn fits(&self, row: &Row) -> Result<(), String> {
        match row {
            Row::Key(key) if !is_sealed(&key.pkcs8) => Err("the key lies in clear".to_owned()),
            Row::Key(key) => {
                let opened = self.sealer.open(&rotation::purpose(&key.id), &key.pkcs8);
                let opened = opened.map_err(|cause| format!("the key `{}`: {cause}; {OLD_KEY}", key.id))?;
                let key = SigningKey { pkcs8: opened.clear, ..key.clone() };
                rotation::is_of_its_id(&key).map_err(|cause| cause.to_string())
            }
            Row::Client(client) => {
                let read = Registration::read(&client.registration).map(drop);
                read.map_err(|_| format!("the registration of client `{}` cannot be read", client.id))
            }
            Row::User(kept) => {
                let Some(factor) = &kept.user.second_factor else { return Ok(()) };
                let id = &kept.user.id;
                if !is_sealed(&factor.secret) {
                    return Err(format!("the second factor of user `{id}` lies in clear"));
                }
                let opened = self.sealer.open(&totp_context(id), &factor.secret).map(drop);
                opened.map_err(|cause| format!("the second factor of user `{id}`: {cause}; {OLD_KEY}"))
            }
            Row::SecretUse(_)
            | Row::Declared(_)
            | Row::Retired(_)
            | Row::Session(_)
            | Row::Consent(_)
            | Row::Grant(_)
            | Row::Code(_)
            | Row::Finished(_)
            | Row::Token(_)
            | Row::Revocation(_)
            | Row::Assertion(_) => Ok(()),
        }
    }
}

/// The lines of a file, read one after the other.
struct Lines<'f> {
    from: &'f mut dyn BufRead,
    promised: Tally,
    read: Tally,
    /// The number of the line that was read last.
    number: u64,
    last: Option<Place>,
    keys: HashSet<String>,
    text: Vec<u8>,
}

/// Where a row comes, so that the next one can be seen to come after it.
type Place = (Part, u64, Vec<Vec<u8>>);

impl<'f> Lines<'f> {
    fn begin(from: &'f mut dyn BufRead, issuer: &str) -> Result<Self, Refused> {
        let (promised, read) = (Tally::default(), Tally::default());
        let mut lines = Self { from, promised, read, number: 0, last: None, keys: HashSet::new(), text: Vec::new() };
        if !lines.next()? {
            return Err(wish("there is nothing in it: `portcullis export --all` writes what `import --all` reads"));
        }
        lines.promised = Head::read(&lines.text, issuer).map_err(|cause| lines.wrong(&cause))?;
        Ok(lines)
    }

    /// The next rows, each looked at; `None` after the last, once all have come that were promised.
    fn page(&mut self, office: &Administration) -> Result<Option<Vec<Row>>, Refused> {
        let mut page = Vec::new();
        while page.len() < PAGE && self.next()? {
            let row = self.row()?;
            office.fits(&row).map_err(|cause| self.wrong(&cause))?;
            self.in_turn(&row)?;
            self.read.add(row.part(), 1);
            page.push(row);
        }
        if !page.is_empty() {
            return Ok(Some(page));
        }
        if self.read != self.promised {
            return Err(wish(format!(
                "the export is not whole: its first line promises {}, and there is {}; nothing of it was kept",
                self.promised, self.read
            )));
        }
        Ok(None)
    }

    /// Reads a line into `text`; `false` at the end.
    fn next(&mut self) -> Result<bool, Refused> {
        self.text.clear();
        self.number += 1;
        let read = (&mut *self.from).take(LONGEST).read_until(b'\n', &mut self.text);
        let read = read.map_err(|cause| self.wrong(&format!("it cannot be read: {cause}")))?;
        if u64::try_from(read).is_ok_and(|read| read == LONGEST) {
            return Err(self.wrong("it is longer than any that `portcullis export --all` writes"));
        }
        Ok(read > 0)
    }

    fn row(&self) -> Result<Row, Refused> {
        let mut text = serde_json::Deserializer::from_slice(&self.text);
        let row = Line::deserialize(&mut text).and_then(|row| text.end().map(|()| row));
        row.map_err(|cause| match cause.classify() {
            serde_json::error::Category::Eof => self.wrong("it breaks off"),
            // The parser's own words may repeat what stands there, hashes and all.
            serde_json::error::Category::Syntax
            | serde_json::error::Category::Data
            | serde_json::error::Category::Io => {
                self.wrong(&format!("it cannot be read from column {} on", cause.column()))
            }
        })
    }

    /// Rows come in order and once, but for keys, whose order is their age.
    fn in_turn(&mut self, row: &Row) -> Result<(), Refused> {
        let (number, key) = row.key();
        let place = (row.part(), number, key.into_iter().map(<[u8]>::to_vec).collect());
        let is_good = match (row, &self.last) {
            (Row::Key(key), last) => {
                self.keys.insert(key.id.clone()) && last.as_ref().is_none_or(|last| last.0 == Part::Keys)
            }
            (_, Some(last)) => *last < place,
            (_, None) => true,
        };
        self.last = Some(place);
        if is_good { Ok(()) } else { Err(self.wrong("it comes twice, or not in its turn")) }
    }

    fn wrong(&self, cause: &str) -> Refused {
        wish(format!("line {}: {cause}; nothing was kept", self.number))
    }
}

fn occupied(there: &Tally) -> String {
    format!(
        "the store is not empty: it holds {there}. A whole authority moves into an empty store alone, before a gateway has \
         started on it: name another file or database, or empty this one (docs/postgresql.md says how)"
    )
}

fn occupied_now(there: &Tally) -> String {
    format!("{}; nothing was kept", occupied(there))
}

fn clash(row: u64, why: Clash) -> Refused {
    // The first row stands on the second line.
    let line = row + 2;
    let why = match why {
        Clash::Twice => "one with its id or name stands before it",
        Clash::Orphan => "what it belongs to is not there",
    };
    wish(format!("line {line}: {why}; nothing was kept"))
}
