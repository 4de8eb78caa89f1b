//! A service's SOAP answer held against its contract while it comes back.
//!
//! Where the contract is enforced the beginning of an answer waits until all of it was looked at, or until it is longer
//! than what is held: from then on it is passed on as it is found good, and breaks off where it is not. What is only
//! reported is never held.

use std::{
    cell::Cell,
    rc::Rc,
    task::{Context, Poll},
};

use pasarela_contract::soap::SoapContract;
use pasarela_model::{Check, Code};
use pasarela_net::{
    conn::{Conn, Pace},
    http1::{Fields, Framing},
    transfer::{Sink, TransferError},
};
use pasarela_soap::{
    Fault, FaultKind, Limits,
    envelope::{Checker, ContentType, Expected, Refusal as Wrong},
    mime::Related,
    xml::{Event, Reader},
};

use super::{is_coded, related::Root};
use crate::{
    ctx::Told,
    downstream::{Answer, Downstream, Kept, Length, Put},
    observe::{Direction, Slot, WorkerMetrics},
    respond::Refusal,
};

/// Bytes of an answer that wait for the verdict.
const HELD_BYTES: usize = 64 << 10;

/// What is found out about an answer.
pub(crate) struct Judge<'c> {
    contract: &'c SoapContract,
    expected: &'c Expected,
    one_way: bool,
    metrics: &'c WorkerMetrics,
    slot: Slot,
    holds: bool,
    /// Waits while the answer's end must not be recorded yet.
    pub(crate) told: Rc<Told>,
    message: Option<Message<'c>>,
    wrong: Option<String>,
    head: Option<Start>,
    data: Vec<u8>,
    came: bool,
    whole: bool,
    finished: bool,
}

/// The head of an answer that waits.
struct Start {
    status: u16,
    length: Length,
    fields: Kept,
}

/// The message as it comes back, alone or as the root part of several.
struct Message<'c> {
    related: Option<Root>,
    reader: Reader<'c>,
    checker: Checker<'c>,
    over: bool,
}

impl<'c> Judge<'c> {
    /// For the answer of an operation; none where nobody looks at it.
    pub(crate) fn new(
        contract: &'c SoapContract,
        operation: usize,
        check: Check,
        (metrics, slot): (&'c WorkerMetrics, Slot),
    ) -> Option<Self> {
        let bound = contract.bound.get(operation).filter(|_| check != Check::Off)?;
        let holds = check == Check::Enforce;
        Some(Self {
            contract,
            expected: &bound.answer,
            one_way: bound.one_way,
            metrics,
            slot,
            holds,
            told: Rc::new(Told { waits: Cell::new(holds), instead: None }),
            message: None,
            wrong: None,
            head: None,
            data: Vec::new(),
            came: false,
            whole: false,
            finished: false,
        })
    }

    /// What is wrong with the answer.
    pub(crate) fn wrong(&self) -> Option<&str> {
        self.wrong.as_deref()
    }

    /// What the caller gets instead of it.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        let wrong = self.wrong.as_ref().filter(|_| self.holds);
        // What exactly is the owner's affair: it may tell what is behind the gateway.
        wrong.map(|_| {
            Refusal::new(Code::ServiceBroken, "the service's answer is not what its contract says")
        })
    }

    fn begin(&mut self, status: u16, fields: &Kept) {
        // SOAP lives in these (SOAP 1.1 §6.2; SOAP 1.2 part 2 §7.5.1); what a proxy or a login says, does not.
        if !matches!(status, 200..=299 | 400 | 500) {
            return;
        }
        match Message::new(self.contract, self.expected, fields) {
            Ok(message) => self.message = Some(message),
            Err(why) => self.blame(why),
        }
    }

    fn take(&mut self, from: usize) {
        let bytes = self.data.get(from..).unwrap_or_default();
        self.came |= !bytes.is_empty();
        let said = self.message.as_mut().map(|message| message.take(bytes));
        if let Some(Err(why)) = said {
            self.blame(why.fault.to_string());
        }
    }

