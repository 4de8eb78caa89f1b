//! One direction of a tunnel: which of the bytes that came in go out, and what is put between them.
//!
//! This decides and does not act: bytes are given to it and it appends to what is to be sent.
//!
//! ```text
//!  Framed ──bytes that are no frames──▶ Blind       passes everything, puts nothing between
//!     └────our Close was put in────────▶ Muted       passes nothing any more
//! ```

use pasarela_net::websocket::{Fault, Follower};

/// One direction of a tunnel.
#[derive(Debug)]
pub(super) struct Lane {
    state: State,
    /// A frame to be put in at the next boundary.
    insert: Option<Insert>,
    /// The sender's Close was heard before its bytes were lost track of.
    heard: bool,
    /// Bytes passed on.
    pub(super) moved: u64,
}

#[derive(Debug)]
enum State {
    Framed(Follower),
    Blind,
    /// Follows only to hear the sender's Close, for as long as it can.
    Muted(Option<Follower>),
}

#[derive(Debug)]
struct Insert {
    frame: Vec<u8>,
    last: bool,
}

impl Lane {
    /// Without a follower everything passes and nothing is ever put in.
    pub(super) fn new(follower: Option<Follower>) -> Self {
        let state = follower.map_or(State::Blind, State::Framed);
        Self { state, insert: None, heard: false, moved: 0 }
    }

    /// Appends to `out` what goes on of `bytes` and returns how many of them are used up. Those
    /// that are not are to be given again, with more behind them; none used up means that more is
    /// needed.
    ///
    /// # Errors
    /// What stands at the front is too large. It will not pass: the lane is to be ended.
    pub(super) fn carry(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, Fault> {
        let mut at = 0;
        loop {
            self.put(out);
            let rest = bytes.get(at..).unwrap_or_default();
            let followed = match &mut self.state {
                State::Blind | State::Muted(None) => Ok(rest.len()),
                State::Framed(follower) => follower.follow(rest, self.insert.is_some()),
                State::Muted(Some(follower)) => follower.follow(rest, false),
            };
            match followed {
                Ok(0) => return Ok(at),
                Ok(followed) => {
                    if !self.is_muted() {
                        out.extend_from_slice(&rest[..followed]);
                        self.moved += followed as u64;
                    }
                    at += followed;
                }
                Err(Fault::Violation(violation)) => {
                    // The endpoints know better what to do about it, and a server has to: it
                    // fails the connection (RFC 6455 §7.1.7). What comes after is no frames.
                    tracing::debug!(%violation, "a tunnel is not followed any more");
                    self.lose();
                }
                Err(_) if at > 0 => return Ok(at),
                Err(fault) => return Err(fault),
            }
        }
    }

    fn lose(&mut self) {
        self.insert = None;
        self.heard = self.heard_close();
        self.state = match self.state {
            State::Framed(_) | State::Blind => State::Blind,
            State::Muted(_) => State::Muted(None),
        };
    }

    /// Puts in what waits for a boundary, if this is one.
    pub(super) fn put(&mut self, out: &mut Vec<u8>) {
        let State::Framed(follower) = &mut self.state else { return };
        if self.insert.is_none() || !follower.at_frame_boundary() {
            return;
        }
        let Some(insert) = self.insert.take() else { return };
        if follower.is_closed() {
            return;
        }
        out.extend_from_slice(&insert.frame);
        if insert.last {
            follower.lift_bounds();
            self.state = State::Muted(Some(follower.clone()));
        }
    }

    /// Has a frame put in at the next boundary.
    pub(super) fn insert(&mut self, frame: Vec<u8>) {
        if self.may_speak() && self.insert.is_none() {
            self.insert = Some(Insert { frame, last: false });
        }
    }

    /// Has a Close put in at the next boundary. Nothing passes after it.
    pub(super) fn end(&mut self, close: Vec<u8>) {
        if self.may_speak() {
            self.insert = Some(Insert { frame: close, last: true });
        }
    }

    /// Whether something waits for a boundary.
    pub(super) fn wants_boundary(&self) -> bool {
        self.insert.is_some()
    }

    /// Whether a frame can be put in, now or at a boundary to come.
    pub(super) fn may_speak(&self) -> bool {
        matches!(&self.state, State::Framed(follower) if !follower.is_closed())
    }

    /// Whether the sender has said its last.
    pub(super) fn heard_close(&self) -> bool {
        match &self.state {
            State::Framed(follower) | State::Muted(Some(follower)) => {
                follower.is_closed() && follower.at_frame_boundary()
            }
            State::Blind | State::Muted(None) => self.heard,
        }
    }

    pub(super) fn is_muted(&self) -> bool {
        matches!(self.state, State::Muted(_))
    }
}

#[cfg(test)]
mod tests {
    use pasarela_net::websocket::{Bounds, Extensions, Sender, put_close, put_ping};
    use proptest::prelude::*;

    use super::*;

    fn follower() -> Follower {
        let bounds = Bounds { frame: 1000, message: 2500 };
        Follower::new(Sender::Server, Extensions::None, bounds)
    }

    fn frame(first: u8, length: usize) -> Vec<u8> {
        let mut out = match length {
            0..=125 => vec![first, length as u8],
            _ => vec![first, 126, (length >> 8) as u8, length as u8],
        };
        out.resize(out.len() + length, b'.');
        out
    }

    fn close() -> Vec<u8> {
        let mut out = Vec::new();
        put_close(&mut out, 1012, "", None);
        out
    }

