//! Calls that do not come over a connection: what whoever took a message elsewhere (by mail) asks of a worker.
//!
//! Such a call is an exchange like any other: it takes the same steps, is limited, counted and recorded with them, and a service
//! cannot tell it from one that came over HTTP. Only its beginning and its end are values. Who sends it was found out before; an
//! application that is gone since is nobody.

use std::{
    net::SocketAddr,
    rc::Rc,
    task::{Context, Poll},
};

use pasarela_model::{Code, HostPattern};
use pasarela_net::{
    conn::{Conn, Pace},
    http1::{Fields, Framing, Head, Version},
    transfer::{Piece, Sink, Source, TransferError},
};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    ctx::{Ctx, Origin},
    downstream::{Answer, Body, Downstream, Kept, Length, Put},
    identify::{By, Known, Shown, Unknown},
    observe::{Listener, Protocol},
    request,
    worker::{Phase, Worker},
};

/// Bytes of an answer that are kept; more is no answer to a letter.
const ANSWER_BYTES: usize = 32 << 20;
/// Bytes that are taken of it at a time.
const PIECE_BYTES: usize = 64 << 10;

/// A message for the SOAP face of an API.
#[derive(Debug)]
pub struct Call {
    /// The API's name and major version.
    pub api: (String, u32),
    /// `Content-Type`.
    pub media: String,
    /// `SOAPAction`, without quotes.
    pub action: Option<String>,
    /// `Idempotency-Key`: the same each time the same message is tried.
    pub key: String,
    /// The message.
    pub body: Vec<u8>,
    /// The name of the application that proved to send it.
    pub application: Option<String>,
    /// Where it came from.
    pub client: SocketAddr,
}

/// What became of a call.
#[derive(Debug, Default)]
pub struct Answered {
    /// The answer's status; 0 where there is none.
    pub status: u16,
    /// Its `Content-Type`.
    pub media: Option<String>,
    /// Its `Retry-After`, seconds.
    pub retry_after: Option<u64>,
    /// Its body.
    pub body: Vec<u8>,
    /// The answer is not whole.
    pub broken: bool,
    /// Our own word for what went wrong; a service's fault has one too ([`Code::ServiceFault`]).
    pub problem: Option<Code>,
    /// The name of the application whose call it turned out to be.
    pub application: Option<String>,
}

type Asked = (Call, oneshot::Sender<Answered>);

/// Where calls are made.
#[derive(Debug, Clone)]
pub struct Caller(mpsc::Sender<Asked>);

/// What a worker takes them from.
#[derive(Debug)]
pub struct Calls(mpsc::Receiver<Asked>);

/// Both ends; at most `waiting` calls wait for the worker.
pub fn pair(waiting: usize) -> (Caller, Calls) {
    let (send, receive) = mpsc::channel(waiting.max(1));
    (Caller(send), Calls(receive))
}

impl Caller {
    /// Makes a call; `None` when the worker is on its way out, and nobody knows what became of it.
    pub async fn call(&self, call: Call) -> Option<Answered> {
        let (answer, answered) = oneshot::channel();
        self.0.send((call, answer)).await.ok()?;
        answered.await.ok()
    }
}

/// Serves calls until the phase changes; those under way are finished.
pub(crate) async fn run(worker: Rc<Worker>, mut calls: Calls, mut phases: watch::Receiver<Phase>) {
    loop {
        let asked = tokio::select! {
            biased;
            _ = phases.wait_for(|phase| *phase != Phase::Serving) => return,
            asked = calls.0.recv() => asked,
        };
        let Some((call, answer)) = asked else { return };
        let open = worker.opened();
        let worker = Rc::clone(&worker);
        tokio::task::spawn_local(async move {
            let _guard = open;
            // Whoever asked may have stopped waiting.
            let _ = answer.send(serve(&worker, call).await);
        });
    }
}

async fn serve(worker: &Rc<Worker>, call: Call) -> Answered {
    let Some(head) = head(worker, &call) else {
        return Answered { problem: Some(Code::NoSuchApi), ..Answered::default() };
    };
    let origin = Origin {
        listener: Listener::Smtp,
        peer: call.client,
        tls: false,
        server_name: None,
        peer_certificate: None,
    };
    let mut down = Inside { body: call.body, given: 0, answer: Taken::default() };
    let mut ctx = Ctx::begin(worker, &head, &origin, Protocol::Smtp);
    ctx.shown = Some(proved(&ctx, call.application.as_deref()));
    request::serve(worker, &mut down, &head, &mut ctx).await;
    let applications = &ctx.plane.snapshot.applications;
    let application = ctx.application.and_then(|index| applications.get(index));
    let application = application.map(|application| application.name.clone());
    let Taken { status, fields, bytes, whole, .. } = down.answer;
    let field = |name| {
        let value = fields.find_all(name).next()?;
        String::from_utf8(value.to_vec()).ok()
    };
    Answered {
        status,
        media: field("content-type"),
        retry_after: field("retry-after").and_then(|value| value.parse().ok()),
        broken: !whole,
        problem: ctx.problem,
        application,
        body: bytes,
    }
}

