//! Does anybody ever wait for the reader of events, and is anything lost that could be written?

use parking_lot::Mutex;
use std::sync::mpsc;

use super::*;

/// Takes lines once it may; `stuck` says so by going away.
struct Sink {
    stuck: mpsc::Receiver<()>,
    taken: Arc<Mutex<Vec<u8>>>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.stuck.recv();
        self.taken.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Stuck = (Events, mpsc::Sender<()>, Arc<Mutex<Vec<u8>>>);

fn stuck() -> Stuck {
    let (release, stuck) = mpsc::channel();
    let taken = Arc::<Mutex<Vec<u8>>>::default();
    let events = Events::on(Box::new(Sink { stuck, taken: Arc::clone(&taken) })).unwrap();
    (events, release, taken)
}

fn tell(events: &Events, number: usize) {
    (&events.lines).write_all(format!("event {number}\n").as_bytes()).unwrap();
}

#[test]
fn events_that_nobody_reads_hold_up_no_one_and_are_counted_when_they_are_lost() {
    let (events, release, taken) = stuck();
    let told = WAITING + 100;
    (0..told).for_each(|number| tell(&events, number));
    let dropped = usize::try_from(events.dropped().load(Ordering::Relaxed)).unwrap();
    assert!((99..=100).contains(&dropped), "{dropped}");
    drop(release);
    assert!(events.flush(Duration::from_secs(30)));
    let text = String::from_utf8(taken.lock().clone()).unwrap();
    let lines: Vec<String> = (0..told - dropped).map(|number| format!("event {number}")).collect();
    assert_eq!(text.lines().collect::<Vec<_>>(), lines);
}

#[test]
fn the_last_events_are_written_before_the_end() {
    let (events, release, taken) = stuck();
    drop(release);
    (0..100).for_each(|number| tell(&events, number));
    drop(events);
    assert_eq!(taken.lock().iter().filter(|byte| **byte == b'\n').count(), 100);
}

#[test]
fn the_end_waits_within_bounds_for_a_reader_who_has_stopped() {
    let (events, release, _taken) = stuck();
    tell(&events, 1);
    assert!(!events.flush(Duration::ZERO));
    drop(release);
    assert!(events.flush(Duration::from_secs(30)));
}

#[test]
fn an_event_is_one_piece_however_long_it_is() {
    let (events, release, taken) = stuck();
    drop(release);
    let subscriber = tracing_subscriber::fmt().json().with_writer(events.lines.clone()).finish();
    let long = "long ".repeat(10_000);
    tracing::subscriber::with_default(subscriber, || tracing::warn!("{long}"));
    drop(events);
    let text = String::from_utf8(taken.lock().clone()).unwrap();
    assert!(text.ends_with("}\n") && text.contains(&long));
}
