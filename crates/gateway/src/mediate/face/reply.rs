//! A caller of the REST face as [`forward`](crate::forward) sees it: it sends an envelope, and takes one as its answer.
//!
//! What comes from the service is turned while it comes. The first part is held until it is long enough, so that an
//! answer which breaks early becomes a clean refusal; what breaks later can only be broken off.

use std::{
    rc::Rc,
    task::{Context, Poll},
};

use pasarela_contract::soap::SoapContract;
use pasarela_model::Code;
use pasarela_net::{
    conn::{Conn, Pace},
    http1::{Fields, Framing},
    transfer::{Sink, TransferError},
};
use pasarela_soap::{
    Fault, FaultKind, Limits,
    envelope::ContentType,
    exchange::{Answer as Turned, Form, INLINE_RULE, Messages, Outcome, Progress},
    mime::Related,
    openapi::face::Route,
};

use super::{
    super::is_coded,
    parts, problem,
    sending::{Envelope, Sending},
};
use crate::{
    ctx::Told,
    downstream::{Answer, Downstream, Kept, Length, Put},
    respond::Refusal,
};

/// Bytes of an answer that are held back before its head goes out.
const HELD_BYTES: usize = 64 << 10;
/// Bytes that are taken from the service at once.
const PIECE_BYTES: usize = 16 << 10;

/// What is known of a call.
pub(super) struct Setting<'p> {
    pub(super) soap: &'p SoapContract,
    pub(super) messages: &'p Messages,
    pub(super) route: &'p Route,
    pub(super) form: Form,
    /// Whether bytes are wanted beside the JSON.
    pub(super) beside: bool,
    pub(super) random: [u64; 2],
    pub(super) head_only: bool,
    pub(super) fault_type: String,
    pub(super) instance: String,
    pub(super) languages: Vec<u8>,
    pub(super) limits: Limits,
    pub(super) told: Rc<Told>,
}

/// The caller.
pub(super) struct Faced<'d, 'p, D> {
    inner: &'d mut D,
    sending: Sending<'p>,
    reply: Reply<'p>,
}

impl<'d, 'p, D: Downstream> Faced<'d, 'p, D> {
    pub(super) fn new(inner: &'d mut D, sending: Sending<'p>, setting: Setting<'p>) -> Self {
        Self { inner, sending, reply: Reply::new(setting) }
    }

    /// Why the caller's request is none after all, which was seen when the service knew of it.
    pub(super) fn wrong(&mut self) -> Option<Refusal> {
        match &mut self.sending {
            Sending::Whole(_) => None,
            Sending::Flowing(flow) => flow.wrong.take(),
        }
    }

    /// Why the service's answer could not be given on.
    pub(super) fn trouble(&mut self) -> Option<Refusal> {
        self.reply.trouble.take()
    }
}

impl<D: Downstream> Downstream for Faced<'_, '_, D> {
    type Source<'a>
        = Envelope<'a, D::Source<'a>>
    where
        Self: 'a;
    type Answer<'a>
        = Turning<'a, D::Answer<'a>>
    where
        Self: 'a;

    fn framing(&self) -> Framing {
        self.sending.framing()
    }

    /// Every try begins anew; there is one only as long as nothing of what flows went up.
    fn halves(&mut self, pace: Pace) -> (Self::Source<'_>, Self::Answer<'_>) {
        // The bound on the body counts what was read.
        let most = match &self.sending {
            Sending::Whole(_) => pace.most,
            Sending::Flowing(flow) => pace.most.saturating_sub(flow.received),
        };
        let (source, answer) = self.inner.halves(Pace { most, ..pace });
        // The types of what is borrowed hide how long the contract lives.
        let source = match &mut self.sending {
            Sending::Whole(envelope) => Envelope::Whole(envelope, source),
            Sending::Flowing(flow) => Envelope::Flowing(&mut **flow, source),
        };
        (source, Turning { reply: self.reply.anew(), answer })
    }

    fn is_answered(&self) -> bool {
        self.inner.is_answered()
    }

    fn abort(&mut self) {
        self.inner.abort();
    }

