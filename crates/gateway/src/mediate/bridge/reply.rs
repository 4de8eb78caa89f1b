//! A caller of the SOAP face as [`forward`](crate::forward) sees it: it sends a call, and takes what a REST service answers.
//!
//! The answer is held until it is whole, within the bound on bodies. Nothing goes to the caller before it is known to be what the
//! contract says, so that whatever is wrong with it becomes a clean refusal.

use std::{
    rc::Rc,
    task::{Context, Poll},
};

use pasarela_contract::{
    bridge::{Mismatch, Outcome, Received, RestContract},
    described::Described,
};
use pasarela_model::Code;
use pasarela_net::{
    conn::{Conn, Pace},
    http1::{Fields, Framing},
    transfer::{Sink, TransferError},
};
use pasarela_soap::{
    Fault, Limits, envelope::Code as Blame, exchange::Messages, wsdl::catalog::SoapVersion,
};

use super::super::{
    face::{Envelope, is_about_body},
    is_coded,
};
use crate::{
    ctx::Told,
    downstream::{Answer, Downstream, Kept, Length, Put},
    respond::Refusal,
};

/// Bytes that are taken from the service at once.
const PIECE_BYTES: usize = 16 << 10;

/// What is known of a call.
pub(super) struct Setting<'c> {
    pub(super) contract: &'c RestContract,
    pub(super) described: &'c Described,
    pub(super) messages: &'c Messages,
    /// In which SOAP it was asked, and is answered.
    pub(super) version: SoapVersion,
    /// For a caller who sends bytes beside envelopes, and gets them so: bits that nobody can have known.
    pub(super) beside: Option<u128>,
    /// Bytes that an answer may have.
    pub(super) most: u64,
    pub(super) told: Rc<Told>,
    pub(super) limits: Limits,
}

/// The caller.
pub(super) struct Bridged<'d, 'c, D> {
    inner: &'d mut D,
    body: Vec<u8>,
    framing: Framing,
    reply: Reply<'c>,
}

impl<'d, 'c, D: Downstream> Bridged<'d, 'c, D> {
    pub(super) fn new(
        inner: &'d mut D,
        body: Vec<u8>,
        framing: Framing,
        setting: Setting<'c>,
    ) -> Self {
        Self { inner, body, framing, reply: Reply::new(setting) }
    }

    /// Why the service's answer could not be given on.
    pub(super) fn trouble(&mut self) -> Option<Refusal> {
        self.reply.trouble.take()
    }
}

impl<'c, D: Downstream> Downstream for Bridged<'_, 'c, D> {
    type Source<'a>
        = Envelope<'a, D::Source<'a>>
    where
        Self: 'a;
    type Answer<'a>
        = Replying<'a, 'c, D::Answer<'a>>
    where
        Self: 'a;

    fn framing(&self) -> Framing {
        self.framing
    }

    /// Every try begins anew.
    fn halves(&mut self, pace: Pace) -> (Self::Source<'_>, Self::Answer<'_>) {
        let (source, answer) = self.inner.halves(pace);
        self.reply.begin_anew();
        (Envelope::Whole(&self.body, source), Replying { reply: &mut self.reply, answer })
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
struct Reply<'c> {
    setting: Setting<'c>,
    status: u16,
    fields: Kept,
    body: Vec<u8>,
    /// What is ready for the caller, from `at` on, and its media type.
    out: Vec<u8>,
    at: usize,
    media: String,
    /// Its head went out; it is whole, and that was said.
    started: bool,
    finished: bool,
    trouble: Option<Refusal>,
}

impl<'c> Reply<'c> {
    fn new(setting: Setting<'c>) -> Self {
        Self {
            setting,
            status: 0,
            fields: Kept::default(),
            body: Vec::new(),
            out: Vec::new(),
            at: 0,
            media: String::new(),
            started: false,
            finished: false,
            trouble: None,
        }
    }

    fn begin_anew(&mut self) {
        if self.started {
            return;
        }
        (self.status, self.trouble) = (0, None);
        self.fields.0.clear();
        self.body.clear();
        self.setting.told.waits.set(false);
    }

    fn fail(&mut self, why: impl Into<std::borrow::Cow<'static, str>>) {
        self.setting.told.waits.set(true);
        self.trouble = Some(Refusal::new(Code::ServiceBroken, why));
    }

    /// Makes the envelope of the answer that is here; the status of HTTP that goes with it.
    fn made(&mut self) -> Option<u16> {
        let Setting { contract, described, .. } = &self.setting;
        let received = Received { status: self.status, fields: &self.fields.0, body: &self.body };
        let outcome = match contract.reply(described, received) {
            Ok(outcome) => outcome,
            Err(Mismatch { pointer, why }) => {
                let place = if pointer.is_empty() { "/" } else { &pointer };
                self.fail(format!(
                    "the service's answer is not what its contract says at {place}: {why}"
                ));
                return None;
            }
        };
        match self.written(&outcome) {
            Ok(status) => Some(status),
            Err(fault) => {
                tracing::debug!(%fault, "a service's answer is not what its contract says");
                // Where it is wrong; what it says is nobody's affair.
                let place = if fault.path.is_empty() { "/" } else { &fault.path };
                let rule = fault.rule.map_or_else(String::new, |rule| format!(" ({rule})"));
                self.fail(format!(
                    "the service's answer is not what its contract says at {place}{rule}"
                ));
                None
            }
        }
    }

