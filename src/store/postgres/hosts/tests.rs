use super::*;

const ALL: &str = "options=-c%20geqo%3Doff&application_name=gate&sslmode=disable&sslnegotiation=direct&connect_timeout=7\
                   &tcp_user_timeout=8&keepalives=0&keepalives_idle=9&keepalives_interval=10&keepalives_retries=11\
                   &target_session_attrs=read-write&channel_binding=require&load_balance_hosts=random";

fn parsed(hosts: &str, more: &str) -> Config {
    format!("postgres://gate:secret@{hosts}/portcullis?{more}").parse().unwrap()
}

#[test]
fn a_host_alone_keeps_all_that_the_string_says() {
    let check = |hosts_of: &str, more: &str, expected: &[(&str, &str)]| {
        let mut found = hosts(&parsed(hosts_of, more));
        // Where chance decides about the order.
        found.sort_by_key(|host| format!("{:?}", host.get_ports()));
        let expected: Vec<Config> = expected.iter().map(|(host, more)| parsed(host, more)).collect();
        assert_eq!(found, expected, "{hosts_of}");
    };
    check("db", "", &[("db", "")]);
    check("db:7", ALL, &[("db:7", ALL)]);
    check("a:1,b:2,[::1]:3", ALL, &[("a:1", ALL), ("b:2", ALL), ("[::1]:3", ALL)]);
    check("%2Frun%2Fa:1,b:2", "", &[("%2Frun%2Fa:1", ""), ("b:2", "")]);
    let (both, first, second) = ("hostaddr=10.0.0.1,10.0.0.2", "hostaddr=10.0.0.1", "hostaddr=10.0.0.2");
    check("a:1,b:2", both, &[("a:1", first), ("b:2", second)]);
    check(":1,:2", both, &[(":1", first), (":2", second)]);
}

#[test]
fn hosts_come_in_the_order_of_the_string() {
    let found = hosts(&parsed("c,a,b", ""));
    let found: Vec<&[Host]> = found.iter().map(Config::get_hosts).collect();
    assert_eq!(found, ["c", "a", "b"].map(|name| vec![Host::Tcp(name.to_owned())]));
}

#[test]
fn lists_that_do_not_fit_together_are_left_to_whoever_refuses_them() {
    for string in ["host=a,b,c port=1,2 user=gate", "host=a,b hostaddr=10.0.0.1 user=gate", "user=gate"] {
        let config: Config = string.parse().unwrap();
        assert_eq!(hosts(&config), [config], "{string}");
    }
}

#[tokio::test]
async fn a_name_is_tried_at_its_addresses_and_keeps_its_name_for_tls() {
    let check = |host: &'static str, expected: Option<&'static str>| async move {
        let config = parsed(host, "");
        let found = addresses(config.clone(), &config).await;
        let mut at = config;
        expected.map(|address| at.hostaddr(address.parse().unwrap()));
        assert_eq!(found, [at], "{host}");
    };
    check("127.0.0.1:7", Some("127.0.0.1")).await;
    check("[::1]", Some("::1")).await;
    check("%2Frun%2Fpostgresql", None).await;
    check("nobody.invalid", None).await;
}

/// What becomes of one that is tried.
#[derive(Clone, Copy)]
enum Try {
    Silent,
    Refuses,
    Answers,
}

/// What comes of these, in so many milliseconds, and until when each of them could have been waited for.
async fn tried(tries: &[Try], millis: u64) -> (Result<usize, Option<usize>>, Vec<Instant>, Instant) {
    let until = Instant::now() + Duration::from_millis(millis);
    let ends = parking_lot::Mutex::new(Vec::new());
    let attempt = |(index, what): (usize, Try), end| {
        ends.lock().push(end);
        async move {
            match what {
                Try::Silent => std::future::pending().await,
                Try::Refuses => Err(Some(index)),
                Try::Answers => Ok(index),
            }
        }
    };
    let came = in_turn(tries.iter().copied().enumerate().collect(), until, attempt).await;
    (came, ends.into_inner(), until)
}

#[tokio::test]
async fn the_silent_leave_time_for_those_behind_them() {
    use Try::{Answers, Refuses, Silent};
    let (came, ends, until) = tried(&[Silent, Silent, Answers, Silent], 400).await;
    assert_eq!(came, Ok(2));
    assert!(ends.is_sorted_by(|earlier, later| earlier < later) && ends.iter().all(|end| *end < until), "{ends:?}");
    assert_eq!(tried(&[Refuses, Silent, Answers], 300).await.0, Ok(2));
    assert_eq!(tried(&[Silent, Refuses], 100).await.0, Err(Some(1)), "what the last one said");
    assert_eq!(tried(&[Refuses, Silent], 100).await.0, Err(None), "the last one said nothing");
    assert_eq!(tried(&[], 100).await.0, Err(None));
}

#[tokio::test]
async fn who_refuses_leaves_its_time_to_the_others() {
    let (_, ends, until) = tried(&[Try::Refuses, Try::Refuses, Try::Answers], 60_000).await;
    let left = |end: Instant| until.duration_since(end).as_secs();
    assert!((35..=40).contains(&left(ends[0])), "a third of it");
    assert!((25..=30).contains(&left(ends[1])), "half of what is left");
    assert_eq!(ends[2], until, "all of it");
}