    fn end_after(&mut self) {
        self.inner.end_after();
    }

    fn take_tunnel(&mut self) -> Option<Conn> {
        None
    }
}

/// The answer, as far as it is.
struct Reply<'p> {
    setting: Setting<'p>,
    turned: Option<Turned<'p>>,
    /// What the service says beside its message, and callers may know.
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// What came in last.
    piece: Vec<u8>,
    /// What is ready for the caller, from `at` on.
    out: Vec<u8>,
    at: usize,
    /// Its head went out; it is whole; that was said.
    started: bool,
    ended: bool,
    finished: bool,
    trouble: Option<Refusal>,
    /// The media type of an answer in parts.
    media: Option<String>,
}

impl<'p> Reply<'p> {
    fn new(setting: Setting<'p>) -> Self {
        Self {
            setting,
            turned: None,
            fields: Vec::new(),
            piece: Vec::new(),
            out: Vec::new(),
            at: 0,
            started: false,
            ended: false,
            finished: false,
            trouble: None,
            media: None,
        }
    }

    fn anew(&mut self) -> &mut dyn Turn {
        (self.turned, self.trouble, self.media) = (None, None, None);
        self.fields.clear();
        self.piece.clear();
        self.out.clear();
        (self.at, self.ended, self.finished) = (0, false, false);
        self.setting.told.waits.set(false);
        self
    }

    fn fail(&mut self, why: impl Into<std::borrow::Cow<'static, str>>) {
        self.setting.told.waits.set(true);
        self.trouble = Some(Refusal::new(Code::ServiceBroken, why));
    }

    fn unlike(&mut self, fault: &Fault) {
        tracing::debug!(%fault, "a service's answer is not what its contract says");
        if fault.kind == FaultKind::Limit || fault.rule == Some(INLINE_RULE) {
            // A bound of ours is no secret, and its cure is the caller's or the owner's.
            let cure = fault.cure.as_ref().map_or_else(String::new, |cure| format!("; {cure}"));
            return self.fail(format!("{}{cure}", fault.message));
        }
        let rule = fault.rule.map_or_else(String::new, |rule| format!(" ({rule})"));
        // Where it is wrong, and by which rule; what it says is nobody's affair.
        let place = if fault.path.is_empty() { "/" } else { &fault.path };
        self.fail(format!("the service's answer is not what its contract says at {place}{rule}"));
    }

    /// What the head of the service's answer says about its body.
    fn open(&mut self, coded: bool, media: Option<&[u8]>) {
        if coded {
            return self.fail("the service's answer is compressed, which it was asked not to be");
        }
        let text = media.map(|media| std::str::from_utf8(media).unwrap_or_default());
        let kind = match text.map(ContentType::read) {
            None => ContentType::default(),
            Some(Ok(kind)) => kind,
            Some(Err(_)) => return self.fail("the service's Content-Type cannot be read"),
        };
        let is_xml = |kind: &str| {
            matches!(kind, "text/xml" | "application/soap+xml" | "application/xml")
                || kind.is_empty()
        };
        let Ok(related) = Related::read(&kind) else {
            return self.fail("the parts of the service's answer cannot be told apart");
        };
        // What asks for no answer may be answered with nothing of any kind.
        if !is_xml(&kind.media_type) && related.is_none() && !self.setting.messages.one_way {
            return self.fail("the service's answer is no SOAP message");
        }
        let Setting { soap, messages, form, limits, .. } = &self.setting;
        let charset = kind.parameter("charset").filter(|_| related.is_none());
        match Turned::new(&soap.plan, messages, *form, charset, limits) {
            Ok(turned) => {
                self.turned = Some(match &related {
                    None => turned,
                    Some(related) => {
                        let (wanted, media) =
                            parts::wanted(self.setting.beside, self.setting.random);
                        self.media = media;
                        turned.in_parts(related, wanted)
                    }
                });
            }
            Err(fault) => self.unlike(&fault),
        }
    }

    fn media(&self) -> String {
        self.media.clone().unwrap_or_else(|| media_of(self.setting.form).to_owned())
    }

