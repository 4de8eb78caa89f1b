//! The REST face of a SOAP service: a call as callers make it, carried out as the service wants it.
//!
//! The request is read, checked and made an envelope before the service hears of it; so nothing wrong is sent, and what
//! was sent can be sent again where that is safe. One that is too large to be held goes up while it comes in ([`sending`]): the
//! service has nothing to act on until its last byte was seen to be right. The answer is turned while it comes ([`reply`]).
//! What is JSON or XML of what is the contract's affair; here is what HTTP says about it.

mod forms;
mod given;
mod parts;
mod problem;
mod reply;
mod sending;

use std::rc::Rc;

use pasarela_contract::soap::SoapContract;
use pasarela_model::{Api, Code, Mtom};
use pasarela_net::{
    http1::{Head, Name, Version},
    transfer::Piece,
};
use pasarela_soap::{
    Fault, FaultKind, Limits,
    exchange::{Form, Given, Messages},
    mime::Related,
    openapi::face::Method,
    wsdl::catalog::SoapVersion,
};

pub(super) use self::{reply::is_about_body, sending::Envelope};

use self::{
    reply::{Faced, Setting},
    sending::{Flow, HELD_BYTES, Sending},
};
use super::{Order, ahead::Reading};
use crate::{
    authorize::Permit,
    ctx::{Ctx, Instead, Told},
    downstream::Downstream,
    forward::forward,
    respond::Refusal,
    worker::{Worker, WorkerPlane},
};

/// Bytes of a request that are read at once.
const PIECE_BYTES: usize = 16 << 10;
/// Bytes of a request up to which it is read before anything is made of it.
const WINDOW_BYTES: usize = 64 << 10;

/// Carries a call of the REST face.
pub(crate) async fn call<'h, D: Downstream>(
    worker: &Worker,
    plane: &Rc<WorkerPlane>,
    permit: &Permit,
    mut order: Order<'h>,
    down: &mut D,
    head: &'h Head,
    ctx: &mut Ctx<'h>,
) -> Result<(), Refusal> {
    let index = permit.target.api;
    let (api, runtime) = (&plane.snapshot.apis[index], &plane.apis[index]);
    let route = ctx.operation.zip(runtime.soap.as_deref());
    let route = route.and_then(|(operation, soap)| Some((soap, soap.route(operation)?)));
    let Some((soap, (bound, route, messages))) = route else {
        // `undeclared: pass` is of no use here: nobody knows what to make of it.
        let why = "nothing in the API's contract has this path";
        return Err(Refusal::new(Code::NoSuchOperation, why));
    };
    let (answered, beside) = forms::of_answer(head, messages)?;
    let related = parts::of_request(head)?;
    let asked = match related {
        Some(_) => Some(Form::Json),
        None => forms::of_request(head, messages)?,
    };
    let path = ctx.path.get(permit.target.rest..).unwrap_or_default();
    let given = given::read(
        route,
        path,
        ctx.query,
        api.contract.as_ref().is_some_and(|contract| contract.rest.ignore_unknown),
    )?;
    let limits = limits(order.pace.most);
    let sent = given::borrowed(&given, &route.parameters, &bound.tokens);
    let asking = Asking {
        soap,
        messages,
        given: &sent,
        related,
        form: asked.filter(|_| route.method.has_body()),
        limits: &limits,
        mtom: match api.contract.as_ref().map(|contract| contract.rest.mtom) {
            None | Some(Mtom::Auto) => messages.mtom,
            Some(wanted) => wanted == Mtom::On,
        },
    };
    let (sending, media) = asking.made(&mut order, down, ctx).await?;
    let service = service_head(head, messages, media);
    order.framing = sending.framing();
    order.again = route.method == Method::Get;
    // A message has no tunnel and no trailers, whatever the caller would like.
    (order.upgrade, order.trailers) = (None, false);
    let mut permit = *permit;
    permit.target.soap = true;
    ctx.query = None;
    let told = Rc::new(Told { instead: Some(Instead::default()), ..Told::default() });
    ctx.told = Some(Rc::clone(&told));
    let setting = Setting {
        soap,
        messages,
        route,
        form: answered,
        beside,
        random: parts::unforeseen(),
        head_only: head.method() == "HEAD",
        fault_type: fault_type(api, &bound.name),
        instance: format!("urn:pasarela:request:{}", ctx.id.as_str()),
        languages: head.find("accept-language").map(<[u8]>::to_vec).unwrap_or_default(),
        limits,
        told,
    };
    let mut faced = Faced::new(down, sending, setting);
    let carried = forward(worker, plane, &permit, &order, &mut faced, &service, ctx).await;
    let (wrong, trouble) = (faced.wrong(), faced.trouble());
    let told = ctx.told.take();
    if let (Some(instead), Ok(())) =
        (told.as_ref().and_then(|told| told.instead.as_ref()), &carried)
    {
        ctx.status = instead.status.get();
    }
    match (carried, trouble) {
        // The caller is to blame: nothing is held against the service.
        (Err(refusal), _) if wrong.is_some() => Err(wrong.unwrap_or(refusal)),
        (Err(_), Some(trouble)) => {
            worker
                .observer
                .metrics
                .upstream_failed(runtime.slot, crate::observe::UpstreamFailure::Invalid);
            Err(trouble)
        }
        (carried, _) => carried,
    }
}

