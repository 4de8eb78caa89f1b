//! What goes to a caller, and how much of it waits (L15, L17, L18).

use super::{
    super::{
        frame::{Reason, number, setting},
        hpack::Decoder,
    },
    *,
};

/// Puts data as far as there is room; how much that was.
fn put(world: &mut World, key: Key, most: usize) -> usize {
    let mut put = 0;
    while put < most {
        let room = world.connection.room(key).min(most - put);
        if room == 0 {
            break;
        }
        let (mut out, mark) = world.connection.begin_data();
        out.extend(std::iter::repeat_n(b'x', room));
        world.connection.end_data(key, out, mark);
        put += room;
    }
    put
}

fn answered(world: &mut World, stream: u32) -> Key {
    world.hear(&request(stream));
    let key = *world.requests.last().unwrap();
    world.connection.answer(key, 200, None, false, |_| {}).unwrap();
    key
}

fn data(frames: &[(FrameHead, Vec<u8>)]) -> usize {
    frames.iter().filter(|(head, _)| head.kind == kind::DATA).map(|(head, _)| head.length).sum()
}

#[test]
fn an_answer_ends_with_its_last_data() {
    let mut world = World::new();
    let key = answered(&mut world, 1);
    assert_eq!(put(&mut world, key, 5), 5);
    world.connection.finish(key, None);
    let sent = world.take();
    let kinds: Vec<_> = sent.iter().map(|(head, _)| (head.kind, head.flags)).collect();
    assert_eq!(kinds, [(kind::HEADERS, flag::END_HEADERS), (kind::DATA, flag::END_STREAM)]);
    let mut fields = Vec::new();
    Decoder::new(0).decode(&sent[0].1, &mut |n, v| fields.push((n.to_vec(), v.to_vec()))).unwrap();
    assert_eq!(fields, [(b":status".to_vec(), b"200".to_vec())]);
    world.connection.release(key);
    assert!(world.take().is_empty());
    assert_eq!(world.connection.exchanges(), 0);
    // When it has left already, the end is a frame of its own.
    let key = answered(&mut world, 3);
    put(&mut world, key, 5);
    world.take();
    world.connection.finish(key, None);
    let sent = world.take();
    assert_eq!((sent[0].0.kind, sent[0].0.length, sent[0].0.flags), (kind::DATA, 0, 1));
}

#[test]
fn another_streams_data_does_not_end_by_mistake() {
    let mut world = World::new();
    let (first, second) = (answered(&mut world, 1), answered(&mut world, 3));
    put(&mut world, first, 5);
    put(&mut world, second, 5);
    world.connection.finish(first, None);
    world.connection.finish(second, None);
    let ends: Vec<_> =
        world.take().into_iter().filter(|(head, _)| head.kind == kind::DATA).collect();
    let told: Vec<_> = ends.iter().map(|(h, _)| (h.stream, h.length, h.flags)).collect();
    assert_eq!(told, [(1, 5, 0), (3, 5, 1), (1, 0, 1)]);
}

#[test]
fn t02_what_is_left_of_a_request_is_called_off_without_blame() {
    let mut world = World::new();
    world.hear(&opening(1));
    let key = world.requests[0];
    world.connection.answer(key, 404, Some(0), true, |_| {}).unwrap();
    world.connection.release(key);
    let sent = world.take();
    let resets: Vec<_> = sent.iter().filter(|(head, _)| head.kind == kind::RST_STREAM).collect();
    assert_eq!(resets.len(), 1);
    assert_eq!(number(&resets[0].1), Reason::NoError as u32);
    // What was on its way is no fault, and its window is given back.
    for _ in 0..40 {
        world.hear(&frame(kind::DATA, 0, 1, &[0; 16_384]));
    }
    world.hear(&frame(kind::HEADERS, END, 1, &field("x", "1")));
    let sent = world.take();
    assert!(world.connection.failed().is_none());
    assert!(sent.iter().all(|(head, _)| head.kind == kind::WINDOW_UPDATE && head.stream == 0));
    assert!(!sent.is_empty());
    // An answer that is not whole is not called whole.
    let key = answered(&mut world, 3);
    world.connection.release(key);
    let sent = world.take();
    let (head, payload) = sent.last().unwrap();
    assert_eq!((head.kind, number(payload)), (kind::RST_STREAM, Reason::Internal as u32));
}