    fn status_of(&self, outcome: &Outcome) -> u16 {
        match outcome {
            Outcome::Content | Outcome::Nothing => self.setting.route.status,
            Outcome::Thrown(_) => 0,
        }
    }
}

/// What [`Turning`] asks of a reply, whatever its contract lives as long as.
pub(super) trait Turn {
    fn piece(&mut self) -> &mut Vec<u8>;
    fn take(&mut self);
    fn end(&mut self) -> Option<(u16, String)>;
    fn open(&mut self, fields: Kept);
    fn state(&self) -> State;
    /// The status of an answer that goes well, and its media type.
    fn well(&self) -> (u16, String);
    fn waiting(&self) -> &[u8];
    fn took(&mut self, bytes: usize);
    fn started(&mut self, status: u16) -> Vec<(Vec<u8>, Vec<u8>)>;
    fn finished(&mut self);
}

/// How far a reply is.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    started: bool,
    ended: bool,
    finished: bool,
    broken: bool,
    /// It is an answer, and so much of it that it can begin.
    ripe: bool,
}

impl Turn for Reply<'_> {
    fn piece(&mut self) -> &mut Vec<u8> {
        &mut self.piece
    }

    fn take(&mut self) {
        if let Some(turned) = &mut self.turned
            && !self.piece.is_empty()
            && self.trouble.is_none()
            && let Err(fault) = turned.feed(&self.piece, &mut self.out)
        {
            self.unlike(&fault);
        }
        self.piece.clear();
    }

    fn end(&mut self) -> Option<(u16, String)> {
        let turned = self.turned.as_mut().filter(|_| self.trouble.is_none())?;
        let outcome = match turned.finish(&mut self.out) {
            Ok(outcome) => outcome,
            Err(fault) => {
                self.unlike(&fault);
                return None;
            }
        };
        self.ended = true;
        let status = self.status_of(&outcome);
        match outcome {
            Outcome::Content => Some((status, self.media())),
            Outcome::Nothing => Some((status, String::new())),
            Outcome::Thrown(thrown) => {
                let (status, body) = problem::of(&thrown, &self.setting);
                self.out = body;
                if let Some(instead) = &self.setting.told.instead {
                    instead.fault.set(true);
                }
                Some((status, "application/problem+json".to_owned()))
            }
        }
    }

    fn open(&mut self, fields: Kept) {
        let media = fields.find_all("content-type").next();
        self.open(is_coded(fields.find_all("content-encoding")), media);
        self.fields = fields.0.into_iter().filter(|(name, _)| !is_about_body(name)).collect();
    }

    fn state(&self) -> State {
        let progress = self.turned.as_ref().map(Turned::progress);
        State {
            started: self.started,
            ended: self.ended,
            finished: self.finished,
            broken: self.trouble.is_some(),
            ripe: progress == Some(Progress::Content) && self.out.len() >= HELD_BYTES,
        }
    }

    fn well(&self) -> (u16, String) {
        (self.setting.route.status, self.media())
    }

    fn waiting(&self) -> &[u8] {
        match self.started && self.setting.head_only {
            true => &[],
            false => self.out.get(self.at..).unwrap_or_default(),
        }
    }

    fn took(&mut self, bytes: usize) {
        if let Some(instead) = &self.setting.told.instead {
            instead.bytes.set(instead.bytes.get() + bytes as u64);
        }
        self.at += bytes;
        if self.at >= self.out.len() || (self.started && self.setting.head_only) {
            self.out.clear();
            self.at = 0;
        }
    }

    fn started(&mut self, status: u16) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.started = true;
        if let Some(instead) = &self.setting.told.instead {
            instead.status.set(status);
        }
        std::mem::take(&mut self.fields)
    }

    fn finished(&mut self) {
        self.finished = true;
    }
}

fn media_of(form: Form) -> &'static str {
    match form {
        Form::Json => "application/json",
        Form::Xml => "application/xml; charset=utf-8",
    }
}

