//! Writing everything down.

use std::io::{self, Write};

use super::Progress;
use super::head::Head;
use super::line::Line;
use crate::authority::administration::{Administration, Refused, wish};
use crate::authority::sealing::{SEALED, is_sealed};
use crate::store::whole::{Row, Tally};

const CLEAR: &str = "in clear, and an export has nothing in clear: set `keys.encryption`, start the gateway once, so that what is \
                     there is sealed, and try again";

impl Administration {
    /// Writes everything that is not over, as it stands at one moment: the same for the same store, but for the moment itself.
    /// Nothing is written when something of it lies in clear.
    pub async fn take_out(&self, to: &mut dyn Write, progress: Progress<'_>) -> Result<Tally, Refused> {
        self.is_all_sealed().await?;
        let now = self.clock.now();
        let mut outgoing = self.store.take_out(now).await?;
        let tally = outgoing.tally.clone();
        let head = serde_json::to_vec(&Head::new(self.settings.issuer.as_str(), now, &tally));
        let mut text = head.map_err(|cause| unwritten(&cause.into()))?;
        text.push(b'\n');
        let mut written = Tally::default();
        while let Some(page) = outgoing.next().await {
            for row in page? {
                written.add(row.part(), 1);
                append(&row, &mut text)?;
            }
            to.write_all(&text).map_err(|cause| unwritten(&cause))?;
            text.clear();
            progress(written.total(), tally.total());
        }
        to.write_all(&text).and_then(|()| to.flush()).map_err(|cause| unwritten(&cause))?;
        if written != tally {
            return Err(wish("the store gave fewer rows than it has: the export is not whole; try again"));
        }
        Ok(tally)
    }

    async fn is_all_sealed(&self) -> Result<(), Refused> {
        for key in self.store.signing_keys().await? {
            sealed(&Row::Key(key))?;
        }
        match self.store.second_factors_besides(SEALED, 1).await?.first() {
            Some((id, _)) => Err(wish(format!("the second factor of user `{id}` lies {CLEAR}"))),
            None => Ok(()),
        }
    }
}

fn append(row: &Row, text: &mut Vec<u8>) -> Result<(), Refused> {
    // What was made in clear since it was looked at.
    sealed(row)?;
    Line::serialize(row, &mut serde_json::Serializer::new(&mut *text)).map_err(|cause| unwritten(&cause.into()))?;
    text.push(b'\n');
    Ok(())
}

fn sealed(row: &Row) -> Result<(), Refused> {
    match row {
        Row::Key(key) if !is_sealed(&key.pkcs8) => Err(wish(format!("the key `{}` lies {CLEAR}", key.id))),
        Row::User(kept) if kept.user.second_factor.as_ref().is_some_and(|factor| !is_sealed(&factor.secret)) => {
            Err(wish(format!("the second factor of user `{}` lies {CLEAR}", kept.user.id)))
        }
        Row::Key(_)
        | Row::Client(_)
        | Row::SecretUse(_)
        | Row::Declared(_)
        | Row::User(_)
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

fn unwritten(cause: &io::Error) -> Refused {
    wish(format!("the export cannot be written: {cause}"))
}
