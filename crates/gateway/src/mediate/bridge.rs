//! The SOAP face of a REST service: a message as callers send it, carried out as the service wants it.
//!
//! The message is read to its end, held against the WSDL that callers are served, and becomes a call of the operation that REST
//! callers call by its path: one operation, one number, one policy. A value that would make the call another one is refused. The
//! answer is read to its end too ([`reply`]): which part of a message comes first depends on all of it.

mod reply;

use std::{
    hash::{BuildHasher, RandomState},
    rc::Rc,
};

use pasarela_contract::{
    bridge::{Call, Mismatch, RestContract},
    described::{Described, Where},
    soap::Bound,
};
use pasarela_model::Code;
use pasarela_net::http1::{Framing, Head, Name, Version};
use pasarela_soap::{
    ExpandedName, FaultKind, Limits, envelope, envelope::addressing, exchange::Messages,
    mime::Related, wsdl::catalog::SoapVersion,
};

use self::reply::{Bridged, Setting};
use super::{
    Order,
    action::Stated,
    ahead::{Ahead, Reading},
    opening::{open, refused},
};
use crate::{
    authorize::{Permit, operation_known},
    ctx::{Ctx, Instead, Spoken, Told},
    downstream::Downstream,
    forward::forward,
    path,
    plane::Plane,
    respond::Refusal,
    spend::spend_when_read,
    worker::{Worker, WorkerPlane},
};

/// The operation that a message is for, as its contract describes it and as its number at the API.
pub(crate) async fn open_bridged<D: Downstream>(
    contract: &RestContract,
    order: &mut Order<'_>,
    down: &mut D,
    head: &Head,
    ctx: &mut Ctx<'_>,
) -> Result<(Ahead, usize), Refusal> {
    let opened = open(&contract.soap, order, down, head, ctx).await;
    // What was found is a number of the WSDL, and the API knows others.
    let found = ctx.operation.take();
    let ahead = opened?;
    if let Some(name) = &ahead.not_understood {
        let why = format!("the header block {name} has to be understood, and is not");
        return Err(Refusal::new(Code::HeaderNotUnderstood, why));
    }
    let described = found.and_then(|number| Some((number, contract.operation(number)?.0)));
    let Some((number, described)) = described else {
        // `undeclared: pass` is of no use here: nobody knows what to make of it.
        let why = "nothing in the API's contract has this name";
        return Err(Refusal::new(Code::NoSuchOperation, why));
    };
    ctx.operation = Some(described.number);
    Ok((ahead, number))
}

/// Carries a message whose beginning was read.
pub(crate) async fn carry_bridged<'h, D: Downstream>(
    worker: &Worker,
    plane: &Rc<WorkerPlane>,
    (permit, contract): (&Permit, &RestContract),
    (mut order, mut ahead, number): (Order<'h>, Ahead, usize),
    down: &mut D,
    head: &'h Head,
    ctx: &mut Ctx<'h>,
) -> Result<(), Refusal> {
    let permit = operation_known(plane, *permit, ctx)?;
    spend_when_read(worker, &permit, ctx).await?;
    let known = contract.operation(number).and_then(|(described, bound)| {
        let messages = bound.messages.as_ref().ok()?;
        Some((described, bound, messages))
    });
    let Some((described, bound, messages)) = known else {
        return Err(Refusal::new(Code::Internal, "an operation without messages"));
    };
    if !ahead.ended {
        let mut reading = Reading::begin(down, &mut order, ahead.bytes.len()).await?;
        ahead.ended = reading.up_to(usize::MAX, &mut ahead.bytes, ctx).await?;
    }
    ctx.bytes_in = ahead.bytes.len() as u64;
    let limits = limits(order.pace.most);
    let asked = Asked { contract, described, bound, messages, limits: &limits };
    let (call, in_parts) = asked.call(head, &ahead.bytes)?;
    let index = permit.target.api;
    leads_there(plane, &permit, described, &call, ctx)?;
    let service = service_head(head, &order, described, &call);
    let body = call.body.map(|(_, body)| body);
    order.framing = framing(described, body.as_deref());
    order.target = Some(match &call.query {
        Some(query) => format!("{}?{query}", call.path),
        None => call.path,
    });
    // A message has no tunnel and no trailers, and what was to be dropped is.
    (order.upgrade, order.trailers, order.expects) = (None, false, false);
    order.dropped.clear();
    let mut permit = permit;
    permit.target.soap = false;
    ctx.query = None;
    let told = Rc::new(Told { instead: Some(Instead::default()), ..Told::default() });
    ctx.told = Some(Rc::clone(&told));
    let setting = Setting {
        contract,
        described,
        messages,
        version: version(ctx),
        beside: in_parts.then(unforeseen),
        most: order.pace.most,
        told: Rc::clone(&told),
        limits,
    };
    let mut bridged = Bridged::new(down, body.unwrap_or_default(), order.framing, setting);
    let carried = forward(worker, plane, &permit, &order, &mut bridged, &service, ctx).await;
    let trouble = bridged.trouble();
    ctx.told = None;
    if let (Some(instead), Ok(())) = (&told.instead, &carried) {
        ctx.status = instead.status.get();
    }
    match (carried, trouble) {
        (Err(_), Some(trouble)) => {
            let failed = crate::observe::UpstreamFailure::Invalid;
            worker.observer.metrics.upstream_failed(plane.apis[index].slot, failed);
            Err(trouble)
        }
        (carried, _) => carried,
    }
}