    fn written(&mut self, outcome: &Outcome) -> Result<u16, Box<Fault>> {
        let Setting { contract, messages, version, beside, limits, told, .. } = &self.setting;
        let plan = &contract.soap.plan;
        // What was made here is as large as what came, and a little more.
        let limits = Limits { document_bytes: u64::MAX, json_values: u64::MAX, ..limits.clone() };
        self.out.clear();
        self.media = format!("{}; charset=utf-8", version.media_type());
        match outcome {
            Outcome::Answer(json) => {
                let media =
                    messages.answer(plan, *version, json, *beside, &limits, &mut self.out)?;
                if let Some(media) = media {
                    self.media = media;
                }
                Ok(200)
            }
            Outcome::Fault { sender, reason, detail, otherwise } => {
                if let Some(instead) = &told.instead {
                    instead.fault.set(true);
                }
                let blame = if *sender { Blame::Sender } else { Blame::Receiver };
                let status = blame.http_status(*version);
                let mut fault = |detail: &[u8]| {
                    let said = (blame.clone(), reason.as_str());
                    self.out.clear();
                    messages.fault(plan, *version, said, detail, &limits, &mut self.out)
                };
                match detail.as_deref().map(&mut fault) {
                    Some(Ok(())) => {}
                    // What is wrong with the service matters more than how it says so.
                    Some(Err(_)) | None => fault(otherwise)?,
                }
                Ok(status)
            }
        }
    }

    fn left(&self) -> &[u8] {
        self.out.get(self.at..).unwrap_or_default()
    }
}

/// The caller's side of the answer.
pub(super) struct Replying<'a, 'c, A> {
    reply: &'a mut Reply<'c>,
    answer: A,
}

impl<A: Answer> Replying<'_, '_, A> {
    fn begin_answer(&mut self, status: u16) {
        self.reply.started = true;
        if let Some(instead) = &self.reply.setting.told.instead {
            instead.status.set(status);
        }
        let fields = std::mem::take(&mut self.reply.fields.0);
        let media = std::mem::take(&mut self.reply.media);
        let length = Length::Known(self.reply.out.len() as u64);
        // With no head to give, nothing can go wrong.
        let _ = self.answer.start(status, length, &mut |put| {
            put.put(b"Content-Type", media.as_bytes());
            let kept = fields.iter().filter(|(name, _)| !is_about_body(name));
            kept.for_each(|(name, value)| put.put(name, value));
        });
    }

    /// Moves what there is room for.
    fn pump(&mut self) {
        if !self.reply.started || self.reply.finished {
            return;
        }
        loop {
            let take = self.reply.left().len().min(self.answer.room());
            if take == 0 {
                break;
            }
            let mark = self.answer.begin();
            self.answer
                .buffer()
                .extend_from_slice(self.reply.left().get(..take).unwrap_or_default());
            self.answer.end(mark);
            self.reply.at += take;
            if let Some(instead) = &self.reply.setting.told.instead {
                instead.bytes.set(instead.bytes.get() + take as u64);
            }
        }
        if self.reply.left().is_empty() {
            self.answer.finish(None);
            self.reply.finished = true;
        }
    }
}

impl<A: Answer> Sink for Replying<'_, '_, A> {
    fn room(&self) -> usize {
        if self.reply.trouble.is_some() || self.reply.started { 0 } else { PIECE_BYTES }
    }

    fn begin(&mut self) -> usize {
        self.reply.body.len()
    }

    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.reply.body
    }

    fn end(&mut self, _: usize) {
        let most = self.reply.setting.most;
        if self.reply.body.len() as u64 > most {
            self.reply.body.clear();
            self.reply.fail(format!(
                "the service's answer has more than the {most} bytes that a message of this API may have"
            ));
        }
    }

    fn finish(&mut self, _: Option<Fields<'_>>) {
        if self.reply.trouble.is_some() || self.reply.started {
            return;
        }
        if let Some(status) = self.reply.made() {
            self.begin_answer(status);
            self.pump();
        }
    }

    fn is_flushed(&self) -> bool {
        let waits = self.reply.started && !self.reply.finished;
        self.reply.trouble.is_none() && !waits && self.answer.is_flushed()
    }

    fn ahead(&self) -> usize {
        PIECE_BYTES
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransferError>> {
        loop {
            if self.reply.trouble.is_some() {
                return Poll::Ready(Err(TransferError::Reset));
            }
            if !self.reply.started {
                return Poll::Ready(Ok(()));
            }
            self.pump();
            match self.answer.poll_flush(cx) {
                Poll::Ready(Ok(())) if !self.reply.finished => {}
                done => return done,
            }
        }
    }
}

impl<A: Answer> Answer for Replying<'_, '_, A> {
    fn start(
        &mut self,
        status: u16,
        _: Length,
        fields: &mut dyn FnMut(&mut dyn Put),
    ) -> Result<(), TransferError> {
        let mut kept = Kept::default();
        fields(&mut kept);
        if is_coded(kept.find_all("content-encoding")) {
            self.reply.fail("the service's answer is compressed, which it was asked not to be");
            return Err(TransferError::Reset);
        }
        (self.reply.status, self.reply.fields) = (status, kept);
        Ok(())
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
