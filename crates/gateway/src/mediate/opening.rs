//! Reading a SOAP message until it has said what it is about, before it goes anywhere.
//!
//! Nothing of the body is changed: what was read is sent on as it came, and what follows is streamed.

use std::{future::poll_fn, task::Poll};

use pasarela_model::Code;
use pasarela_net::{
    http1::Head,
    transfer::{Piece, Sink as _, Source},
};
use pasarela_soap::{
    Fault, FaultKind, Limits, Symbols,
    envelope::{self, Envelope, Opener, Progress},
    mime::Related,
    wsdl::catalog::SoapVersion,
    xml::{Event, Reader},
};

use super::{Order, action::Stated, ahead::Ahead, dispatch::SoapOperations, related::Root};
use crate::{
    ctx::{Ctx, Spoken},
    downstream::{Answer, Downstream},
    forward::caller_fault,
    respond::Refusal,
};

/// Bytes in which a message has to say what it is about: its header may hold certificates and
/// signatures, but not documents.
const OPENING_BYTES: usize = 1 << 20;
/// Bytes read at once.
const PIECE_BYTES: usize = 16 << 10;

/// Reads as much of the body as it takes, and notes the operation.
pub(crate) async fn open<D: Downstream>(
    table: &SoapOperations,
    order: &mut Order<'_>,
    down: &mut D,
    head: &Head,
    ctx: &mut Ctx<'_>,
) -> Result<Ahead, Refusal> {
    let stated = Stated::read(head)?;
    let mut message = Message::new(head, &stated)?;
    let (mut source, mut answer) = down.halves(order.pace);
    if std::mem::take(&mut order.expects) {
        // T4: whoever calls was admitted, and has to send for us to know what it calls.
        answer.interim(100, &mut |_| {});
        poll_fn(|cx| answer.poll_flush(cx)).await.map_err(|_| Refusal::gone())?;
    }
    let mut ahead = Ahead::default();
    let opening = loop {
        let before = ahead.bytes.len();
        let piece = poll_fn(|cx| {
            let piece = source.poll_data(cx, &mut ahead.bytes, PIECE_BYTES);
            match piece {
                Poll::Pending => answer.poll_left(cx).map(|()| None),
                Poll::Ready(piece) => Poll::Ready(Some(piece)),
            }
        });
        let piece = piece.await.ok_or_else(Refusal::gone)?;
        let opening = match piece.map_err(|error| caller_fault(&error))? {
            Piece::Data(_) => message.take(ahead.bytes.get(before..).unwrap_or_default())?,
            Piece::End => {
                ahead.ended = true;
                Some(message.end()?)
            }
        };
        if let Some(opening) = opening {
            break opening;
        }
        if ahead.bytes.len() > OPENING_BYTES {
            let detail = format!("the body does not begin within {OPENING_BYTES} bytes");
            return Err(Refusal::new(Code::SoapInvalid, detail));
        }
    };
    ctx.spoken = Some(match opening.version {
        SoapVersion::V11 => Spoken::Soap11,
        SoapVersion::V12 => Spoken::Soap12,
    });
    ctx.operation = table.find(
        opening.body.as_ref(),
        stated.actions(),
        Some(opening.addressing.action.as_str()),
    )?;
    Ok(ahead)
}

/// The message as it comes in, alone or as the root part of several.
struct Message {
    related: Option<Root>,
    reader: Reader<'static>,
    opener: Option<Opener>,
}

impl Message {
    fn new(head: &Head, stated: &Stated) -> Result<Self, Refusal> {
        let coded = head
            .find_all("content-encoding")
            .any(|value| !value.is_empty() && !value.eq_ignore_ascii_case(b"identity"));
        if coded {
            return Err(unreadable(
                "a SOAP message is read here; send it without Content-Encoding",
            ));
        }
        let media = &stated.media;
        let related = Related::read(media)
            .map_err(|detail| Refusal::new(Code::MediaUnsupported, detail))?
            .map(|related| Root::new(&related));
        let charset = match related {
            // Each part has a charset of its own; XML tells it by itself.
            Some(_) => None,
            None => media.parameter("charset"),
        };
        let limits = Limits::default();
        let reader =
            Reader::streaming(charset, Symbols::none(), &limits).map_err(|fault| unread(&fault))?;
        Ok(Self { related, reader, opener: Some(Opener::new()) })
    }

    fn take(&mut self, bytes: &[u8]) -> Result<Option<Envelope>, Refusal> {
        let Some(root) = &mut self.related else {
            self.reader.feed(bytes).map_err(|fault| unread(&fault))?;
            return self.run();
        };
        let mut part = Vec::new();
        root.take(bytes, &mut part).map_err(|fault| unread(&fault))?;
        let whole = root.is_behind();
        self.reader.feed(&part).map_err(|fault| unread(&fault))?;
        match self.run()? {
            // What follows are attachments: whatever they hold, the envelope is over.
            None if whole => self.over().map(Some),
            opening => Ok(opening),
        }
    }

    fn end(&mut self) -> Result<Envelope, Refusal> {
        if let Some(root) = &mut self.related {
            let mut part = Vec::new();
            root.end(&mut part).map_err(|fault| unread(&fault))?;
            if !root.is_behind() {
                let detail = "no part of the message has the identifier that start names";
                return Err(Refusal::new(Code::SoapInvalid, detail));
            }
            self.reader.feed(&part).map_err(|fault| unread(&fault))?;
        }
        self.over()
    }

    fn over(&mut self) -> Result<Envelope, Refusal> {
        self.reader.finish().map_err(|fault| unread(&fault))?;
        self.run()?.ok_or_else(|| Refusal::new(Code::SoapInvalid, "the message has no body"))
    }

    fn run(&mut self) -> Result<Option<Envelope>, Refusal> {
        let Some(mut opener) = self.opener.take() else { return Ok(None) };
        loop {
            let event = self.reader.pull().map_err(|fault| unread(&fault))?;
            if event == Event::NeedMore {
                self.opener = Some(opener);
                return Ok(None);
            }
            let progress = opener.step(&self.reader, event).map_err(|refusal| refused(&refusal))?;
            if progress == Progress::Body {
                return Ok(Some(opener.into_envelope()));
            }
        }
    }
}

fn unreadable(detail: &'static str) -> Refusal {
    Refusal::new(Code::MediaUnsupported, detail)
}

/// What is answered when the bytes cannot be read as XML.
fn unread(fault: &Fault) -> Refusal {
    let code = match fault.kind {
        FaultKind::Encoding => Code::MediaUnsupported,
        _ => Code::SoapInvalid,
    };
    Refusal::new(code, fault.to_string())
}

/// What is answered when they are XML and no message.
fn refused(refusal: &envelope::Refusal) -> Refusal {
    let code = match refusal.code {
        envelope::Code::VersionMismatch => Code::SoapVersion,
        _ => Code::SoapInvalid,
    };
    Refusal::new(code, refusal.fault.to_string())
}
