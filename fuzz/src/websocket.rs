//! The follower of WebSocket frames: where it stops, and why, does not depend on how the bytes come.

use pasarela_net::websocket::{Bounds, Extensions, Fault, Follower, Sender};

use super::{Cuts, seeded};

const BOUNDS: Bounds = Bounds { frame: 300, message: 700 };

/// How far it went.
#[derive(Debug, PartialEq, Eq)]
struct Followed {
    passed: usize,
    fault: Option<Fault>,
    /// At a frame's boundary, at a message's, behind a Close.
    stands: (bool, bool, bool),
}

/// The second byte tells who sends and what was agreed, the others are what is sent.
pub(super) fn websocket(bytes: &[u8]) {
    let (cuts, rest) = seeded(bytes);
    let Some((choice, frames)) = rest.split_first() else { return };
    let sender = if choice & 1 == 0 { Sender::Client } else { Sender::Server };
    let agreed: &[&[u8]] = match choice >> 1 & 3 {
        0 => &[],
        1 => &[b"permessage-deflate; server_no_context_takeover"],
        2 => &[b"x-of-ours"],
        _ => &[b"permessage-deflate", b"x-of-ours"],
    };
    let follower = Follower::new(sender, Extensions::agreed(agreed.iter().copied()), BOUNDS);
    let whole = follow(follower.clone(), frames, None, false);
    assert_eq!(whole, follow(follower.clone(), frames, Some(cuts), false), "cut");
    assert_eq!(whole, follow(follower, frames, None, true), "frame by frame");
    assert!(whole.passed <= frames.len());
    if whole.fault.is_none() && !whole.stands.0 {
        assert_eq!(whole.passed, frames.len(), "a payload is passed on as it comes");
    }
}

fn follow(mut follower: Follower, frames: &[u8], mut cuts: Option<Cuts>, pause: bool) -> Followed {
    let (mut passed, mut shown) = (0, if cuts.is_some() { 0 } else { frames.len() });
    let fault = loop {
        match follower.follow(&frames[passed..shown], pause) {
            Err(fault) => {
                assert_eq!(follower.follow(&frames[passed..shown], pause), Err(fault));
                break Some(fault);
            }
            Ok(0) if shown == frames.len() => break None,
            Ok(0) => shown = (shown + cuts.as_mut().map_or(1, Cuts::next)).min(frames.len()),
            Ok(more) => {
                if pause {
                    let end = follower.at_frame_boundary() || passed + more == shown;
                    assert!(end || shown - passed - more < 14, "paused within a frame");
                }
                passed += more;
            }
        }
    };
    let stands =
        (follower.at_frame_boundary(), follower.at_message_boundary(), follower.is_closed());
    Followed { passed, fault, stands }
}
