//! Tunnels over real sockets on loopback: the test is both the caller and the server.

use std::{cell::Cell, future::Future, rc::Rc};

use pasarela_net::stream::Stream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, LocalSet},
    time::{Instant, timeout},
};

use super::*;

const WEBSOCKET: Carried = Carried::WebSocket(Extensions::None);
const PLENTY: Duration = Duration::from_secs(5);

/// A tunnel between `caller` and `server`, which are the far ends.
struct Rig {
    caller: TcpStream,
    server: TcpStream,
    leaving: Rc<Cell<Option<Leaving>>>,
    done: JoinHandle<Done>,
}

async fn pair() -> (TcpStream, Conn) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (near, _) = listener.accept().await.unwrap();
    (far, Conn::new(Stream::Tcp(near)))
}

impl Rig {
    async fn new(carried: Carried, limits: Limits) -> Self {
        let (caller, near_caller) = pair().await;
        let (server, near_server) = pair().await;
        let leaving = Rc::new(Cell::new(None));
        let told = Rc::clone(&leaving);
        let done = tokio::task::spawn_local(async move {
            let terms = Terms::new(carried, &limits, 0x0403_0201, || told.get());
            carry(near_caller, near_server, &terms).await
        });
        Self { caller, server, leaving, done }
    }

    async fn done(self) -> Done {
        timeout(PLENTY, self.done).await.expect("the tunnel is over").unwrap()
    }
}

/// Runs a test as a worker would run it, on one thread and with its clock.
fn on_a_worker(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        tokio::task::spawn_local(timer::run());
        tokio::task::yield_now().await;
        test.await;
    });
}

async fn exactly(from: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    timeout(PLENTY, from.read_exact(&mut bytes)).await.expect("bytes in time").unwrap();
    bytes
}

async fn rest(from: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = timeout(PLENTY, from.read_to_end(&mut bytes)).await.expect("an end in time");
    bytes
}

fn close((code, reason): (u16, &str), mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut out = Vec::new();
    put_close(&mut out, code, reason, mask);
    out
}

const MASK: Option<[u8; 4]> = Some([1, 2, 3, 4]);

