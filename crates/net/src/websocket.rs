//! WebSocket frames, followed while they pass (RFC 6455 §5.2).
//!
//! A [`Follower`] reads frame headers and skips payloads, so that whoever passes the bytes on knows
//! where one frame ends and the next begins, and how large frames and messages are. It changes
//! nothing, copies nothing, and judges nobody: what breaks the protocol is reported as such, and
//! what to do about it is for the endpoints to decide.

/// Who sends the frames that are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The side that opened the connection: it masks its frames (RFC 6455 §5.1).
    Client,
    /// The other one: it does not.
    Server,
}

/// What the endpoints agreed the reserved bits may mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Extensions {
    /// Nothing.
    #[default]
    None,
    /// RSV1 on the first frame of a message: it is compressed (RFC 7692 §6).
    Deflate,
    /// Something this room has not heard of; every reserved bit may be set.
    Unknown,
}

impl Extensions {
    /// Reads the `Sec-WebSocket-Extensions` fields of the handshake's answer (RFC 6455 §9.1).
    pub fn agreed<'a>(values: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut agreed = Self::None;
        for element in values.flat_map(|value| value.split(|byte| *byte == b',')) {
            let name = element.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
            agreed = match agreed {
                _ if name.is_empty() => agreed,
                Self::None if name.eq_ignore_ascii_case(b"permessage-deflate") => Self::Deflate,
                Self::Deflate if name.eq_ignore_ascii_case(b"permessage-deflate") => agreed,
                _ => Self::Unknown,
            };
        }
        agreed
    }

    fn reserved_bits(self, opcode: u8) -> u8 {
        match self {
            Self::Deflate if matches!(opcode, TEXT | BINARY) => 0x40,
            Self::None | Self::Deflate => 0,
            Self::Unknown => 0x70,
        }
    }
}

/// How large frames and messages may be (L21).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Payload bytes of one frame.
    pub frame: u64,
    /// Payload bytes of one message, over all its fragments, as they are on the wire.
    pub message: u64,
}

/// Why the bytes that come next are not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The next frame is larger than allowed.
    #[error("a frame of {0} bytes is larger than allowed")]
    FrameTooLarge(u64),
    /// With the next frame the message is larger than allowed.
    #[error("a message of {0} bytes or more is larger than allowed")]
    MessageTooLarge(u64),
    /// What comes next is no legal frame.
    #[error("the bytes are no legal frame: {0}")]
    Violation(#[source] Violation),
}

/// How a frame breaks RFC 6455.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// §5.2: an opcode without a meaning.
    #[error("reserved opcode")]
    Opcode,
    /// §5.2: a bit that no extension gives a meaning.
    #[error("reserved bit")]
    Reserved,
    /// §5.1: a client's frame without a mask, or a server's with one.
    #[error("wrong masking")]
    Mask,
    /// §5.5: a control frame in fragments, or of more than 125 bytes.
    #[error("a control frame in fragments or too long")]
    Control,
    /// §5.4: a fragment of nothing, or a message within a message.
    #[error("fragments out of order")]
    Fragment,
    /// §5.2: a length not written in the fewest bytes.
    #[error("an overlong length")]
    Length,
    /// §5.5.1: a frame behind a Close.
    #[error("a frame after the last one")]
    AfterClose,
}

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Follows the frames of one direction.
#[derive(Debug, Clone)]
pub struct Follower {
    sender: Sender,
    extensions: Extensions,
    bounds: Bounds,
    /// Bytes of the frame under way that are still to come: of its mask and its payload.
    left: u64,
    /// Payload bytes announced of the message under way.
    message: u64,
    /// More fragments of it are to come.
    fragmented: bool,
    closed: bool,
}

/// A frame's header as far as it matters here.
struct Header {
    bytes: usize,
    opcode: u8,
    last: bool,
    payload: u64,
    message: u64,
}

impl Follower {
    /// Stands before the first frame.
    pub fn new(sender: Sender, extensions: Extensions, bounds: Bounds) -> Self {
        Self { sender, extensions, bounds, left: 0, message: 0, fragmented: false, closed: false }
    }

