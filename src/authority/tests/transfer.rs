//! Clients and users that come from another store, and second factors that only the key of that store opens.

use super::*;
use crate::authority::administration::{Administration, Change, Export, Refused};
use crate::authority::password::PasswordRules;
use crate::authority::prove::totp_context;
use crate::authority::sealing::Sealer;
use crate::observe::audit::{Audit, AuditSettings};
use crate::store::{Origin, SecondFactor, User};

const OLD_KEY: &str = "the key of the store that they come from";
const OTHER_KEY: &str = "the key of the store that they come into";

fn sealer(key: &str) -> Sealer {
    Sealer::with(&Secret::new(key)).unwrap()
}

/// What commands work with, and the folder of its log.
struct Office {
    administration: Administration,
    _folder: tempfile::TempDir,
}

impl std::ops::Deref for Office {
    type Target = Administration;

    fn deref(&self) -> &Administration {
        &self.administration
    }
}

/// On an empty store whose secrets this seals.
fn office(sealer: Sealer) -> Office {
    let folder = tempfile::tempdir().unwrap();
    let log = AuditSettings::new(folder.path().join("audit.log"), Duration::from_secs(60));
    let administration = Administration {
        store: Arc::new(Memory::default()),
        settings: Settings::new(parts()).unwrap(),
        sealer: Arc::new(sealer),
        password_rules: PasswordRules::default(),
        clock: ManualClock::at(Time::from_secs(NOW)),
        random: Arc::new(SystemRandom),
        audit: Audit::open(log, ManualClock::at(Time::from_secs(NOW))).unwrap(),
    };
    Office { administration, _folder: folder }
}

/// The export of a store with as many users, each with a second factor, and one without.
async fn exported(count: usize) -> Export {
    let office = office(sealer(OLD_KEY));
    let made = Time::from_secs(NOW);
    for number in 0..count {
        let id = format!("usr_{number:02}");
        let secret = office.sealer.seal(&totp_context(&id), b"a secret of theirs").unwrap();
        let factor = Some(SecondFactor { secret, made, last_step: None });
        office.store.add_user(User { second_factor: factor, ..person(&id, &format!("u{number:02}")) }).await.unwrap();
    }
    office.store.add_user(person("usr_plain", "plain")).await.unwrap();
    office.export().await.unwrap().0
}

fn person(id: &str, name: &str) -> User {
    User {
        id: id.into(),
        name: name.into(),
        email: None,
        email_verified: false,
        profile: "{}".into(),
        password: None,
        roles: Vec::new(),
        disabled: false,
        origin: Origin::Command,
        made: Time::from_secs(NOW),
        second_factor: None,
        recovery: Vec::new(),
    }
}

/// Why nothing of it is brought in, be it asked or done.
async fn refusal(office: &Office, export: &Export) -> String {
    let asked = office.import(export, true).await.unwrap_err().to_string();
    let done = office.import(export, false).await.unwrap_err();
    assert!(matches!(&done, Refused::Wish(cause) if *cause == asked), "{done}");
    assert_eq!(office.store.users().await.unwrap(), []);
    asked
}

#[tokio::test]
async fn second_factors_come_in_under_the_key_that_sealed_them() {
    let (export, office) = (exported(2).await, office(sealer(OLD_KEY)));
    let changes = office.import(&export, false).await.unwrap();
    assert_eq!(changes.len(), 4, "{changes:?}");
    assert_eq!(office.export().await.unwrap().0, export);
    assert_eq!(office.import(&export, false).await.unwrap(), [Change::Unchanged(3)]);
}

#[tokio::test]
async fn a_second_factor_that_no_configured_key_opens_keeps_the_whole_import_out() {
    let mut export = exported(2).await;
    for (sealer, why) in [(sealer(OTHER_KEY), "under another key"), (Sealer::clear(), "no key is configured")] {
        let office = office(sealer);
        let cause = refusal(&office, &export).await;
        assert!(
            cause.contains("the second factor of users `u00`, `u01` cannot be opened") && cause.contains(why),
            "{cause}"
        );
        assert!(cause.contains("`keys.encryption` that the old store had"), "{cause}");
        assert!(cause.contains("take `second_factor` and `recovery` of these users out"), "{cause}");
    }
    // What the refusal advises is enough.
    for user in &mut export.users {
        (user.second_factor, user.recovery) = (None, Vec::new());
    }
    assert_eq!(office(sealer(OTHER_KEY)).import(&export, false).await.unwrap().len(), 4);
}

#[tokio::test]
async fn of_many_second_factors_that_cannot_be_opened_the_first_users_are_named() {
    let cause = refusal(&office(sealer(OTHER_KEY)), &exported(25).await).await;
    assert!(cause.contains("`u08`, `u09` and 15 more"), "{cause}");
    assert!(!cause.contains("`u10`"), "{cause}");
}

#[tokio::test]
async fn a_second_factor_under_another_id_is_told_from_one_under_another_key() {
    let mut export = exported(1).await;
    export.users.iter_mut().filter(|user| user.name == "u00").for_each(|user| user.id = "usr_other".into());
    let cause = refusal(&office(sealer(OLD_KEY)), &export).await;
    assert!(cause.contains("the second factor of user `u00` cannot be opened"), "{cause}");
    assert!(
        cause.contains("export again and leave each `id` as it is") && !cause.contains("keys.encryption"),
        "{cause}"
    );
}
