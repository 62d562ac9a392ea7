use super::*;
use crate::serve::crowd::Bounds;

const LIMITS: DoorLimits = DoorLimits {
    connections: Bounds { all: 10, of_one_address: 10 },
    head: Duration::from_secs(10),
    idle: Duration::from_secs(60),
    body: Duration::from_secs(30),
    body_rate: 64,
};

/// Does `act`, lets `passed` seconds go by, and says whether the connection is cut then.
fn check(act: impl Fn(&Watch), passed: u64, cut: bool) {
    let now = Ticks::default();
    let watch = Watch::new(LIMITS, false, Arc::clone(&now));
    act(&watch);
    now.store(passed * 1000, Relaxed);
    watch.inspect();
    assert_eq!(watch.fate(&Context::from_waker(Waker::noop())) == Fate::Cut, cut);
}

#[test]
fn a_head_that_takes_too_long_ends_the_connection() {
    check(|_| {}, 10, false);
    check(|_| {}, 11, true);
}

#[test]
fn the_time_of_a_head_runs_from_its_first_byte_and_not_from_its_last() {
    let trickling = |watch: &Watch| {
        watch.request_begins();
        watch.request_ends();
        watch.bytes_arrived(1);
        watch.now.store(9_000, Relaxed);
        watch.bytes_arrived(1);
    };
    check(trickling, 11, true);
}

#[test]
fn an_idle_connection_ends_after_the_idle_timeout() {
    let idle = |watch: &Watch| {
        watch.request_begins();
        watch.request_ends();
    };
    check(idle, 60, false);
    check(idle, 61, true);
}

#[test]
fn an_idle_connection_of_http2_is_told_before_it_is_cut() {
    let now = Ticks::default();
    let watch = Watch::new(LIMITS, true, Arc::clone(&now));
    watch.head_open(false);
    watch.request_begins();
    watch.request_ends();
    let mut fates = Vec::new();
    for second in [60, 61, 62] {
        now.store(second * 1000, Relaxed);
        watch.inspect();
        fates.push(watch.fate(&Context::from_waker(Waker::noop())));
    }
    assert_eq!(fates, [Fate::GoOn, Fate::Drain, Fate::Cut]);
}

#[test]
fn a_request_may_take_as_long_as_it_moves() {
    check(Watch::request_begins, 3600, false);
    let awaiting = |watch: &Watch| {
        watch.request_begins();
        watch.body_awaited(true);
    };
    check(awaiting, 31, true);
    let moving = |watch: &Watch| {
        watch.request_begins();
        watch.body_awaited(true);
        watch.body_awaited(false);
    };
    check(moving, 31, false);
}

#[test]
fn a_body_that_trickles_is_a_silent_one() {
    let come = |watch: &Watch, every: u64, bytes: usize| {
        watch.request_begins();
        for second in (0..60).step_by(usize::try_from(every).unwrap()) {
            watch.now.store(second * 1000, Relaxed);
            watch.body_awaited(true);
            watch.now.store((second + every) * 1000, Relaxed);
            watch.bytes_arrived(bytes);
            watch.body_awaited(false);
        }
        watch.body_awaited(true);
    };
    check(|watch| come(watch, 5, 1), 61, true);
    check(|watch| come(watch, 5, 400), 61, false);
    // Nobody is cut for waiting on us: an upstream that takes its time.
    let slow_upstream = |watch: &Watch| {
        watch.request_begins();
        watch.bytes_arrived(1);
    };
    check(slow_upstream, 3600, false);
}

#[test]
fn a_body_that_is_silent_ends_its_connection_whatever_comes_of_others() {
    let watch = Watch::new(LIMITS, true, Ticks::default());
    let _busy = [Busy::begin(&watch), Busy::begin(&watch), Busy::begin(&watch)];
    let at = |seconds: u64| {
        watch.now.store(seconds * 1000, Relaxed);
        watch.overdue()
    };
    let [mut first, mut silent, mut moving] = [(); 3].map(|()| AwaitedBody::of(&watch));
    first.is_awaited(true);
    assert!(!at(10));
    silent.is_awaited(true);
    for second in 11..=40 {
        moving.is_awaited(true);
        assert!(!at(second), "{second}");
        moving.is_awaited(false);
        // It was awaited before the silent one, and is over.
        first.is_awaited(false);
    }
    assert!(at(41));
    drop(silent);
    assert!(!at(3600), "nothing is awaited any more");
}

#[test]
fn answers_that_nobody_takes_end_the_connection_however_the_socket_moves() {
    let watch = Watch::new(LIMITS, true, Ticks::default());
    let (mut one, mut other) = (Busy::begin(&watch), Busy::begin(&watch));
    let at = |seconds: u64| {
        watch.now.store(seconds * 1000, Relaxed);
        watch.overdue()
    };
    one.handed_over(true);
    assert!(!at(31), "the other one is still being made");
    other.handed_over(true);
    assert!(!at(61));
    assert!(at(62));
    one.handed_over(false);
    assert!(!at(3600), "one is being taken, and its upstream is slow");
    drop((one, other));
}

#[test]
fn who_has_said_nothing_may_begin_for_two_seconds_while_the_connection_drains() {
    let drained = |watch: &Watch| {
        watch.now.store(5_000, Relaxed);
        watch.decide(Fate::Drain);
    };
    check(drained, 7, false);
    check(drained, 8, true);
    let begun = |watch: &Watch| {
        drained(watch);
        watch.bytes_arrived(1);
    };
    check(begun, 15, false);
    check(begun, 16, true);
}

#[test]
fn a_request_is_expected_from_who_has_just_come_and_from_who_has_begun_one() {
    let watch = Watch::new(LIMITS, false, Ticks::default());
    let mut expected = vec![watch.expects_head()];
    fn arrived(watch: &Watch) {
        watch.bytes_arrived(1);
    }
    let acts: [fn(&Watch); 4] = [arrived, Watch::request_begins, Watch::request_ends, arrived];
    for act in acts {
        act(&watch);
        expected.push(watch.expects_head());
    }
    assert_eq!(expected, [true, true, false, false, true]);
    assert!(!Watch::new(LIMITS, true, Ticks::default()).expects_head());
}

#[test]
fn a_request_is_over_when_nobody_answers_it_any_more() {
    let watch = Watch::new(LIMITS, true, Ticks::default());
    let busy = Busy::begin(&watch);
    watch.now.store(61_000, Relaxed);
    assert!(!watch.idles());
    drop(busy);
    watch.now.store(122_000, Relaxed);
    assert!(watch.idles());
}

#[test]
fn a_connection_with_two_requests_is_idle_when_both_have_ended() {
    let one_left = |watch: &Watch| {
        watch.request_begins();
        watch.request_begins();
        watch.request_ends();
    };
    check(one_left, 3600, false);
}