    /// Follows the bytes that come next and returns how many of them may be passed on. The rest,
    /// fewer bytes than a header has, is to be shown again with what comes behind it. With `pause`
    /// it stops behind the first frame that ends.
    ///
    /// # Errors
    /// The frame whose header stands right here is too large or not legal. Nothing was followed,
    /// and asking again gives the same answer.
    pub fn follow(&mut self, bytes: &[u8], pause: bool) -> Result<usize, Fault> {
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(at);
            }
            if self.left > 0 {
                let skipped = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
                self.left -= skipped as u64;
                at += skipped;
            } else {
                match self.header(rest) {
                    Ok(Some(header)) => {
                        at += header.bytes;
                        self.enter(&header);
                    }
                    Ok(None) => return Ok(at),
                    Err(fault) if at == 0 => return Err(fault),
                    // It stands at the front when the caller comes back.
                    Err(_) => return Ok(at),
                }
            }
            if pause && self.left == 0 {
                return Ok(at);
            }
        }
    }

    /// Whether a frame of somebody else's could be put here.
    pub fn at_frame_boundary(&self) -> bool {
        self.left == 0
    }

    /// Whether no message is under way.
    pub fn at_message_boundary(&self) -> bool {
        self.left == 0 && !self.fragmented
    }

    /// Whether a Close has passed, or begun to: no frame may follow it.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Follows frames of any size from here on.
    pub fn lift_bounds(&mut self) {
        self.bounds = Bounds { frame: u64::MAX, message: u64::MAX };
    }

    fn enter(&mut self, header: &Header) {
        let mask = if self.sender == Sender::Client { 4 } else { 0 };
        self.left = header.payload.saturating_add(mask);
        if header.opcode & 8 == 0 {
            self.fragmented = !header.last;
            self.message = header.message;
        }
        self.closed |= header.opcode == CLOSE;
    }

    /// Reads a header up to its length; the mask counts with the payload. `None`: more is needed.
    fn header(&self, bytes: &[u8]) -> Result<Option<Header>, Fault> {
        let broken = |violation| Err(Fault::Violation(violation));
        let Some(first) = bytes.first() else { return Ok(None) };
        let (last, opcode) = (first & 0x80 != 0, first & 0x0f);
        let control = opcode & 8 != 0;
        if self.closed {
            return broken(Violation::AfterClose);
        }
        if !matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG) {
            return broken(Violation::Opcode);
        }
        if first & 0x70 & !self.extensions.reserved_bits(opcode) != 0 {
            return broken(Violation::Reserved);
        }
        if control && !last {
            return broken(Violation::Control);
        }
        if !control && self.fragmented != (opcode == CONTINUATION) {
            return broken(Violation::Fragment);
        }
        let Some(second) = bytes.get(1) else { return Ok(None) };
        if (second & 0x80 != 0) != (self.sender == Sender::Client) {
            return broken(Violation::Mask);
        }
        let short = second & 0x7f;
        if control && short > 125 {
            return broken(Violation::Control);
        }
        let (size, payload, least) = match short {
            126 => match bytes.get(2..4).and_then(|bytes| bytes.try_into().ok()) {
                Some(bytes) => (4, u64::from(u16::from_be_bytes(bytes)), 126),
                None => return Ok(None),
            },
            127 => match bytes.get(2..10).and_then(|bytes| bytes.try_into().ok()) {
                Some(bytes) => (10, u64::from_be_bytes(bytes), 1 << 16),
                None => return Ok(None),
            },
            short => (2, u64::from(short), 0),
        };
        if payload < least {
            return broken(Violation::Length);
        }
        if payload > self.bounds.frame {
            return Err(Fault::FrameTooLarge(payload));
        }
        if payload >> 63 != 0 {
            return broken(Violation::Length);
        }
        let before = if opcode == CONTINUATION { self.message } else { 0 };
        let message = before.saturating_add(payload);
        if !control && message > self.bounds.message {
            return Err(Fault::MessageTooLarge(message));
        }
        Ok(Some(Header { bytes: size, opcode, last, payload, message }))
    }
}

