//! The verbs of codes and grants in PostgreSQL; how their rows look stands in `families`.

use super::column::{column, kept};
use super::families::{self, CODE, FAMILY, code_row, row};
use super::fault::Failure;
use super::revoke::{self, Ending};
use super::session::Session;
use super::{Postgres, sessions, tokens, users};
use crate::ground::{Digest, Time};
use crate::store::turning::{self, Step};
use crate::store::{
    AccessToken, Act, Code, Grant, GrantId, Grants, Proven, Redeem, Revocation, Revoked, Turn, Turning, Whose,
};

/// Wrong verifiers that burn a code.
const MOST_MISSES: i64 = 5;

impl Grants for Postgres {
    fn keep_code(&self, code: Code, transaction: Digest, remember: Time) -> Act<'_, bool> {
        self.once("keep a code", (code, transaction, remember), |db, (code, transaction, remember)| {
            Box::pin(async move {
                if !sessions::is_open(db, &code.allowed).await? || !finish(db, *transaction, *remember).await? {
                    return Ok(false);
                }
                families::insert_code(db, code).await.map(|()| true)
            })
        })
    }

    fn finish_transaction(&self, transaction: Digest, remember: Time) -> Act<'_, bool> {
        self.once("finish a transaction", (transaction, remember), |db, (transaction, remember)| {
            Box::pin(finish(db, *transaction, *remember))
        })
    }

    fn is_finished(&self, transaction: Digest) -> Act<'_, bool> {
        self.repeatable("look for a transaction", transaction, |db, transaction| {
            Box::pin(async move {
                let find = "SELECT FROM portcullis.finished WHERE digest = $1";
                Ok(db.maybe(find, &[&&transaction.as_bytes()[..]]).await?.is_some())
            })
        })
    }

    fn code(&self, digest: Digest) -> Act<'_, Option<Code>> {
        self.repeatable("read a code", digest, |db, digest| Box::pin(code(db, *digest, "")))
    }

    fn miss_code(&self, digest: Digest) -> Act<'_, ()> {
        self.once("count a wrong verifier", digest, |db, digest| {
            Box::pin(async move {
                let count = "UPDATE portcullis.code SET misses = misses + 1 WHERE digest = $1";
                db.execute(count, &[&&digest.as_bytes()[..]]).await.map(drop)
            })
        })
    }

    fn redeem_code(&self, digest: Digest, grant: Grant, now: Time) -> Act<'_, Redeem> {
        self.once("redeem a code", (digest, grant, now), |db, (digest, grant, now)| {
            Box::pin(async move {
                // Held: whoever comes second waits here, and then finds the grant of the first.
                match code(db, *digest, "FOR UPDATE").await? {
                    None => Ok(Redeem::Gone),
                    Some(Code { grant: Some(grant), .. }) => Ok(Redeem::Again(grant)),
                    Some(code) if *now >= code.ends => Ok(Redeem::Gone),
                    Some(_) => {
                        families::insert(db, grant, grant.end()).await?;
                        let use_up = "UPDATE portcullis.code SET family = $2 WHERE digest = $1";
                        db.execute(use_up, &[&&digest.as_bytes()[..], &&grant.id.0[..]]).await?;
                        Ok(Redeem::Granted)
                    }
                }
            })
        })
    }

    fn keep_grant(&self, grant: Grant) -> Act<'_, ()> {
        self.once("keep a grant", grant, |db, grant| Box::pin(families::insert(db, grant, grant.end())))
    }

    fn keep_proven_grant(&self, grant: Grant, proven: Proven) -> Act<'_, bool> {
        self.once("keep a grant", (grant, proven), |db, (grant, proven)| {
            Box::pin(async move {
                let holds = users::holds(db, proven).await?;
                if holds {
                    families::insert(db, grant, grant.end()).await?;
                }
                Ok(holds)
            })
        })
    }

    fn grant(&self, id: GrantId) -> Act<'_, Option<Grant>> {
        self.repeatable("read a grant", id, |db, id| Box::pin(grant(db, *id, "")))
    }

    fn grants(&self, whose: Option<Whose>, now: Time, most: usize) -> Act<'_, Vec<Grant>> {
        self.repeatable("list grants", (whose, now, most), |db, (whose, now, most)| {
            Box::pin(listed(db, whose.as_ref(), *now, *most))
        })
    }

    fn turn_grant(&self, id: GrantId, generation: u32, turning: Turning, now: Time, tokens_end: Time) -> Act<'_, Turn> {
        let input = (id, generation, turning, now, tokens_end);
        self.once("turn a grant", input, |db, (id, generation, turning, now, tokens_end)| {
            Box::pin(async move {
                let Some(mut grant) = grant(db, *id, "FOR UPDATE").await? else { return Ok(Turn::Gone) };
                let step = turning::step(&grant, *generation, turning, *now);
                turning::carry_out(&mut grant, *generation, step, turning, *now);
                match step {
                    Step::Gone => Ok(Turn::Gone),
                    Step::Replay => revoke::families(db, &[*id], *tokens_end).await.map(|()| Turn::Replayed),
                    Step::Advance | Step::Stay => {
                        families::turn(db, &grant).await.map(|()| Turn::Good(Box::new(grant)))
                    }
                }
            })
        })
    }

    fn confirm_grant(&self, id: GrantId, generation: u32) -> Act<'_, ()> {
        self.repeatable("confirm a grant", (id, generation), |db, (id, generation)| {
            Box::pin(async move {
                let confirm = "UPDATE portcullis.family SET confirmed = true
                               WHERE id = $1 AND generation = $2 AND NOT confirmed";
                db.execute(confirm, &[&&id.0[..], &i64::from(*generation)]).await.map(drop)
            })
        })
    }

    fn revoke_grants(&self, whose: Whose, now: Time, tokens_end: Time) -> Act<'_, usize> {
        self.once("revoke grants", (whose, now, tokens_end), |db, (whose, now, tokens_end)| {
            Box::pin(async move { revoke::grants(db, &Ending::Whose(whose), *now, *tokens_end).await })
        })
    }

    fn keep_token(&self, token: AccessToken) -> Act<'_, ()> {
        self.repeatable("keep an access token", token, |db, token| {
            Box::pin(async move { tokens::insert(db, token).await.map(drop) })
        })
    }

    fn token(&self, digest: Digest, now: Time) -> Act<'_, Option<AccessToken>> {
        self.repeatable("read an access token", (digest, now), |db, (digest, now)| {
            Box::pin(tokens::live(db, *digest, *now))
        })
    }

    fn revoke_token(&self, id: String, until: Time) -> Act<'_, ()> {
        self.once("revoke an access token", (id, until), |db, (id, until)| {
            Box::pin(async move {
                db.execute("DELETE FROM portcullis.access_token WHERE id = $1", &[&kept(id)]).await?;
                db.revoked.push((Revoked::Token(id.clone()), *until));
                Ok(())
            })
        })
    }

    fn is_revoked(
        &self,
        id: String,
        grant: Option<(GrantId, u32)>,
        client: String,
        issued: Time,
        now: Time,
    ) -> Act<'_, bool> {
        let input = (id, grant, client, issued, now);
        self.repeatable("look for a revocation", input, |db, (id, grant, client, issued, now)| {
            Box::pin(tokens::is_revoked(db, id, *grant, client, (*issued, *now)))
        })
    }

    fn revocations(&self, after: u64, now: Time, most: usize) -> Act<'_, Vec<Revocation>> {
        self.repeatable("read the revocations", (after, now, most), |db, (after, now, most)| {
            Box::pin(tokens::revocations(db, *after, *now, *most))
        })
    }

    fn use_assertion(&self, id: Digest, until: Time) -> Act<'_, bool> {
        self.once("use up an assertion", (id, until), |db, (id, until)| {
            Box::pin(async move {
                let note = "INSERT INTO portcullis.assertion (id, until) VALUES ($1, $2) ON CONFLICT DO NOTHING";
                Ok(db.execute(note, &[&&id.as_bytes()[..], &column(*until)]).await? > 0)
            })
        })
    }
}

