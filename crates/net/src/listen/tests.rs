//! Sockets, accepting, and the table of connections.

use std::io::Read;
use std::net::Ipv4Addr;

use super::*;

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn limits(per_ip: u32, total: u32) -> Limits {
    Limits { connections_per_ip: per_ip, connections: total, ..Limits::default() }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn sockets_share_one_port_and_a_second_gateway_is_told_so() {
    let listeners = bind(LOOPBACK, 3).unwrap();
    let address = listeners[0].local_addr().unwrap();
    assert_ne!(address.port(), 0);
    assert!(listeners.iter().all(|one| one.local_addr().unwrap() == address));

    let error = bind(address, 1).unwrap_err();
    assert!(matches!(error, ListenError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains(&address.to_string()));

    drop(listeners);
    bind(address, 2).expect("the port is free again");
}

#[test]
fn an_address_of_another_machine_is_not_ours() {
    // TEST-NET-1 (RFC 5737) belongs to nobody.
    let error = bind("192.0.2.1:0".parse().unwrap(), 1).unwrap_err();
    assert!(matches!(error, ListenError::NotOurs { .. }), "{error:?}");
    assert!(error.cure().contains("0.0.0.0"));
}

#[test]
fn every_socket_and_every_worker_is_served_whatever_their_numbers() {
    for (sockets, workers) in [(1, 4), (4, 1), (3, 2), (2, 2), (2, 5)] {
        let listeners = bind(LOOPBACK, sockets).unwrap();
        let dealt = distribute(listeners, workers).unwrap();
        assert_eq!(dealt.len(), workers);
        assert!(dealt.iter().all(|part| !part.is_empty()), "{sockets} on {workers}");
        let given: usize = dealt.iter().map(Vec::len).sum();
        assert_eq!(given, sockets.max(workers));
    }
}

#[tokio::test]
async fn accepted_connections_inherit_no_delay() {
    let listener = bind(LOOPBACK, 1).unwrap().remove(0);
    let address = listener.local_addr().unwrap();
    let mut acceptor = Acceptor::new(listener, ConnectionTable::new(&limits(9, 9), &[])).unwrap();
    let _client = TcpStream::connect(address).await.unwrap();
    let accepted = acceptor.next(drop).await;
    assert!(accepted.stream.nodelay().unwrap());
    assert!(SockRef::from(&accepted.stream).keepalive().unwrap());
}

#[test]
fn l04_an_address_has_its_share_and_an_ipv6_household_one_together() {
    let table = ConnectionTable::new(&limits(2, 100), &[]);
    let first = table.admit(ip("192.0.2.1")).unwrap();
    let _second = table.admit(ip("::ffff:192.0.2.1")).unwrap();
    assert_eq!(table.admit(ip("192.0.2.1")).unwrap_err(), TooMany::FromAddress);
    let _other = table.admit(ip("192.0.2.2")).expect("another address is unaffected");
    drop(first);
    let _again = table.admit(ip("192.0.2.1")).expect("a closed connection gives its place");

    let _a = table.admit(ip("2001:db8::1")).unwrap();
    let _b = table.admit(ip("2001:db8::ffff:2")).unwrap();
    assert_eq!(table.admit(ip("2001:db8::3")).unwrap_err(), TooMany::FromAddress);
    let _c = table.admit(ip("2001:db8:0:1::3")).expect("the next /64");
}

#[test]
fn l04_the_total_holds_and_a_refusal_takes_no_place() {
    let table = ConnectionTable::new(&limits(100, 2), &[]);
    let first = table.admit(ip("192.0.2.1")).unwrap();
    let _second = table.admit(ip("192.0.2.2")).unwrap();
    assert!(!table.has_room());
    for _ in 0..10 {
        assert_eq!(table.admit(ip("192.0.2.3")).unwrap_err(), TooMany::InAll);
    }
    drop(first);
    assert!(table.has_room());
    assert_eq!(table.open(), 1);
    assert!(table.shards.iter().map(|s| s.lock().unwrap().len()).sum::<usize>() == 1);
}

#[test]
fn l04_a_trusted_proxy_is_bounded_by_the_total_only() {
    let proxies = [IpNet::new(ip("10.0.0.0"), 8).unwrap()];
    let table = ConnectionTable::new(&limits(1, 5), &proxies);
    let held: Vec<_> = (0..5).map(|_| table.admit(ip("10.1.1.1")).unwrap()).collect();
    assert_eq!(table.admit(ip("10.1.1.1")).unwrap_err(), TooMany::InAll);
    table.set_limits(&limits(1, 6), &[]);
    let _one = table.admit(ip("10.1.1.1")).expect("counted from nothing: it was exempt");
    drop(held);
    assert_eq!(table.admit(ip("10.1.1.1")).unwrap_err(), TooMany::FromAddress);
}

#[test]
fn t42_shortages_back_off_and_single_failures_do_not() {
    let mut backoff = AcceptBackoff::default();
    let shortage = io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
    let aborted = io::Error::from_raw_os_error(rustix::io::Errno::CONNABORTED.raw_os_error());
    assert_eq!(backoff.failed(&aborted), AfterError::Continue);
    let mut last = Duration::ZERO;
    for _ in 0..20 {
        let AfterError::Pause(pause) = backoff.failed(&shortage) else {
            panic!("a shortage must pause")
        };
        assert!(pause >= last && pause >= PAUSE_LEAST && pause <= PAUSE_MOST);
        last = pause;
    }
    assert_eq!(last, PAUSE_MOST);
    backoff.accepted();
    assert_eq!(backoff.failed(&shortage), AfterError::Pause(PAUSE_LEAST));

    // Even "harmless" errors must not spin for ever.
    let paused = (0..1000).any(|_| backoff.failed(&aborted) != AfterError::Continue);
    assert!(paused);
}

#[tokio::test]
async fn l04_a_connection_too_many_is_reset_and_the_next_place_is_used() {
    let listener = bind(LOOPBACK, 1).unwrap().remove(0);
    let address = listener.local_addr().unwrap();
    let mut acceptor = Acceptor::new(listener, ConnectionTable::new(&limits(1, 10), &[])).unwrap();
    let accepting = tokio::spawn(async move {
        let first = acceptor.next(drop).await;
        // The second connection is refused inside; this returns with the third.
        let third = tokio::spawn(async move { acceptor.next(drop).await });
        (first, third)
    });
    let _first = TcpStream::connect(address).await.unwrap();
    let (held, third) = accepting.await.unwrap();

    let refused = tokio::task::spawn_blocking(move || {
        std::net::TcpStream::connect(address).and_then(|mut s| s.read(&mut [0]))
    });
    let error = refused.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);

    drop(held);
    let client = TcpStream::connect(address).await.unwrap();
    let accepted = third.await.unwrap();
    assert_eq!(accepted.peer, client.local_addr().unwrap());
}

#[test]
fn t42_out_of_descriptors_accepting_waits_and_goes_on() {
    // In a process of its own: the tests beside it need their descriptors.
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "listen::tests::helper_out_of_descriptors", "--ignored", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
}

const CHILD: &str = "PASARELA_TEST_T42_CHILD";

#[tokio::test]
#[ignore = "not a test: started by t42_out_of_descriptors_accepting_waits_and_goes_on"]
async fn helper_out_of_descriptors() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let hard = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum: hard }).unwrap();
    let listener = bind(LOOPBACK, 1).unwrap().remove(0);
    let address = listener.local_addr().unwrap();
    let mut acceptor = Acceptor::new(listener, ConnectionTable::new(&limits(99, 99), &[])).unwrap();
    let _client = TcpStream::connect(address).await.unwrap();
    let hoard: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
    assert!(!hoard.is_empty() && hoard.len() < 64);

    let began = cpu_time();
    let waiting = tokio::time::timeout(Duration::from_secs(1), acceptor.next(drop)).await;
    assert!(waiting.is_err(), "there is no descriptor for it");
    assert!(cpu_time() - began < Duration::from_millis(200), "it must not spin");
    drop(hoard);
    let accepted = tokio::time::timeout(Duration::from_secs(1), acceptor.next(drop)).await;
    accepted.expect("the client waited in the queue and is served");
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