#[test]
fn t54_a_tunnel_changes_no_byte_and_keeps_half_closes() {
    for carried in [Carried::Other, WEBSOCKET] {
        on_a_worker(async move {
            let rig = Rig::new(carried, Limits::default()).await;
            // No frames, but anything at all: 3 MB each way at the same time.
            let bytes: Vec<u8> =
                (0..3_000_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
            let (mut caller_read, mut caller_write) = rig.caller.into_split();
            let (mut server_read, mut server_write) = rig.server.into_split();
            let sent = bytes.clone();
            let up = tokio::task::spawn_local(async move {
                caller_write.write_all(&sent).await.unwrap();
                drop(caller_write);
            });
            let sent: Vec<u8> = bytes.iter().rev().copied().collect();
            let expected = sent.clone();
            let down = tokio::task::spawn_local(async move {
                let mut got = Vec::new();
                server_read.read_to_end(&mut got).await.unwrap();
                // The caller has ended; it is still answered.
                server_write.write_all(&sent).await.unwrap();
                drop(server_write);
                got
            });
            let mut got = Vec::new();
            caller_read.read_to_end(&mut got).await.unwrap();
            assert!(got == expected);
            assert!(down.await.unwrap() == bytes);
            up.await.unwrap();
            let done = timeout(PLENTY, rig.done).await.unwrap().unwrap();
            assert_eq!(done, Done { up: 3_000_000, down: 3_000_000, clean: true });
        });
    }
}

#[test]
fn l21_a_frame_that_is_too_large_ends_the_tunnel_with_1009_on_both_sides() {
    on_a_worker(async {
        let limits = Limits { websocket_frame_bytes: 1000, ..Limits::default() };
        let mut rig = Rig::new(WEBSOCKET, limits).await;
        let small = [&[0x82, 0x83, 0, 0, 0, 0][..], b"abc"].concat();
        let large = [&[0x82, 0xfe, 0x03, 0xe9, 0, 0, 0, 0][..], &[b'.'; 1001]].concat();
        // The server is within a frame when it happens: it comes to the end of it first.
        rig.server.write_all(&[0x82, 5, b'h', b'e']).await.unwrap();
        assert_eq!(exactly(&mut rig.caller, 4).await, [0x82, 5, b'h', b'e']);
        rig.caller.write_all(&[&small[..], &large].concat()).await.unwrap();
        let expected = [&small[..], &close(TOO_BIG, MASK)].concat();
        assert_eq!(exactly(&mut rig.server, expected.len()).await, expected);
        rig.server.write_all(b"llo").await.unwrap();
        let expected = [&b"llo"[..], &close(TOO_BIG, None)].concat();
        assert_eq!(exactly(&mut rig.caller, expected.len()).await, expected);
        // Once both have answered, both connections end, without the whole patience.
        let begin = Instant::now();
        rig.server.write_all(&close(TOO_BIG, None)).await.unwrap();
        rig.caller.write_all(&close(TOO_BIG, MASK)).await.unwrap();
        assert_eq!(rest(&mut rig.caller).await, b"");
        assert_eq!(rest(&mut rig.server).await, b"");
        assert!(begin.elapsed() < GOODBYE / 2);
        assert_eq!(rig.done().await, Done { up: small.len() as u64, down: 7, clean: false });
    });
}

#[test]
fn l21_a_message_in_many_fragments_is_bounded_and_nobody_has_to_answer() {
    on_a_worker(async {
        let limits = Limits { websocket_message_bytes: 5, ..Limits::default() };
        let mut rig = Rig::new(WEBSOCKET, limits).await;
        // It is the server this time, and neither side says good-bye.
        rig.server.write_all(&[0x02, 2, b'a', b'b', 0x00, 3, b'c', b'd', b'e']).await.unwrap();
        rig.server.write_all(&[0x80, 1, b'f']).await.unwrap();
        let expected = [&b"\x02\x02ab\x00\x03cde"[..], &close(TOO_BIG, None)].concat();
        assert_eq!(rest(&mut rig.caller).await, expected);
        assert_eq!(rest(&mut rig.server).await, close(TOO_BIG, MASK));
        assert!(!rig.done().await.clean);
    });
}

#[test]
fn l48_at_the_last_call_both_sides_are_told_1012() {
    on_a_worker(async {
        let mut rig = Rig::new(WEBSOCKET, Limits::default()).await;
        let now = timer::now();
        rig.leaving.set(Some(Leaving { last_call: now + 300, end: now + 5000 }));
        timer::wake_all();
        let begin = Instant::now();
        // Until then it goes on as ever.
        rig.caller.write_all(&[0x81, 0x81, 0, 0, 0, 0, b'x']).await.unwrap();
        assert_eq!(exactly(&mut rig.server, 7).await, [0x81, 0x81, 0, 0, 0, 0, b'x']);
        let (to_caller, to_server) = (close(RESTART, None), close(RESTART, MASK));
        assert_eq!(exactly(&mut rig.caller, to_caller.len()).await, to_caller);
        assert!(begin.elapsed() >= Duration::from_millis(200), "{:?}", begin.elapsed());
        assert_eq!(exactly(&mut rig.server, to_server.len()).await, to_server);
        rig.caller.write_all(&to_server).await.unwrap();
        rig.server.write_all(&to_caller).await.unwrap();
        assert_eq!(rest(&mut rig.caller).await, b"");
        assert_eq!(rest(&mut rig.server).await, b"");
        assert!(begin.elapsed() < GOODBYE);
        assert!(rig.done().await.clean);
    });
}

#[test]
fn l48_a_tunnel_without_frames_is_cut_at_the_end() {
    on_a_worker(async {
        let mut rig = Rig::new(Carried::Other, Limits::default()).await;
        let now = timer::now();
        rig.leaving.set(Some(Leaving { last_call: now + 100, end: now + 300 }));
        timer::wake_all();
        assert_eq!(rest(&mut rig.caller).await, b"");
        assert_eq!(rest(&mut rig.server).await, b"");
        assert!(!rig.done().await.clean);
    });
}

#[test]
fn f04_a_tunnel_that_ends_while_the_process_drains_ends_well() {
    on_a_worker(async {
        let mut rig = Rig::new(WEBSOCKET, Limits::default()).await;
        let now = timer::now();
        rig.leaving.set(Some(Leaving { last_call: now + 60_000, end: now + 61_000 }));
        timer::wake_all();
        let good = [&[0x88, 0x80, 9, 9, 9, 9][..], &[0x88, 0]];
        rig.caller.write_all(good[0]).await.unwrap();
        assert_eq!(exactly(&mut rig.server, 6).await, good[0]);
        rig.server.write_all(good[1]).await.unwrap();
        rig.server.shutdown().await.unwrap();
        assert_eq!(rest(&mut rig.caller).await, good[1]);
        rig.caller.shutdown().await.unwrap();
        assert_eq!(rest(&mut rig.server).await, b"");
        assert_eq!(rig.done().await, Done { up: 6, down: 2, clean: true });
    });
}

#[test]
fn l21_a_silent_caller_is_asked_and_given_up_when_it_does_not_answer() {
    on_a_worker(async {
        let ping = Duration::from_millis(300);
        let limits = Limits { websocket_ping: ping, ..Limits::default() };
        let mut rig = Rig::new(WEBSOCKET, limits).await;
        let asked = [&[0x89, 8][..], PING].concat();
        let answer = [&[0x8a, 0x88, 0, 0, 0, 0][..], PING].concat();
        for _ in 0..3 {
            assert_eq!(exactly(&mut rig.caller, asked.len()).await, asked);
            rig.caller.write_all(&answer).await.unwrap();
            assert_eq!(exactly(&mut rig.server, answer.len()).await, answer);
        }
        // What the server says does not speak for the caller.
        rig.server.write_all(&[0x81, 1, b'x']).await.unwrap();
        assert_eq!(exactly(&mut rig.caller, 3).await, [0x81, 1, b'x']);
        let begin = Instant::now();
        assert_eq!(rest(&mut rig.caller).await, asked);
        assert_eq!(rest(&mut rig.server).await, b"");
        assert!(begin.elapsed() > ping && begin.elapsed() < 5 * ping, "{:?}", begin.elapsed());
        assert!(!rig.done().await.clean);
    });
}

#[test]
fn l21_nobody_is_asked_within_a_frame_or_where_there_are_none() {
    for (carried, half) in [(Carried::Other, &b"\x82\x05he"[..]), (WEBSOCKET, b"\x82\x05he")] {
        on_a_worker(async move {
            let limits = Limits { websocket_ping: Duration::from_millis(150), ..Limits::default() };
            let mut rig = Rig::new(carried, limits).await;
            rig.server.write_all(half).await.unwrap();
            assert_eq!(exactly(&mut rig.caller, 4).await, half);
            let silence = timeout(Duration::from_millis(700), rig.caller.read_u8()).await;
            assert!(silence.is_err(), "{silence:?}");
            rig.server.write_all(b"llo").await.unwrap();
            assert_eq!(exactly(&mut rig.caller, 3).await, b"llo");
        });
    }
}

#[test]
fn t54_the_last_words_of_a_server_that_listens_no_more_arrive() {
    on_a_worker(async {
        let mut rig = Rig::new(WEBSOCKET, Limits::default()).await;
        // More than fits in all the buffers between: the caller's writing meets a closed door.
        let frame = [&[0x82, 0xfe, 0xff, 0xff, 0, 0, 0, 0][..], &[b'.'; 0xffff]].concat();
        let (mut read, mut write) = rig.caller.into_split();
        let flood =
            tokio::task::spawn_local(async move { while write.write_all(&frame).await.is_ok() {} });
        tokio::time::sleep(Duration::from_millis(200)).await;
        rig.server.write_all(&close((1002, "enough"), None)).await.unwrap();
        drop(rig.server);
        let mut got = Vec::new();
        let _ = timeout(PLENTY, read.read_to_end(&mut got)).await.unwrap();
        assert_eq!(got, close((1002, "enough"), None));
        flood.abort();
        assert!(!timeout(PLENTY, rig.done).await.unwrap().unwrap().clean);
    });
}

#[test]
fn l10_a_tunnel_that_nobody_reads_is_cut() {
    on_a_worker(async {
        let limits = Limits { write_stall: Duration::from_millis(300), ..Limits::default() };
        let mut rig = Rig::new(Carried::Other, limits).await;
        let block = [0; 64 << 10];
        let sending = async { while rig.server.write_all(&block).await.is_ok() {} };
        timeout(PLENTY, sending).await.expect("the service is told");
        assert!(!timeout(PLENTY, rig.done).await.unwrap().unwrap().clean);
    });
}