    fn ping() -> Vec<u8> {
        let mut out = Vec::new();
        put_ping(&mut out, b"here?", None);
        out
    }

    #[test]
    fn l48_a_close_waits_for_the_end_of_the_frame_and_silences_what_follows() {
        let (first, second) = (frame(0x82, 300), frame(0x82, 40));
        let mut lane = Lane::new(Some(follower()));
        let mut out = Vec::new();
        assert_eq!(lane.carry(&first[..200], &mut out), Ok(200));
        lane.end(close());
        lane.put(&mut out);
        assert!(lane.wants_boundary() && out.len() == 200);
        let rest = [&first[200..], &second, &close(), b"x"].concat();
        let used = lane.carry(&rest, &mut out).unwrap();
        assert_eq!(used, rest.len());
        assert_eq!(out, [&first[..], &close()].concat());
        assert!(lane.is_muted() && lane.heard_close());
        assert_eq!(lane.moved, first.len() as u64);
    }

    #[test]
    fn l48_no_close_follows_another() {
        let mut lane = Lane::new(Some(follower()));
        let mut out = Vec::new();
        lane.carry(&close(), &mut out).unwrap();
        assert!(lane.heard_close() && !lane.may_speak());
        lane.end(close());
        lane.put(&mut out);
        assert_eq!(out, close());
    }

    #[test]
    fn l21_what_is_too_large_stops_at_its_first_byte() {
        let good = frame(0x82, 1000);
        let bad = frame(0x82, 1001);
        let mut lane = Lane::new(Some(follower()));
        let mut out = Vec::new();
        let bytes = [&good[..], &bad].concat();
        assert_eq!(lane.carry(&bytes, &mut out), Ok(good.len()));
        assert_eq!(lane.carry(&bad, &mut out), Err(Fault::FrameTooLarge(1001)));
        assert_eq!(out, good);
        // Ended there, the Close goes out at once, and the sender's own is heard behind the rest.
        lane.end(close());
        assert_eq!(lane.carry(&bad, &mut out), Ok(bad.len()));
        assert_eq!(out, [&good[..], &close()].concat());
        assert!(!lane.heard_close());
        lane.carry(&close(), &mut out).unwrap();
        assert!(lane.heard_close());
        assert_eq!(out, [&good[..], &close()].concat());
    }

    #[test]
    fn t54_what_is_no_frame_passes_as_it_is() {
        let mut lane = Lane::new(Some(follower()));
        let mut out = Vec::new();
        let bytes = [&frame(0x81, 3)[..], b"\xffwhatever", &frame(0x82, 60_000)].concat();
        assert_eq!(lane.carry(&bytes, &mut out), Ok(bytes.len()));
        assert_eq!(out, bytes);
        lane.end(close());
        lane.put(&mut out);
        assert_eq!(out, bytes, "nothing is put between bytes that are not understood");
        assert!(!lane.may_speak());
    }

    /// Gives `bytes` to a lane in pieces; a piece with `true` asks for a ping before it.
    fn pass(lane: &mut Lane, bytes: &[u8], pieces: &[(usize, bool)]) -> Vec<u8> {
        let (mut out, mut done, mut shown) = (Vec::new(), 0, 0);
        let mut pieces = pieces.iter().cycle();
        while done < bytes.len() {
            let used = lane.carry(&bytes[done..shown], &mut out).expect("nothing is too large");
            done += used;
            if used == 0 {
                let Some((length, ask)) = pieces.next() else { break };
                if shown == bytes.len() {
                    break;
                }
                shown = bytes.len().min(shown + length);
                if *ask {
                    lane.insert(ping());
                }
            }
        }
        lane.put(&mut out);
        out.extend_from_slice(&bytes[done..]);
        out
    }

    proptest! {
        #[test]
        fn t54_bytes_out_are_bytes_in(
            bytes in prop::collection::vec(any::<u8>(), 0..600),
            pieces in prop::collection::vec((1..50_usize, Just(false)), 1..6),
            framed in any::<bool>(),
        ) {
            let unbounded = Bounds { frame: u64::MAX, message: u64::MAX };
            let follower = Follower::new(Sender::Server, Extensions::Unknown, unbounded);
            let mut lane = Lane::new(framed.then_some(follower));
            prop_assert_eq!(pass(&mut lane, &bytes, &pieces), bytes);
        }

        #[test]
        fn l21_pings_stand_between_frames_and_change_nothing_else(
            lengths in prop::collection::vec((0..400_usize, any::<bool>()), 0..30),
            pieces in prop::collection::vec((1..300_usize, any::<bool>()), 1..9),
        ) {
            let mut bytes = Vec::new();
            let mut inside = false;
            for (length, fin) in lengths {
                let opcode = if inside { 0 } else { 2 };
                bytes.extend(frame(if fin { 0x80 } else { 0 } | opcode, length));
                inside = !fin;
            }
            let bounds = Bounds { frame: 1000, message: u64::MAX };
            let follower = Follower::new(Sender::Server, Extensions::None, bounds);
            let out = pass(&mut Lane::new(Some(follower.clone())), &bytes, &pieces);
            // Taken apart again, frame by frame, without the pings.
            let (mut follower, mut at, mut kept) = (follower, 0, Vec::new());
            while at < out.len() {
                let length = follower.follow(&out[at..], true).expect("legal frames");
                prop_assert!(length > 0 && follower.at_frame_boundary());
                let frame = &out[at..at + length];
                if frame != ping() {
                    kept.extend_from_slice(frame);
                }
                at += length;
            }
            prop_assert_eq!(kept, bytes);
        }
    }
}