/// What a request is made by.
struct Asking<'c, 'p> {
    soap: &'p SoapContract,
    messages: &'p Messages,
    given: &'c [Given<'c>],
    related: Option<Related>,
    /// The form of the body; none where there may be no body.
    form: Option<Form>,
    limits: &'c Limits,
    mtom: bool,
}

impl<'p> Asking<'_, 'p> {
    /// Reads the body, and makes the envelope of it, or as much of it as may be held; and its `Content-Type` where it is in parts.
    async fn made<D: Downstream>(
        self,
        order: &mut Order<'_>,
        down: &mut D,
        ctx: &mut Ctx<'_>,
    ) -> Result<(Sending<'p>, Option<String>), Refusal> {
        let mut reading = Reading::begin(down, order, 0).await?;
        let mut body = Vec::new();
        let ended = reading.up_to(WINDOW_BYTES, &mut body, ctx).await?;
        if !body.is_empty() && self.form.is_none() {
            let why = "the body is neither JSON nor XML; say which in Content-Type";
            return Err(Refusal::new(Code::MediaUnsupported, why));
        }
        let form = self.form.unwrap_or(Form::Json);
        if form == Form::Xml && !self.given.is_empty() {
            let why = "parameters and a body in XML do not go together; send JSON";
            return Err(Refusal::new(Code::MediaUnsupported, why));
        }
        let wrong = |fault: Box<Fault>| refused(&fault, form);
        let flows = !ended && self.related.is_none() && (form == Form::Xml || !self.mtom);
        let making = match flows {
            true => {
                let plan = &self.soap.plan;
                let making = self.messages.making(plan, form, self.given, &body, self.limits);
                making.map_err(wrong)?
            }
            false => None,
        };
        let Some(mut making) = making else {
            if !ended {
                reading.up_to(usize::MAX, &mut body, ctx).await?;
            }
            return self.whole(form, &body).map_err(wrong);
        };
        let mut received = body.len() as u64;
        let mut piece = body;
        while making.pending() <= HELD_BYTES {
            piece.clear();
            let ended = reading.next(&mut piece, PIECE_BYTES).await? == Piece::End;
            received += piece.len() as u64;
            ctx.bytes_in = received;
            making.feed(&piece).map_err(wrong)?;
            if ended {
                let mut envelope = Vec::with_capacity(making.pending() + 512);
                making.finish(&mut envelope).map_err(wrong)?;
                return Ok((Sending::Whole(envelope), None));
            }
        }
        Ok((Sending::Flowing(Box::new(Flow::new(making, form, received))), None))
    }

    /// The envelope of a body that is here as a whole.
    fn whole(self, form: Form, body: &[u8]) -> Result<(Sending<'p>, Option<String>), Box<Fault>> {
        let Self { soap, messages, given, related, limits, mtom, .. } = self;
        let (envelope, media) = match form {
            Form::Json => {
                let random = parts::unforeseen();
                let call =
                    parts::Call { soap, messages, given, related, body, limits, random, mtom };
                call.message()?
            }
            Form::Xml => {
                let mut envelope = Vec::with_capacity(512 + body.len() * 2);
                messages.request(&soap.plan, form, given, body, limits, &mut envelope)?;
                (envelope, None)
            }
        };
        Ok((Sending::Whole(envelope), media))
    }
}

