use std::cell::RefCell;
use std::net::Ipv4Addr;

use super::*;
use crate::ground::{Clock, ManualClock, Time};

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), test).await.expect("the test hangs") });
}

fn address(last: u8) -> SocketAddr {
    (Ipv4Addr::new(192, 0, 2, last), 80).into()
}

/// Tries four addresses within four seconds: 1 refuses, 2 swallows, and 3 is where `listener` is, unless it is `None`.
async fn try_all(listener: Option<SocketAddr>) -> (Vec<SocketAddr>, Result<TcpStream, ConnectFault>) {
    let clock = ManualClock::at(Time::from_secs(0));
    let wheel = Wheel::new(clock.instant());
    let tried = RefCell::default();
    let open = async |to: SocketAddr| {
        let tried: &RefCell<Vec<SocketAddr>> = &tried;
        tried.borrow_mut().push(to);
        match (to == address(2), to == address(3)) {
            (false, true) if let Some(listener) = listener => TcpStream::connect(listener).await,
            (true, _) => {
                // Its share of the time passes, and no more.
                clock.advance(Duration::from_millis(1300));
                wheel.turn(clock.instant());
                std::future::pending().await
            }
            (false, _) => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    };
    let addresses = (1..=4).map(address).collect();
    let opened = first(addresses, Duration::from_secs(4), &wheel, &open).await;
    (tried.take(), opened)
}

#[test]
fn addresses_are_tried_in_turn_and_none_takes_the_time_of_the_next() {
    run(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (tried, opened) = try_all(listener.local_addr().ok()).await;
        assert!(opened.is_ok());
        assert_eq!(tried, [1, 2, 3].map(address));
    });
}

#[test]
fn the_last_address_says_why_there_is_no_connection() {
    run(async {
        let (tried, opened) = try_all(None).await;
        assert_eq!(tried, [1, 2, 3, 4].map(address));
        let fault = opened.err().unwrap().to_string();
        assert!(fault.starts_with("it does not accept connections: "), "{fault}");
    });
}

#[test]
fn a_connection_takes_no_longer_than_its_bound() {
    run(async {
        // Accepts, and never says a word of TLS.
        let silent = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let tls = ClientTls::new(Some(certificate().cert.pem().as_bytes())).unwrap();
        let name = crate::dial::tls::server_name("localhost").unwrap();
        let port = silent.local_addr().unwrap().port();
        let target = Target { host: "127.0.0.1".into(), port, tls: Some((tls, name)), reach: Reach::default() };
        let clock = ManualClock::at(Time::from_secs(0));
        let wheel = Wheel::new(clock.instant());
        let pass = async {
            let _held = silent.accept().await.unwrap();
            clock.advance(Duration::from_millis(1200));
            wheel.turn(clock.instant());
            std::future::pending::<()>().await;
        };
        let opened = tokio::select! {
            opened = connect(&target, Duration::from_secs(1), &wheel) => opened,
            () = pass => unreachable!(),
        };
        assert_eq!(opened.err().unwrap().to_string(), "there was no connection within 1s");
    });
}

#[test]
fn s43_12_a_name_that_leads_elsewhere_is_not_followed_and_an_address_is_what_it_is() {
    run(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let wheel = Wheel::new(ManualClock::at(Time::from_secs(0)).instant());
        let open = async |host: &str, network: &str| {
            let reach = Reach::within(&[network.parse().unwrap()]);
            let target = Target { host: host.into(), port, tls: None, reach };
            connect(&target, Duration::from_secs(1), &wheel).await.map(drop).map_err(|fault| fault.to_string())
        };
        assert_eq!(open("localhost", "127.0.0.0/8").await, Ok(()));
        let refused = open("localhost", "10.0.0.0/8").await.unwrap_err();
        assert!(refused.starts_with("its name leads to "), "{refused}");
        assert_eq!(open("127.0.0.1", "10.0.0.0/8").await, Ok(()), "the file says so itself");
    });
}

#[test]
fn a_stream_sends_at_once_and_notices_when_the_other_end_has_died() {
    run(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = Target { host: "localhost".into(), port, tls: None, reach: Reach::default() };
        let wheel = Wheel::new(ManualClock::at(Time::from_secs(0)).instant());
        match connect(&target, Duration::from_secs(1), &wheel).await.unwrap() {
            Stream::Plain(stream) => {
                assert!(stream.nodelay().unwrap());
                assert!(socket2::SockRef::from(&stream).keepalive().unwrap());
            }
            Stream::Tls(_) => panic!("no TLS was asked for"),
        }
    });
}

fn certificate() -> rcgen::CertifiedKey<rcgen::KeyPair> {
    rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap()
}