    fn end(&mut self) {
        self.whole = true;
        let message = self.message.take();
        let said = match message {
            Some(_) if !self.came && self.one_way => Ok(()),
            Some(mut message) => message.end(),
            None => Ok(()),
        };
        if let Err(why) = said {
            self.blame(why.fault.to_string());
        }
    }

    fn blame(&mut self, why: String) {
        self.message = None;
        if self.wrong.is_none() {
            // At once, so that whoever has the answer finds it counted.
            self.metrics.message_invalid(self.slot, Direction::Answer);
            self.wrong = Some(why);
        }
    }

    fn is_broken(&self) -> bool {
        self.holds && self.wrong.is_some()
    }

    /// Whether what came has to wait for more.
    fn waits(&self) -> bool {
        self.head.is_some() && !self.whole && self.data.len() <= HELD_BYTES
    }
}

impl<'c> Message<'c> {
    fn new(
        contract: &'c SoapContract,
        expected: &'c Expected,
        fields: &Kept,
    ) -> Result<Self, String> {
        if is_coded(fields.find_all("content-encoding")) {
            return Err("the message is coded, and is not read so".to_owned());
        }
        let media = match fields.find_all("content-type").next() {
            Some(value) => ContentType::read(&String::from_utf8_lossy(value))?,
            None => ContentType::default(),
        };
        let related = Related::read(&media)?;
        let charset = media.parameter("charset").filter(|_| related.is_none());
        let schemas = contract.plan.schemas();
        // What streams is bounded by its depth.
        let limits = Limits { document_bytes: u64::MAX, nodes: u64::MAX, ..Limits::default() };
        let reader = Reader::streaming(charset, &schemas.symbols, &limits);
        Ok(Self {
            related: related.as_ref().map(Root::new),
            reader: reader.map_err(|why| why.to_string())?,
            checker: match related {
                Some(_) => Checker::new(schemas, expected).in_parts(),
                None => Checker::new(schemas, expected),
            },
            over: false,
        })
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Wrong> {
        let Some(root) = &mut self.related else {
            self.reader.feed(bytes)?;
            return self.run();
        };
        let mut part = Vec::new();
        root.take(bytes, &mut part)?;
        self.reader.feed(&part)?;
        self.run()
    }

    fn end(&mut self) -> Result<(), Wrong> {
        if let Some(root) = &mut self.related {
            let mut part = Vec::new();
            root.end(&mut part)?;
            self.reader.feed(&part)?;
        }
        self.reader.finish()?;
        self.run()?;
        match self.over {
            true => Ok(()),
            false => {
                Err(Box::new(Fault::new(FaultKind::Message, "the message is not whole")).into())
            }
        }
    }

    fn run(&mut self) -> Result<(), Wrong> {
        while !self.over {
            let event = self.reader.pull()?;
            if event == Event::NeedMore {
                return Ok(());
            }
            self.over = self.checker.step(&self.reader, event)?;
        }
        Ok(())
    }
}

/// A caller whose answer is looked at before it gets it.
pub(crate) struct Judged<'d, 'c, D> {
    inner: &'d mut D,
    judge: &'d mut Judge<'c>,
}

impl<'d, 'c, D: Downstream> Judged<'d, 'c, D> {
    pub(crate) fn new(inner: &'d mut D, judge: &'d mut Judge<'c>) -> Self {
        Self { inner, judge }
    }
}

impl<'c, D: Downstream> Downstream for Judged<'_, 'c, D> {
    type Source<'a>
        = D::Source<'a>
    where
        Self: 'a;
    type Answer<'a>
        = JudgedAnswer<'a, 'c, D::Answer<'a>>
    where
        Self: 'a;

    fn framing(&self) -> Framing {
        self.inner.framing()
    }

    fn halves(&mut self, pace: Pace) -> (Self::Source<'_>, Self::Answer<'_>) {
        let (source, answer) = self.inner.halves(pace);
        (source, JudgedAnswer { inner: answer, judge: self.judge })
    }