/// Fields that speak of the message that came, and not of the one that goes.
pub(in crate::mediate) fn is_about_body(name: &[u8]) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.starts_with(b"content-")
        || matches!(
            lower.as_slice(),
            b"etag"
                | b"last-modified"
                | b"expires"
                | b"cache-control"
                | b"pragma"
                | b"age"
                | b"accept-ranges"
                | b"vary"
                | b"location"
                | b"allow"
                | b"soapaction"
                | b"mime-version"
                | b"www-authenticate"
        )
}

/// The caller's side of the answer.
pub(super) struct Turning<'a, A> {
    reply: &'a mut dyn Turn,
    answer: A,
}

impl<A: Answer> Turning<'_, A> {
    fn begin_answer(&mut self, status: u16, media: &str, length: Length) -> bool {
        let fields = self.reply.started(status);
        let started = self.answer.start(status, length, &mut |put| {
            if !media.is_empty() {
                put.put(b"Content-Type", media.as_bytes());
            }
            put.put(b"Vary", b"Accept, Accept-Language");
            fields.iter().for_each(|(name, value)| put.put(name, value));
        });
        started.is_ok()
    }

    /// Moves what there is room for.
    fn pump(&mut self) {
        if !self.reply.state().started {
            return;
        }
        loop {
            let waiting = self.reply.waiting();
            let take = waiting.len().min(self.answer.room());
            if take == 0 {
                self.reply.took(0);
                break;
            }
            let mark = self.answer.begin();
            self.answer.buffer().extend_from_slice(waiting.get(..take).unwrap_or_default());
            self.answer.end(mark);
            self.reply.took(take);
        }
        let state = self.reply.state();
        if state.ended && !state.finished && self.reply.waiting().is_empty() {
            self.answer.finish(None);
            self.reply.finished();
        }
    }
}

impl<A: Answer> Sink for Turning<'_, A> {
    fn room(&self) -> usize {
        let state = self.reply.state();
        let full = state.started && !self.reply.waiting().is_empty();
        if state.broken || full { 0 } else { PIECE_BYTES }
    }

    fn begin(&mut self) -> usize {
        0
    }

    fn buffer(&mut self) -> &mut Vec<u8> {
        self.reply.piece()
    }

    fn end(&mut self, _: usize) {
        self.reply.take();
        let state = self.reply.state();
        if !state.broken && !state.started && state.ripe {
            let (status, media) = self.reply.well();
            self.begin_answer(status, &media, Length::Unknown);
        }
        self.pump();
    }

    fn finish(&mut self, _: Option<Fields<'_>>) {
        let Some((status, media)) = self.reply.end() else { return };
        if !self.reply.state().started {
            let length = self.reply.waiting().len() as u64;
            let length = match media.is_empty() {
                true => Length::Known(0),
                false => Length::Known(length),
            };
            self.begin_answer(status, &media, length);
        }
        self.pump();
    }

    fn is_flushed(&self) -> bool {
        let state = self.reply.state();
        let waits =
            state.started && (!self.reply.waiting().is_empty() || state.ended != state.finished);
        !state.broken && !waits && self.answer.is_flushed()
    }

    fn ahead(&self) -> usize {
        PIECE_BYTES
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransferError>> {
        loop {
            if self.reply.state().broken {
                return Poll::Ready(Err(TransferError::Reset));
            }
            self.pump();
            match self.answer.poll_flush(cx) {
                Poll::Ready(Ok(())) if !self.reply.state().started => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) if !self.reply.waiting().is_empty() => {}
                done => return done,
            }
        }
    }
}

impl<A: Answer> Answer for Turning<'_, A> {
    fn start(
        &mut self,
        _: u16,
        _: Length,
        fields: &mut dyn FnMut(&mut dyn Put),
    ) -> Result<(), TransferError> {
        let mut kept = Kept::default();
        fields(&mut kept);
        self.reply.open(kept);
        match self.reply.state().broken {
            true => Err(TransferError::Reset),
            false => Ok(()),
        }
    }

    /// What a service says before it answers is not for callers that do not speak to it.
    fn interim(&mut self, _: u16, _: &mut dyn FnMut(&mut dyn Put)) {}

    fn close_after(&mut self) {
        self.answer.close_after();
    }

    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.answer.poll_left(cx)
    }
}