/// Appends a Close. `mask` is for frames towards a server; a mask hides bytes that an attacker may
/// choose from old intermediaries (RFC 6455 §10.3), and these bytes nobody chooses.
pub fn put_close(out: &mut Vec<u8>, code: u16, reason: &str, mask: Option<[u8; 4]>) {
    let mut payload = Vec::with_capacity(2 + reason.len());
    payload.extend_from_slice(&code.to_be_bytes());
    payload.extend_from_slice(reason.as_bytes());
    put_control(out, CLOSE, &payload, mask);
}

/// Appends a Ping.
pub fn put_ping(out: &mut Vec<u8>, payload: &[u8], mask: Option<[u8; 4]>) {
    put_control(out, PING, payload, mask);
}

fn put_control(out: &mut Vec<u8>, opcode: u8, payload: &[u8], mask: Option<[u8; 4]>) {
    debug_assert!(payload.len() <= 125, "a control frame holds 125 bytes");
    let masked = if mask.is_some() { 0x80 } else { 0 };
    out.extend_from_slice(&[0x80 | opcode, masked | payload.len() as u8]);
    match mask {
        None => out.extend_from_slice(payload),
        Some(mask) => {
            out.extend_from_slice(&mask);
            out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { frame: 1 << 20, message: 16 << 20 };
    const FIN: u8 = 0x80;

    fn server() -> Follower {
        Follower::new(Sender::Server, Extensions::None, BOUNDS)
    }

    /// A frame as `sender` would send it, its length in the fewest bytes.
    fn frame(sender: Sender, first: u8, payload: &[u8]) -> Vec<u8> {
        let masked = if sender == Sender::Client { 0x80 } else { 0 };
        let mut out = vec![first];
        match payload.len() {
            length @ 0..=125 => out.push(masked | length as u8),
            length @ 126..=0xffff => {
                out.push(masked | 126);
                out.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                out.push(masked | 127);
                out.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        if masked != 0 {
            out.extend_from_slice(&[0xff; 4]);
        }
        out.extend_from_slice(payload);
        out
    }

    fn announced(first: u8, length: u64) -> Vec<u8> {
        let mut out = vec![first, 127];
        out.extend_from_slice(&length.to_be_bytes());
        out
    }

    #[test]
    fn l21_a_frame_may_be_as_large_as_the_limit_and_not_larger() {
        assert_eq!(server().follow(&announced(FIN | BINARY, 1 << 20), false), Ok(10));
        for length in [(1 << 20) + 1, u64::from(u32::MAX), u64::MAX >> 1, u64::MAX] {
            let fault = server().follow(&announced(FIN | BINARY, length), false);
            assert_eq!(fault, Err(Fault::FrameTooLarge(length)));
        }
    }

    #[test]
    fn l21_fragments_add_up_and_control_frames_between_them_do_not_count() {
        let mut follower = server();
        let payload = vec![0; 1 << 20];
        for fragment in 0..16 {
            let opcode = if fragment == 0 { TEXT } else { CONTINUATION };
            let bytes = frame(Sender::Server, opcode, &payload);
            assert_eq!(follower.follow(&bytes, false), Ok(bytes.len()));
            let ping = frame(Sender::Server, FIN | PING, b"still there?");
            assert_eq!(follower.follow(&ping, false), Ok(ping.len()));
            assert!(follower.at_frame_boundary() && !follower.at_message_boundary());
        }
        let straw = frame(Sender::Server, FIN | CONTINUATION, b"x");
        let fault = Err(Fault::MessageTooLarge((16 << 20) + 1));
        assert_eq!(follower.follow(&straw, false), fault);
        assert_eq!(follower.follow(&straw, true), fault, "it stays where it is");
        let end = frame(Sender::Server, FIN | CONTINUATION, b"");
        assert_eq!(follower.follow(&end, false), Ok(2));
        assert!(follower.at_message_boundary());
        // The next message begins from nothing.
        let next = frame(Sender::Server, FIN | TEXT, &payload);
        assert_eq!(follower.follow(&next, false), Ok(next.len()));
    }

    #[test]
    fn t54_what_is_no_legal_frame_is_told_by_its_first_bytes() {
        let mut open = server();
        open.follow(&frame(Sender::Server, TEXT, b"a"), false).unwrap();
        let mut closed = server();
        closed.follow(&frame(Sender::Server, FIN | CLOSE, b"\x03\xe8"), false).unwrap();
        let client = Follower::new(Sender::Client, Extensions::None, BOUNDS);
        let cases: [(&Follower, &[u8], Violation); 16] = [
            (&server(), &[FIN | 3], Violation::Opcode),
            (&server(), &[FIN | 11], Violation::Opcode),
            (&server(), &[FIN | 0x40 | TEXT], Violation::Reserved),
            (&server(), &[FIN | 0x20 | TEXT], Violation::Reserved),
            (&server(), &[FIN | 0x10 | PING], Violation::Reserved),
            (&server(), &[PING], Violation::Control),
            (&server(), &[FIN | PING, 126], Violation::Control),
            (&server(), &[FIN | CLOSE, 127], Violation::Control),
            (&server(), &[CONTINUATION], Violation::Fragment),
            (&open, &[FIN | TEXT], Violation::Fragment),
            (&server(), &[FIN | TEXT, 0x81], Violation::Mask),
            (&client, &[FIN | TEXT, 1], Violation::Mask),
            (&server(), &[FIN | TEXT, 126, 0, 125], Violation::Length),
            (&server(), &[FIN | TEXT, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff], Violation::Length),
            (&closed, &[FIN | TEXT, 0], Violation::AfterClose),
            (&client, b"GET / HTTP/1.1\r\n", Violation::Opcode),
        ];
        for (follower, bytes, violation) in cases {
            let found = follower.clone().follow(bytes, false);
            assert_eq!(found, Err(Fault::Violation(violation)), "{bytes:?}");
        }
        let mut unbounded = server();
        unbounded.lift_bounds();
        let overlong = unbounded.follow(&announced(FIN | BINARY, 1 << 63), false);
        assert_eq!(overlong, Err(Fault::Violation(Violation::Length)));
    }

    #[test]
    fn t54_reserved_bits_mean_what_was_agreed() {
        let agreed =
            |fields: &[&str]| Extensions::agreed(fields.iter().map(|text| text.as_bytes()));
        assert_eq!(agreed(&[]), Extensions::None);
        assert_eq!(agreed(&["", " , "]), Extensions::None);
        assert_eq!(agreed(&["Permessage-Deflate; client_max_window_bits=10"]), Extensions::Deflate);
        assert_eq!(agreed(&["permessage-deflate", "x-mux; a=b"]), Extensions::Unknown);
        assert_eq!(agreed(&["x-webkit-deflate-frame"]), Extensions::Unknown);
        let try_with = |extensions, first| {
            let mut follower = Follower::new(Sender::Server, extensions, BOUNDS);
            follower.follow(&[first, 0], false).is_ok()
        };
        assert!(try_with(Extensions::Deflate, FIN | 0x40 | TEXT));
        assert!(!try_with(Extensions::Deflate, FIN | 0x20 | TEXT));
        assert!(!try_with(Extensions::Deflate, FIN | 0x40 | PONG));
        assert!(try_with(Extensions::Unknown, FIN | 0x70 | PONG));
    }

    #[test]
    fn a_header_waits_until_its_length_is_known() {
        let mut follower = Follower::new(Sender::Client, Extensions::None, BOUNDS);
        let bytes = frame(Sender::Client, FIN | BINARY, &[7; 70_000]);
        for cut in 0..10 {
            assert_eq!(follower.follow(&bytes[..cut], false), Ok(0));
            assert!(follower.at_frame_boundary());
        }
        // Mask and payload may come as they like.
        assert_eq!(follower.follow(&bytes[..11], false), Ok(11));
        assert_eq!(follower.follow(&bytes[11..], false), Ok(bytes.len() - 11));
        assert!(follower.at_message_boundary());
    }

    #[test]
    fn frames_of_our_own_are_legal_frames() {
        for (sender, mask) in [(Sender::Server, None), (Sender::Client, Some([1, 2, 3, 4]))] {
            let mut out = Vec::new();
            put_ping(&mut out, b"here", mask);
            put_close(&mut out, 1012, "restarting", mask);
            let mut follower = Follower::new(sender, Extensions::None, BOUNDS);
            assert_eq!(follower.follow(&out, false), Ok(out.len()));
            assert!(follower.at_message_boundary() && follower.is_closed());
        }
        let mut out = Vec::new();
        put_close(&mut out, 1009, "x", Some([0x10, 0x20, 0x30, 0x40]));
        assert_eq!(
            out,
            [0x88, 0x83, 0x10, 0x20, 0x30, 0x40, 0x03 ^ 0x10, 0xf1 ^ 0x20, b'x' ^ 0x30]
        );
    }

    /// Messages in fragments with control frames between them, and where each frame ends.
    fn conversation(sender: Sender) -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
        let size = prop_oneof![0..140_usize, Just(125), Just(126), Just(65_535), Just(65_536)];
        let message = (prop::collection::vec((size, any::<bool>()), 1..4), any::<bool>());
        prop::collection::vec(message, 0..6).prop_map(move |messages| {
            let (mut bytes, mut ends) = (Vec::new(), Vec::new());
            let mut put = |frame: Vec<u8>| {
                bytes.extend_from_slice(&frame);
                ends.push(bytes.len());
            };
            for (fragments, text) in messages {
                let count = fragments.len();
                for (index, (size, ping)) in fragments.into_iter().enumerate() {
                    let fin = if index + 1 == count { FIN } else { 0 };
                    let opcode = match (index, text) {
                        (0, true) => TEXT,
                        (0, false) => BINARY,
                        _ => CONTINUATION,
                    };
                    put(frame(sender, fin | opcode, &vec![0x88; size]));
                    if ping {
                        put(frame(sender, FIN | PING, &[0x89; 20]));
                    }
                }
            }
            (bytes, ends)
        })
    }

    /// Shows the bytes in pieces as a connection would; how many were followed, and the fault.
    fn in_pieces(follower: &mut Follower, bytes: &[u8], cuts: &[usize]) -> (usize, Option<Fault>) {
        let (mut done, mut shown, mut cuts) = (0, 0, cuts.iter().cycle());
        loop {
            match follower.follow(&bytes[done..shown], false) {
                Err(fault) => return (done, Some(fault)),
                Ok(0) if shown == bytes.len() => return (done, None),
                Ok(0) => shown = bytes.len().min(shown + cuts.next().copied().unwrap_or(1).max(1)),
                Ok(followed) => done += followed,
            }
        }
    }

    proptest! {
        #[test]
        fn every_frame_boundary_is_found_whatever_the_cuts(
            (bytes, ends) in conversation(Sender::Client),
            cuts in prop::collection::vec(1..5000_usize, 1..8),
        ) {
            let mut follower = Follower::new(Sender::Client, Extensions::None, BOUNDS);
            prop_assert_eq!(in_pieces(&mut follower, &bytes, &cuts), (bytes.len(), None));
            prop_assert!(follower.at_message_boundary());
            // Pausing stops at each end once.
            let mut follower = Follower::new(Sender::Client, Extensions::None, BOUNDS);
            let mut at = 0;
            for end in ends {
                at += follower.follow(&bytes[at..], true).unwrap();
                prop_assert_eq!(at, end);
            }
        }

        #[test]
        fn t54_any_bytes_are_followed_the_same_in_one_piece_and_in_many(
            (mut bytes, _) in conversation(Sender::Server),
            noise in prop::collection::vec(any::<u8>(), 0..40),
            at in any::<prop::sample::Index>(),
            cuts in prop::collection::vec(1..300_usize, 1..8),
            extensions in prop::sample::select(vec![
                Extensions::None, Extensions::Deflate, Extensions::Unknown,
            ]),
        ) {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, noise);
            let mut whole = Follower::new(Sender::Server, extensions, BOUNDS);
            let mut cut = whole.clone();
            let expected = in_pieces(&mut whole, &bytes, &[usize::MAX >> 1]);
            prop_assert_eq!(in_pieces(&mut cut, &bytes, &cuts), expected);
            prop_assert_eq!(whole.at_frame_boundary(), cut.at_frame_boundary());
        }
    }
}