    fn is_answered(&self) -> bool {
        // A head that waits was taken, and nobody else may answer in its place now.
        self.inner.is_answered() || self.judge.head.is_some()
    }

    fn abort(&mut self) {
        self.inner.abort();
    }

    fn end_after(&mut self) {
        self.inner.end_after();
    }

    fn take_tunnel(&mut self) -> Option<Conn> {
        self.inner.take_tunnel()
    }
}

/// Its answer.
pub(crate) struct JudgedAnswer<'a, 'c, A> {
    inner: A,
    judge: &'a mut Judge<'c>,
}

impl<A: Answer> JudgedAnswer<'_, '_, A> {
    /// Passes on what may go.
    fn pump(&mut self) -> Result<(), TransferError> {
        if let Some(head) = self.judge.head.take() {
            self.judge.told.waits.set(false);
            self.inner.start(head.status, head.length, &mut |put| {
                head.fields.0.iter().for_each(|(name, value)| put.put(name, value));
            })?;
        }
        while !self.judge.data.is_empty() && self.inner.room() > 0 {
            let take = self.inner.room().min(self.judge.data.len());
            let mark = self.inner.begin();
            self.inner.buffer().extend(self.judge.data.drain(..take));
            self.inner.end(mark);
        }
        if self.judge.whole && self.judge.data.is_empty() && !self.judge.finished {
            self.judge.finished = true;
            self.inner.finish(None);
        }
        Ok(())
    }
}

impl<A: Answer> Sink for JudgedAnswer<'_, '_, A> {
    fn room(&self) -> usize {
        match self.judge.head.is_some() {
            true => (HELD_BYTES + 1).saturating_sub(self.judge.data.len()),
            // What is looked at is not looked at again: one piece at a time.
            false if self.judge.data.is_empty() => self.inner.room(),
            false => 0,
        }
    }

    fn begin(&mut self) -> usize {
        self.judge.data.len()
    }

    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.judge.data
    }

    fn end(&mut self, mark: usize) {
        self.judge.take(mark);
        // Put, and not sent: what comes with the end of an answer is judged and recorded before the last byte leaves (P7).
        if self.judge.head.is_none() && !self.judge.is_broken() {
            // With no head to give, nothing can go wrong.
            let _ = self.pump();
        }
    }

    fn finish(&mut self, _: Option<Fields<'_>>) {
        self.judge.end();
        if !self.judge.is_broken() {
            self.judge.told.waits.set(false);
        }
    }

    fn is_flushed(&self) -> bool {
        if self.judge.is_broken() {
            return false;
        }
        self.judge.waits()
            || (self.judge.head.is_none()
                && self.judge.data.is_empty()
                && self.judge.whole == self.judge.finished
                && self.inner.is_flushed())
    }

    fn ahead(&self) -> usize {
        self.inner.ahead()
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransferError>> {
        loop {
            if self.judge.is_broken() {
                return Poll::Ready(Err(TransferError::Reset));
            }
            if self.judge.waits() {
                return Poll::Ready(Ok(()));
            }
            self.pump()?;
            match self.inner.poll_flush(cx) {
                Poll::Ready(Ok(())) if self.is_flushed() => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => {}
                other => return other,
            }
        }
    }
}

impl<A: Answer> Answer for JudgedAnswer<'_, '_, A> {
    fn start(
        &mut self,
        status: u16,
        length: Length,
        fields: &mut dyn FnMut(&mut dyn Put),
    ) -> Result<(), TransferError> {
        let mut kept = Kept::default();
        fields(&mut kept);
        self.judge.begin(status, &kept);
        self.judge.head = Some(Start { status, length, fields: kept });
        match self.judge.holds {
            true => Ok(()),
            false => self.pump(),
        }
    }

    fn interim(&mut self, status: u16, fields: &mut dyn FnMut(&mut dyn Put)) {
        self.inner.interim(status, fields);
    }

    fn close_after(&mut self) {
        self.inner.close_after();
    }

    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.inner.poll_left(cx)
    }
}