/// Whose it is, as `identify` would have found out.
fn proved(ctx: &Ctx<'_>, name: Option<&str>) -> Shown {
    let plane = &ctx.plane;
    let Some(name) = name else { return Ok(None) };
    let found = plane.snapshot.applications.iter().position(|one| one.name == name);
    let Some(application) = found else { return Ok(None) };
    match plane.sources.allow(application, ctx.place()) {
        true => Ok(Some(Known { application, by: By::Mail, signed: None })),
        false => Err(Unknown::Place(By::Mail)),
    }
}

/// The head that a request to the API's SOAP face has; `None` where there is no such API any more.
fn head(worker: &Worker, call: &Call) -> Option<Head> {
    let plane = worker.plane();
    let (name, version) = &call.api;
    let api =
        plane.snapshot.apis.iter().find(|api| api.name == *name && api.version == *version)?;
    let mut head = Head::default();
    let target = format!("{}/soap", api.base_path);
    head.start_request("POST", target.as_bytes(), Version::Http11);
    let host = match &api.host {
        None => "localhost".to_owned(),
        Some(HostPattern::Exact(host)) => host.clone(),
        Some(HostPattern::Wildcard(suffix)) => format!("mail.{suffix}"),
    };
    head.push(b"Host", host.as_bytes());
    head.push(b"Content-Type", call.media.as_bytes());
    head.push(b"Content-Length", call.body.len().to_string().as_bytes());
    if let Some(action) = &call.action {
        head.push(b"SOAPAction", format!("\"{action}\"").as_bytes());
    }
    head.push(b"Idempotency-Key", call.key.as_bytes());
    for demanded in &api.headers {
        head.push(demanded.name.as_bytes(), demanded.value.as_bytes());
    }
    Some(head)
}

/// The caller's side: a message that is there, and an answer that is kept.
struct Inside {
    body: Vec<u8>,
    given: usize,
    answer: Taken,
}

#[derive(Default)]
struct Taken {
    status: u16,
    fields: Kept,
    bytes: Vec<u8>,
    whole: bool,
    large: bool,
}

impl Downstream for Inside {
    type Source<'a> = Given<'a>;
    type Answer<'a> = &'a mut Taken;

    fn framing(&self) -> Framing {
        Framing::Length(self.body.len() as u64)
    }

    fn halves(&mut self, _: Pace) -> (Given<'_>, &mut Taken) {
        (Given { body: &self.body, given: &mut self.given }, &mut self.answer)
    }

    fn is_answered(&self) -> bool {
        self.answer.status != 0
    }

    fn abort(&mut self) {
        self.answer.whole = false;
    }

    fn take_tunnel(&mut self) -> Option<Conn> {
        None
    }
}

struct Given<'a> {
    body: &'a [u8],
    given: &'a mut usize,
}

impl Source for Given<'_> {
    fn poll_data(
        &mut self,
        _: &mut Context<'_>,
        out: &mut Vec<u8>,
        most: usize,
    ) -> Poll<Result<Piece, TransferError>> {
        let left = self.body.get(*self.given..).unwrap_or_default();
        let piece = left.get(..most).unwrap_or(left);
        if left.is_empty() {
            return Poll::Ready(Ok(Piece::End));
        }
        out.extend_from_slice(piece);
        *self.given += piece.len();
        Poll::Ready(Ok(Piece::Data(piece.len())))
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn trailers(&self) -> Option<Fields<'_>> {
        None
    }
}

impl Body for Given<'_> {
    fn poll_gone(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Sink for &mut Taken {
    fn room(&self) -> usize {
        if self.large { 0 } else { PIECE_BYTES }
    }

    fn begin(&mut self) -> usize {
        self.bytes.len()
    }

    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    fn end(&mut self, _: usize) {
        if self.bytes.len() > ANSWER_BYTES {
            (self.large, self.bytes) = (true, Vec::new());
        }
    }

    fn finish(&mut self, _: Option<Fields<'_>>) {
        self.whole = !self.large;
    }

    fn is_flushed(&self) -> bool {
        !self.large
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransferError>> {
        match self.large {
            true => Poll::Ready(Err(TransferError::TooLarge)),
            false => Poll::Ready(Ok(())),
        }
    }
}

impl Answer for &mut Taken {
    fn start(
        &mut self,
        status: u16,
        _: Length,
        fields: &mut dyn FnMut(&mut dyn Put),
    ) -> Result<(), TransferError> {
        self.status = status;
        fields(&mut self.fields);
        Ok(())
    }

    fn interim(&mut self, _: u16, _: &mut dyn FnMut(&mut dyn Put)) {}
}