/// What one message may cost. Bytes are counted where they arrive.
fn limits(most: u64) -> Limits {
    Limits { document_bytes: most.max(1).saturating_mul(2), ..Limits::default() }
}

/// What is answered to a request that is not what the contract says.
fn refused(fault: &Fault, form: Form) -> Refusal {
    if fault.kind == FaultKind::Encoding {
        return Refusal::new(Code::MediaUnsupported, fault.message.clone());
    }
    let mut detail = fault.message.clone();
    if let Some(cure) = &fault.cure {
        detail = format!("{detail}; {cure}");
    }
    let refusal = Refusal::new(Code::ContractBroken, detail);
    let pointer = match form {
        Form::Json => Some(fault.path.clone()),
        Form::Xml => None,
    };
    refusal.broken(pointer, fault.rule)
}

/// The head of the request to the service: what it should know of the caller's, and how the message is to be read.
fn service_head(head: &Head, messages: &Messages, in_parts: Option<String>) -> Head {
    let mut service = Head::default();
    service.start_request("POST", b"/", Version::Http11);
    for (id, name, value) in head.fields() {
        // What is said of the caller's body and answer is not said of the service's.
        let about_body = is_about_message(name);
        let ours = matches!(id, Name::SoapAction | Name::Expect) || id.is_hop_by_hop();
        if !about_body && !ours {
            service.push(name, value);
        }
    }
    let media = messages.version.media_type();
    let (kind, action) = match messages.version {
        SoapVersion::V11 => (format!("{media}; charset=utf-8"), Some(&messages.action)),
        SoapVersion::V12 if messages.action.is_empty() => (format!("{media}; charset=utf-8"), None),
        SoapVersion::V12 => {
            (format!("{media}; charset=utf-8; action=\"{}\"", quoted(&messages.action)), None)
        }
    };
    service.push(b"Content-Type", in_parts.unwrap_or(kind).as_bytes());
    if let Some(action) = action {
        service.push(b"SOAPAction", format!("\"{}\"", quoted(action)).as_bytes());
    }
    let accept = format!("{media}, multipart/related, application/xop+xml");
    service.push(b"Accept", accept.as_bytes());
    service.push(b"Accept-Encoding", b"identity");
    service
}

/// Whether a field speaks of the message that came, or of the answer that is wanted.
pub(super) fn is_about_message(name: &[u8]) -> bool {
    [&b"content-"[..], b"accept", b"if-"].iter().any(|prefix| starts_with(name, prefix))
        || [&b"range"[..], b"prefer", b"mime-version"].iter().any(|n| name.eq_ignore_ascii_case(n))
}

/// An action as it may stand between quotes in a field. An URI has none of what is left out.
fn quoted(action: &str) -> String {
    action.chars().filter(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\')).collect()
}

fn starts_with(name: &[u8], prefix: &[u8]) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// What the types of an operation's faults begin with.
fn fault_type(api: &Api, operation: &str) -> String {
    format!("urn:pasarela:fault:{}:v{}:{operation}", api.name, api.version)
}