async fn finish(db: &mut Session, transaction: Digest, remember: Time) -> Result<bool, Failure> {
    let note = "INSERT INTO portcullis.finished (digest, until) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    Ok(db.execute(note, &[&&transaction.as_bytes()[..], &column(remember)]).await? > 0)
}

async fn code(db: &Session, digest: Digest, held: &str) -> Result<Option<Code>, Failure> {
    let find = format!("SELECT {CODE} FROM portcullis.code WHERE digest = $1 AND misses < $2 {held}");
    let found = db.maybe(&find, &[&&digest.as_bytes()[..], &MOST_MISSES]).await?;
    found.map(|found| code_row(&found)).transpose()
}

async fn grant(db: &Session, id: GrantId, held: &str) -> Result<Option<Grant>, Failure> {
    let find = format!("SELECT {FAMILY} FROM portcullis.family WHERE id = $1 {held}");
    let found = db.maybe(&find, &[&&id.0[..]]).await?;
    found.map(|found| row(&found)).transpose()
}

async fn listed(db: &Session, whose: Option<&Whose>, now: Time, most: usize) -> Result<Vec<Grant>, Failure> {
    let select = |condition: &str| {
        format!(
            "SELECT {FAMILY} FROM portcullis.family WHERE {condition} AND NOT revoked AND until > $1
             ORDER BY made DESC, id DESC LIMIT $2"
        )
    };
    let (now, most) = (column(now), i64::try_from(most).unwrap_or(i64::MAX));
    let rows = match whose {
        None => db.rows(&select("TRUE"), &[&now, &most]).await?,
        Some(Whose::Grant(id)) => db.rows(&select("id = $3"), &[&now, &most, &&id.0[..]]).await?,
        Some(Whose::User(user)) => db.rows(&select("person = $3"), &[&now, &most, &kept(user)]).await?,
        Some(Whose::Client(client)) => db.rows(&select("client = $3"), &[&now, &most, &kept(client)]).await?,
        Some(Whose::UserAt { user, client }) => {
            db.rows(&select("person = $3 AND client = $4"), &[&now, &most, &kept(user), &kept(client)]).await?
        }
    };
    rows.iter().map(row).collect()
}
