//! Is every change of the log found, and is nothing lost that was acknowledged?

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use proptest::prelude::*;

use super::writer::Disk;
use super::*;
use crate::ground::{ManualClock, Time};

fn settings(folder: &Path) -> AuditSettings {
    AuditSettings::new(folder.join("audit.jsonl"), Duration::from_secs(86_400))
}

fn login(number: usize) -> Event {
    Event { subject: format!("usr_{number}"), detail: "a \"quoted\", text\n".into(), ..Event::named("login.ok") }
}

async fn written(folder: &Path, events: usize) -> AuditSettings {
    let settings = settings(folder);
    let audit = Audit::open(settings.clone(), ManualClock::at(Time::from_secs(1_800_000_000))).unwrap();
    for number in 0..events {
        audit.write(login(number)).await.unwrap();
    }
    settings
}

fn check(settings: &AuditSettings, lines: u64) {
    let verdict = verify(&settings.file, |_| ()).unwrap();
    assert_eq!((verdict.damages, verdict.lines), (vec![], lines));
}

#[tokio::test]
async fn what_is_written_verifies_and_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let settings = written(folder.path(), 3).await;
    check(&settings, 3);
    written(folder.path(), 2).await;
    check(&settings, 5);
    let text = std::fs::read_to_string(&settings.file).unwrap();
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!((&first["n"], &first["event"], &first["prev"]), (&1.into(), &"login.ok".into(), &START.into()));
    assert_eq!(first["at"], "2027-01-15T08:00:00.000Z");
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_its_owner_s_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let settings = written(folder.path(), 1).await;
    assert_eq!(std::fs::metadata(&settings.file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_line_that_was_cut_off_anywhere_is_told_about_and_the_chain_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let settings = written(folder.path(), 2).await;
    let whole = std::fs::read(&settings.file).unwrap();
    let second = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for length in (second + 1..whole.len()).step_by(17) {
        std::fs::write(&settings.file, &whole[..length]).unwrap();
        written(folder.path(), 1).await;
        check(&settings, 3);
        let text = std::fs::read_to_string(&settings.file).unwrap();
        assert!(text.contains("audit.torn") && text.contains(&format!("{} bytes", length - second)), "{text}");
    }
}

#[tokio::test]
async fn of_what_was_cut_off_within_a_character_no_more_is_taken_than_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let settings = written(folder.path(), 2).await;
    let whole = std::fs::read(&settings.file).unwrap();
    for torn in [&b"\xc3"[..], b"{\xe2\x80", b"\xff\xff\xff"] {
        std::fs::write(&settings.file, [&whole, torn].concat()).unwrap();
        written(folder.path(), 1).await;
        let text = std::fs::read(&settings.file).unwrap();
        assert!(text.starts_with(&whole), "{torn:?}: {}", String::from_utf8_lossy(&text));
        check(&settings, 4);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_write_one_chain() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let clock = ManualClock::at(Time::from_secs(1_800_000_000));
    let both: Vec<_> = (0..2).map(|_| Audit::open(settings.clone(), clock.clone()).unwrap()).collect();
    let tasks: Vec<_> = both
        .iter()
        .cloned()
        .map(|audit| {
            tokio::spawn(async move {
                for number in 0..500 {
                    audit.write(login(number)).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    check(&settings, 1000);
}

#[tokio::test]
async fn a_full_file_is_followed_by_another_and_old_ones_go() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(Time::from_secs(1_800_000_000));
    let settings = AuditSettings { full: 1000, ..settings(folder.path()) };
    let audit = Audit::open(settings.clone(), clock.clone()).unwrap();
    for number in 0..20 {
        clock.advance(Duration::from_secs(3600));
        audit.write(login(number)).await.unwrap();
    }
    let before = verify(&settings.file, |_| ()).unwrap();
    assert!(before.damages.is_empty() && before.files > 3 && before.begins_at.is_none(), "{before:?}");
    for number in 0..20 {
        clock.advance(Duration::from_secs(3600 * 4));
        audit.write(login(number)).await.unwrap();
    }
    let after = verify(&settings.file, |_| ()).unwrap();
    assert!(after.damages.is_empty() && after.begins_at.is_some(), "{after:?}");
}

/// 2027-01-15T08:00:00.200Z and .205Z: the milliseconds look like the beginning of a year.
#[tokio::test]
async fn a_full_file_is_as_old_as_its_whole_name_says_whatever_its_milliseconds_are() {
    for millis in [200, 201, 205, 209] {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(Time::from_millis(1_800_000_000_000 + millis));
        let settings = AuditSettings { full: 1, ..settings(folder.path()) };
        let audit = Audit::open(settings.clone(), clock.clone()).unwrap();
        audit.write(login(0)).await.unwrap();
        audit.write(login(1)).await.unwrap();
        let fresh = verify(&settings.file, |_| ()).unwrap();
        assert!(fresh.files == 2 && fresh.begins_at.is_none(), "{millis}: {fresh:?}");
        clock.advance(Duration::from_secs(86_400 + 1));
        audit.write(login(2)).await.unwrap();
        let later = verify(&settings.file, |_| ()).unwrap();
        assert!(later.files == 2 && later.begins_at.is_some(), "{millis}: {later:?}");
    }
}

#[tokio::test]
async fn a_disk_that_takes_nothing_is_an_error_and_not_silence() {
    let full = AuditSettings::new("/dev/full".into(), Duration::from_secs(86_400));
    let clock = ManualClock::at(Time::from_secs(1_800_000_000));
    if let Ok(audit) = Audit::open(full, clock.clone()) {
        assert!(audit.write(login(1)).await.is_err());
        assert_eq!(audit.failures(), 1);
    }
    let nowhere = AuditSettings::new("/nonexistent/audit.jsonl".into(), Duration::from_secs(86_400));
    assert!(Audit::open(nowhere, clock).is_err());
}

fn disk(every: Duration, sync: impl FnMut(&File) -> io::Result<()> + Send + 'static) -> Disk {
    Disk { every, sync: Box::new(sync) }
}

/// The clock stands still, so that no later event can be what asks the disk.
#[tokio::test]
async fn the_last_line_is_on_the_disk_soon_although_no_other_follows() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(Time::from_secs(1_800_000_000));
    let (tell, told) = mpsc::channel();
    let disk = disk(Duration::from_millis(1), move |file| {
        let _ = tell.send(file.metadata()?.len());
        Ok(())
    });
    let settings = settings(folder.path());
    let audit = Audit::on(disk, settings.clone(), clock).unwrap();
    audit.write(login(0)).await.unwrap();
    let synced = told.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(synced, std::fs::metadata(&settings.file).unwrap().len());
}

#[tokio::test]
async fn a_full_file_is_on_the_disk_before_it_gets_its_other_name() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(Time::from_secs(1_800_000_000));
    let (tell, told) = mpsc::channel();
    let path = folder.path().to_owned();
    let disk = disk(Duration::from_secs(3600), move |_| {
        let _ = tell.send(std::fs::read_dir(&path)?.count());
        Ok(())
    });
    let audit = Audit::on(disk, AuditSettings { full: 1, ..settings(folder.path()) }, clock).unwrap();
    audit.write(login(0)).await.unwrap();
    assert!(told.try_recv().is_err());
    audit.write(login(1)).await.unwrap();
    assert_eq!((told.try_recv(), std::fs::read_dir(folder.path()).unwrap().count()), (Ok(1), 2));
}

#[tokio::test]
async fn a_disk_that_does_not_keep_what_is_written_is_an_error_until_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(Time::from_secs(1_800_000_000));
    let is_broken = Arc::new(AtomicBool::new(true));
    let broken = Arc::clone(&is_broken);
    let every = Duration::from_secs(3600);
    let disk = disk(every, move |_| if broken.load(Ordering::SeqCst) { Err(io::Error::other("lost")) } else { Ok(()) });
    let audit = Audit::on(disk, settings(folder.path()), clock.clone()).unwrap();
    audit.write(login(0)).await.unwrap();
    clock.advance(every);
    for failures in 1..3 {
        assert!(audit.write(login(1)).await.is_err());
        assert_eq!(audit.failures(), failures);
    }
    is_broken.store(false, Ordering::SeqCst);
    audit.write(login(2)).await.unwrap();
    assert_eq!(audit.failures(), 2);
    check(&settings(folder.path()), 4);
}

/// `docs/audit.md` shows this table; `UPDATE=1` writes it anew.
#[test]
#[allow(clippy::disallowed_methods, reason = "the test is told by the environment whether to write")]
fn the_documented_events_are_the_code_s() {
    let rows: String = NAMES.iter().map(|(name, meaning)| format!("| `{name}` | {meaning} |\n")).collect();
    let table = format!("| event | means |\n|---|---|\n{rows}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/audit.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("<!-- table: written by the tests -->\n").unwrap();
    let (old, after) = rest.split_once("<!-- /table -->").unwrap();
    if std::env::var_os("UPDATE").is_some() {
        let whole = format!("{before}<!-- table: written by the tests -->\n{table}<!-- /table -->{after}");
        std::fs::write(&path, whole).unwrap();
    } else {
        assert_eq!(old, table, "docs/audit.md is out of date: run `UPDATE=1 cargo test`");
    }
}

#[test]
fn every_event_has_a_name_of_its_own() {
    let mut names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), NAMES.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_changed_byte_any_lost_or_moved_line_is_found(kind in 0..4_u8, place in 0..2000_usize, value in 0..=255_u8) {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let settings = runtime.block_on(written(folder.path(), 6));
        let whole = std::fs::read(&settings.file).unwrap();
        let mut lines: Vec<Vec<u8>> = whole.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        match kind {
            0 => {
                let line = place % 6;
                let at = place % lines[line].len();
                prop_assume!(lines[line][at] != value);
                lines[line][at] = value;
            }
            1 => drop(lines.remove(1 + place % 4)),
            2 => lines.swap(place % 5, place % 5 + 1),
            _ => lines.insert(place % 6, lines[(place + 1) % 6].clone()),
        }
        std::fs::write(&settings.file, lines.concat()).unwrap();
        prop_assert!(!verify(&settings.file, |_| ()).unwrap().damages.is_empty());
    }
}