/// What REST callers could not reach by this path, nobody reaches by way of a parameter (T8, T50).
fn leads_there(
    plane: &Plane,
    permit: &Permit,
    described: &Described,
    call: &Call,
    ctx: &Ctx<'_>,
) -> Result<(), Refusal> {
    let base = ctx.path.get(..permit.target.rest).unwrap_or_default();
    let whole = [base, &call.path].concat();
    let same = path::normalise(whole.as_bytes()).is_ok_and(|target| target.path == whole);
    let (api, number) = (permit.target.api, described.number);
    match same && plane.router.leads_to(api, &call.path, &call.method, number) {
        true => Ok(()),
        false => {
            let why = "a parameter of the path holds what a path cannot say";
            Err(Refusal::new(Code::ContractBroken, why))
        }
    }
}

fn framing(described: &Described, body: Option<&[u8]>) -> Framing {
    match body {
        Some(body) => Framing::Length(body.len() as u64),
        None if matches!(described.method.as_str(), "GET" | "HEAD" | "DELETE" | "OPTIONS") => {
            Framing::None
        }
        None => Framing::Length(0),
    }
}

/// A message that is there as a whole.
struct Asked<'c> {
    contract: &'c RestContract,
    described: &'c Described,
    bound: &'c Bound,
    messages: &'c Messages,
    limits: &'c Limits,
}

impl Asked<'_> {
    /// The call that it means, and whether it came in parts.
    fn call(&self, head: &Head, bytes: &[u8]) -> Result<(Call, bool), Refusal> {
        let media = Stated::read(head)?.media;
        let related = Related::read(&media);
        let related = related.map_err(|why| Refusal::new(Code::MediaUnsupported, why))?;
        let (plan, expected) = (&self.contract.soap.plan, &self.bound.request);
        let json = match &related {
            None => {
                let message = (bytes, media.parameter("charset"));
                self.messages.received(plan, expected, message, self.limits)
            }
            Some(related) => {
                self.messages.received_in_parts(plan, expected, (bytes, related), self.limits)
            }
        };
        let json = json.map_err(|why| invalid(&why))?;
        let made = self.contract.call(self.described, &json, unforeseen());
        let call = made.map_err(|Mismatch { pointer, why }| {
            Refusal::new(Code::ContractBroken, format!("at {pointer}: {why}"))
        })?;
        Ok((call, related.is_some()))
    }
}

/// What is answered: the sender is told what is wrong and where.
fn invalid(why: &envelope::Refusal) -> Refusal {
    match why.fault.kind {
        FaultKind::Invalid => Refusal::new(Code::ContractBroken, why.fault.to_string()),
        _ => refused(why),
    }
}

/// What one message may cost. Bytes are counted where they arrive.
fn limits(most: u64) -> Limits {
    Limits { document_bytes: most.max(1).saturating_mul(2), ..Limits::default() }
}

/// Bits that nobody who chose the message can have known.
fn unforeseen() -> u128 {
    let half = |_| u128::from(RandomState::new().hash_one(0));
    [(); 2].map(half).into_iter().fold(0, |all, half| all << 64 | half)
}

fn version(ctx: &Ctx<'_>) -> SoapVersion {
    match ctx.spoken {
        Some(Spoken::Soap12) => SoapVersion::V12,
        _ => SoapVersion::V11,
    }
}

/// Whether a header block that has to be understood is: addresses are read before anything else.
pub(super) fn is_understood(name: &ExpandedName) -> bool {
    [addressing::WSA, addressing::WSA2004].contains(&&*name.namespace)
}

/// The head of the call: what the service should know of the caller's, and what the contract says of the call.
fn service_head(head: &Head, order: &Order<'_>, described: &Described, call: &Call) -> Head {
    let mut service = Head::default();
    service.start_request(&call.method, b"/", Version::Http11);
    let declared = |name: &[u8]| {
        described.parameters.iter().any(|parameter| match parameter.place {
            // What the contract describes comes from the message alone.
            Where::Header => name.eq_ignore_ascii_case(parameter.wire.as_bytes()),
            Where::Cookie => name.eq_ignore_ascii_case(b"cookie"),
            Where::Path | Where::Query => false,
        })
    };
    for (id, name, value) in head.fields() {
        // What is said of the message is not said of the call.
        let about_body = super::face::is_about_message(name);
        let ours = matches!(id, Name::SoapAction | Name::Expect) || id.is_hop_by_hop();
        let dropped = order.dropped.iter().any(|token| name.eq_ignore_ascii_case(token));
        if !about_body && !ours && !dropped && !declared(name) {
            service.push(name, value);
        }
    }
    for (name, value) in &call.fields {
        service.push(name.as_bytes(), value.as_bytes());
    }
    if let Some((media, _)) = &call.body {
        service.push(b"Content-Type", media.as_bytes());
    }
    service.push(b"Accept", accept(described).as_bytes());
    service.push(b"Accept-Encoding", b"identity");
    service
}

/// What the contract describes as answers, good ones first.
fn accept(described: &Described) -> String {
    let good = described.answers.iter().filter_map(|answer| answer.body.as_ref());
    let good = good.map(|(content, _)| content.media.as_str());
    let faults = described.faults.iter().map(|fault| fault.body.media.as_str());
    let mut all: Vec<&str> = Vec::new();
    for media in good.chain(faults).chain(["application/problem+json"]) {
        // A text that could stand for anything stands for anything.
        if !all.contains(&media) && media.bytes().all(|b| b.is_ascii_graphic() && b != b',') {
            all.push(media);
        }
    }
    all.push("*/*;q=0.1");
    all.join(", ")
}