#[test]
fn l15_windows_bound_what_is_sent() {
    let mut world = World::new();
    let key = answered(&mut world, 1);
    let (mut told, mut seen) = (0, 0);
    for _ in 0..3 {
        told += put(&mut world, key, 1 << 20);
        seen += data(&world.take());
    }
    assert_eq!((told, seen), (65_535, 65_535));
    world.connection.await_room(key);
    // The stream's alone does not do, nor the connection's.
    world.hear(&window(1, 10));
    assert_eq!((world.connection.room(key), world.connection.news()), (0, None));
    world.hear(&window(0, 7));
    assert_eq!((world.connection.room(key), world.connection.news()), (7, Some(key)));
    assert_eq!(put(&mut world, key, 100), 7);
    // A smaller window may be less than nothing.
    world.hear(&[window(0, 1000), settings(&[(setting::INITIAL_WINDOW_SIZE, 0)])].concat());
    assert_eq!(world.connection.room(key), 0);
    world.hear(&window(1, 65_532));
    assert_eq!(world.connection.room(key), 0);
    world.hear(&window(1, 4));
    assert_eq!(world.connection.room(key), 4);
}

#[test]
fn l15_the_callers_windows_open_as_data_moves_on() {
    let mut world = World::new();
    world.hear(&opening(1));
    let key = world.requests[0];
    for _ in 0..4 {
        world.hear(&frame(kind::DATA, 0, 1, &[0; 16_384]));
    }
    assert!(world.take().is_empty(), "nothing was read, so nothing is granted");
    let connection = std::rc::Rc::new(std::cell::RefCell::new(world.connection));
    let pace = crate::conn::Pace {
        idle: std::time::Duration::from_secs(1),
        rate: 0,
        grace: std::time::Duration::ZERO,
        most: u64::MAX,
    };
    let mut source = super::super::Http2Source::new(connection.clone(), key, pace);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let mut out = Vec::new();
    while out.len() < 65_536 {
        use crate::transfer::Source as _;
        assert!(source.poll_data(&mut cx, &mut out, 10_000).is_ready());
    }
    drop(source);
    world.connection = std::rc::Rc::into_inner(connection).unwrap().into_inner();
    let sent = world.take();
    let granted: u32 = sent
        .iter()
        .filter(|(head, _)| head.kind == kind::WINDOW_UPDATE && head.stream == 1)
        .map(|(_, payload)| number(payload))
        .sum();
    assert!((32_768..=65_536).contains(&granted), "{granted}");
}

#[test]
fn l17_what_waits_to_be_sent_is_bounded() {
    let mut world = World::silent(Settings { streams: 100, ..SETTINGS });
    let wide = settings(&[(setting::INITIAL_WINDOW_SIZE, 0x7fff_ffff)]);
    world.hear(&[PREFACE, &wide, &window(0, 0x7fff_0000)].concat());
    let keys: Vec<Key> = (0..100).map(|n| answered(&mut world, 2 * n + 1)).collect();
    let mut total = 0;
    for key in &keys {
        total += put(&mut world, *key, 1 << 20);
        world.connection.await_room(*key);
    }
    assert!(world.connection.waiting() <= 64 << 10, "{}", world.connection.waiting());
    assert!(world.connection.ahead() <= 2 << 10);
    // Nothing leaves: nobody is told that there is room.
    let mut out = Vec::new();
    world.connection.take_out(&mut out);
    world.connection.set_unsent(out.len());
    assert_eq!(world.connection.news(), None);
    assert!(keys.iter().all(|key| world.connection.room(*key) == 0));
    world.connection.set_unsent(0);
    let told = std::iter::from_fn(|| world.connection.news()).count();
    assert_eq!(told, 100);
    assert!(total > 0);
}

