//! Storms of frames by seed: whatever comes in whatever pieces, the machine keeps its books.

use std::collections::HashSet;

use super::*;

const SEEDS: u64 = 300;
const STEPS: usize = 150;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: u64) -> u64 {
        (self.next() >> 11) % most
    }

    fn stream(&mut self) -> u32 {
        self.below(40) as u32
    }
}

/// A frame that is lawful more often than not.
fn any_frame(random: &mut Random, next: &mut u32) -> Vec<u8> {
    let recent = (*next).saturating_sub(2 * random.below(6) as u32).max(1);
    match random.below(24) {
        8.. if *next == 0 => Vec::new(),
        0..8 => {
            *next = (*next + 1) | 1;
            let flags = if random.below(2) == 0 { END } else { flag::END_HEADERS };
            frame(kind::HEADERS, flags, *next, &get())
        }
        8..14 => {
            let size = random.below(3000) as usize;
            frame(kind::DATA, u8::from(random.below(4) == 0), recent, &vec![7; size])
        }
        14..16 => {
            window(if random.below(2) == 0 { 0 } else { *next }, 1 + random.below(9000) as u32)
        }
        16 => frame(kind::RST_STREAM, 0, recent, &[0; 4]),
        17 => settings(&[(4, random.below(100_000) as u32)]),
        18 => frame(kind::PING, random.below(2) as u8, 0, &[1; 8]),
        19 if random.below(4) == 0 => frame(kind::HEADERS, END, *next, &field("x", "1")),
        20 => frame(kind::PRIORITY, 0, random.stream(), &[0; 5]),
        21 => frame(0x20, 0, random.stream(), &vec![0; random.below(50) as usize]),
        22 if random.below(8) == 0 => {
            let payload: Vec<u8> = (0..random.below(40)).map(|_| random.next() as u8).collect();
            frame(random.below(10) as u8, random.next() as u8, random.stream(), &payload)
        }
        _ => Vec::new(),
    }
}

/// What our side does with an exchange.
fn act(world: &mut World, random: &mut Random, answered: &mut HashSet<Key>) {
    if world.requests.is_empty() {
        return;
    }
    let at = random.below(world.requests.len() as u64) as usize;
    let key = world.requests[at];
    match random.below(5) {
        0 if answered.insert(key) => {
            let _ = world.connection.answer(key, 200, None, random.below(3) == 0, |_| {});
        }
        1 if answered.contains(&key) => {
            let room = world.connection.room(key);
            if room > 0 {
                let (mut out, mark) = world.connection.begin_data();
                out.extend(std::iter::repeat_n(b'y', random.below(room as u64 + 1) as usize));
                world.connection.end_data(key, out, mark);
            } else {
                world.connection.await_room(key);
            }
        }
        2 if answered.contains(&key) => world.connection.finish(key, None),
        3 => {
            world.connection.release(key);
            answered.remove(&key);
            world.requests.swap_remove(at);
        }
        _ => while world.connection.news().is_some() {},
    }
}

fn storm(seed: u64) -> (Vec<(FrameHead, Vec<u8>)>, usize) {
    let mut random = Random(seed | 1);
    let mut world = World::silent(Settings { resets: 1000, control: 1000, ..SETTINGS });
    world.hear(&[PREFACE, &settings(&[])].concat());
    let (mut next, mut credit, mut answered) = (0, 65_535i64, HashSet::new());
    for _ in 0..STEPS {
        let bytes = any_frame(&mut random, &mut next);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(1 + random.below(rest.len() as u64) as usize);
            world.hear(piece);
            rest = more;
        }
        act(&mut world, &mut random, &mut answered);
        if bytes.get(3) == Some(&kind::WINDOW_UPDATE) && bytes[5..9] == [0; 4] {
            credit += i64::from(u32::from_be_bytes([bytes[9], bytes[10], bytes[11], bytes[12]]));
        }
        for (head, _) in world.take() {
            if head.kind == kind::DATA {
                credit -= head.length as i64;
            }
        }
        assert!(credit >= 0, "seed {seed}: more was sent than the window allows");
        assert!(world.connection.exchanges() <= 10, "seed {seed}");
        assert_eq!(world.connection.exchanges(), world.requests.len(), "seed {seed}");
        assert!(world.connection.waiting() <= 1 << 20, "seed {seed}");
    }
    for key in std::mem::take(&mut world.requests) {
        world.connection.release(key);
    }
    assert_eq!(world.connection.exchanges(), 0, "seed {seed}");
    world.take();
    nothing_behind_the_end(seed, &world.sent);
    let requests = world.sent.len();
    (world.sent, requests)
}

/// Of each stream nothing is sent behind its end, and of the connection nothing behind a GOAWAY
/// that says why.
fn nothing_behind_the_end(seed: u64, sent: &[(FrameHead, Vec<u8>)]) {
    let mut ended = HashSet::new();
    let mut begun = HashSet::new();
    for (head, _) in sent {
        match head.kind {
            kind::HEADERS | kind::DATA => {
                assert!(!ended.contains(&head.stream), "seed {seed}: {head:?}");
                assert!(head.kind == kind::HEADERS || begun.contains(&head.stream), "seed {seed}");
                begun.insert(head.stream);
                if head.has(flag::END_STREAM) {
                    ended.insert(head.stream);
                }
            }
            kind::RST_STREAM => {
                ended.insert(head.stream);
            }
            _ => {}
        }
    }
}

#[test]
fn t05_storms_of_frames_break_nothing() {
    let mut lively = 0;
    for seed in 1..=SEEDS {
        let (first, frames) = storm(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (second, _) = storm(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        assert_eq!(first, second, "seed {seed} is not the same twice");
        lively += usize::from(frames > 12);
    }
    assert!(lively > SEEDS as usize / 3, "{lively} storms were more than a breeze");
}