#[test]
fn l17_heads_that_nobody_reads_end_the_connection() {
    let mut world = World::silent(Settings { streams: 100, ..SETTINGS });
    world.hear(&[PREFACE, &settings(&[])].concat());
    let value = vec![b'v'; 60 << 10];
    let mut most = 0;
    for n in 0..100 {
        world.hear(&request(2 * n + 1));
        let Some(key) = world.requests.pop() else { break };
        let _ = world.connection.answer(key, 200, None, true, |block| block.field(b"x", &value));
        world.connection.release(key);
        most = most.max(world.connection.waiting());
    }
    assert!(world.connection.failed().is_some());
    assert!(most < (1 << 20) + (70 << 10), "{most}");
    // A head of that size goes out in several frames.
    let sent = world.take();
    assert!(sent.iter().all(|(head, _)| head.length <= 16_384));
    assert_eq!(sent.iter().filter(|(head, _)| head.kind == kind::CONTINUATION).count() % 3, 0);
}

#[test]
fn l48_a_connection_leaves_in_two_steps() {
    let mut world = World::new();
    let key = answered(&mut world, 1);
    world.connection.leave();
    let sent = world.take();
    let goaway = sent.iter().find(|(head, _)| head.kind == kind::GOAWAY).unwrap();
    assert_eq!((number(&goaway.1), number(&goaway.1[4..])), (0x7fff_ffff, 0));
    let ping = sent.iter().find(|(head, _)| head.kind == kind::PING).unwrap().1.clone();
    // What was on its way is served.
    let late = answered(&mut world, 3);
    world.hear(&frame(kind::PING, flag::ACK, 0, &ping));
    assert!(world.connection.has_left());
    let sent = world.take();
    let goaway = sent.iter().find(|(head, _)| head.kind == kind::GOAWAY).unwrap();
    assert_eq!((number(&goaway.1), number(&goaway.1[4..])), (3, 0));
    // What comes behind it is not, and does not disturb.
    world.hear(&[opening(5), frame(kind::DATA, 1, 5, b"x")].concat());
    assert_eq!(world.requests.len(), 2);
    for key in [key, late] {
        world.connection.finish(key, None);
        world.connection.release(key);
    }
    assert_eq!(world.connection.exchanges(), 0);
    assert!(world.connection.failed().is_none());
}

#[test]
fn a_caller_that_has_said_all_is_still_answered() {
    let mut world = World::new();
    let whole = answered(&mut world, 1);
    world.hear(&opening(3));
    let cut = world.requests[1];
    world.connection.input_ended();
    assert!(world.connection.is_gone(cut) && !world.connection.is_gone(whole));
    assert_eq!(world.connection.news(), Some(cut));
    assert_eq!(put(&mut world, whole, 3), 3);
    world.connection.finish(whole, None);
    assert_eq!(data(&world.take()), 3);
}

#[test]
fn trailers_leave_out_what_frames_or_routes() {
    let mut world = World::new();
    let key = answered(&mut world, 1);
    let mut trailers = Head::default();
    trailers.push(b"Grpc-Status", b"0");
    trailers.push(b"Content-Length", b"7");
    world.connection.finish(key, Some(trailers.fields()));
    let sent = world.take();
    let (head, payload) = sent.last().unwrap();
    assert_eq!((head.kind, head.flags), (kind::HEADERS, END));
    let mut names = Vec::new();
    Decoder::new(0).decode(payload, &mut |name, _| names.push(name.to_vec())).unwrap();
    assert_eq!(names, [b"grpc-status"]);
    // None are left: the end is that of data.
    let key = answered(&mut world, 3);
    let mut trailers = Head::default();
    trailers.push(b"Content-Length", b"7");
    world.connection.finish(key, Some(trailers.fields()));
    assert_eq!(world.take().last().unwrap().0.kind, kind::DATA);
}
