//! A SOAP request held against its contract before any of it goes on.
//!
//! What is enforced has to be there as a whole: once a service has a message, nothing takes it back. What is only
//! reported is looked at in the same way, so that the report says what enforcing would do.

use pasarela_contract::soap::SoapContract;
use pasarela_model::{Check, Code};
use pasarela_net::{http1::Head, transfer::Piece};
use pasarela_soap::{
    Limits,
    envelope::{self, Checker},
    mime::{self, Related, Whole},
    xml::Reader,
};

use super::{
    Order,
    action::Stated,
    ahead::{Ahead, Reading},
    opening::refused,
};
use crate::{
    ctx::Ctx, downstream::Downstream, observe::Direction, plane::Plane, respond::Refusal,
    worker::Worker,
};

/// Bytes read at once.
const PIECE_BYTES: usize = 64 << 10;
/// Bytes of what is wrong that go into a log.
const SHOWN_BYTES: usize = 400;

/// Reads the rest of a request and looks at it as its API's configuration says. A message without a named operation
/// has no contract.
pub(crate) async fn check_request<D: Downstream>(
    worker: &Worker,
    plane: &Plane,
    contract: &SoapContract,
    (order, ahead): (&mut Order<'_>, &mut Ahead),
    down: &mut D,
    head: &Head,
    ctx: &Ctx<'_>,
) -> Result<(), Refusal> {
    let Some((api, operation)) = ctx.api.zip(ctx.operation) else { return Ok(()) };
    let check = plane.snapshot.apis[api].checks.requests;
    if check == Check::Off {
        return Ok(());
    }
    let limits = Limits::default();
    if !read_on(down, order, ahead, limits.document_bytes).await? {
        if check == Check::Report {
            return Ok(());
        }
        let most = limits.document_bytes;
        let detail = format!("a message that is checked may have {most} bytes");
        return Err(Refusal::new(Code::BodyTooLarge, detail));
    }
    let Err(why) = look(contract, operation, head, &ahead.bytes, &limits) else { return Ok(()) };
    worker.observer.metrics.message_invalid(plane.apis[api].slot, Direction::Request);
    if check == Check::Enforce {
        return Err(why);
    }
    report(&plane.snapshot.apis[api].name, ctx, Direction::Request, &why.detail);
    Ok(())
}

/// Tells the log of a message that goes on although it should not.
pub(crate) fn report(api: &str, ctx: &Ctx<'_>, direction: Direction, why: &str) {
    let end = why.char_indices().nth(SHOWN_BYTES).map_or(why.len(), |(at, _)| at);
    let why = why.get(..end).unwrap_or_default();
    let direction = direction.name();
    tracing::info!(
        api,
        request = ctx.id.as_str(),
        direction,
        why,
        "a message is not what the contract says"
    );
}

/// Reads to the end. False when there is more than may be held.
pub(super) async fn read_on<D: Downstream>(
    down: &mut D,
    order: &mut Order<'_>,
    ahead: &mut Ahead,
    most: u64,
) -> Result<bool, Refusal> {
    let mut reading = Reading::begin(down, order, ahead.bytes.len()).await?;
    while !ahead.ended {
        if ahead.bytes.len() as u64 > most {
            return Ok(false);
        }
        match reading.next(&mut ahead.bytes, PIECE_BYTES).await? {
            Piece::Data(_) => {}
            Piece::End => ahead.ended = true,
        }
    }
    Ok(ahead.bytes.len() as u64 <= most)
}

fn look(
    contract: &SoapContract,
    operation: usize,
    head: &Head,
    bytes: &[u8],
    limits: &Limits,
) -> Result<(), Refusal> {
    let Some(expected) = contract.bound.get(operation).map(|bound| &bound.request) else {
        return Ok(());
    };
    let media = Stated::read(head)?.media;
    let related = Related::read(&media).map_err(|why| Refusal::new(Code::MediaUnsupported, why))?;
    let whole = match &related {
        None => None,
        Some(related) => {
            // How large it may be was seen to already.
            let limits = mime::Limits { bytes: u64::MAX, ..mime::Limits::default() };
            let whole = Whole::read(related, limits, bytes);
            Some(whole.map_err(|why| invalid(&why.into()))?)
        }
    };
    let (envelope, charset) = match &whole {
        None => (bytes, media.parameter("charset")),
        Some(whole) => (whole.root.as_slice(), None),
    };
    let symbols = &contract.plan.schemas().symbols;
    let mut reader =
        Reader::with(envelope, charset, symbols, limits).map_err(|why| invalid(&why.into()))?;
    let checker = Checker::new(contract.plan.schemas(), expected);
    let checked = match &whole {
        None => checker.whole(&mut reader),
        Some(whole) => checker.whole_in_parts(&mut reader, whole),
    };
    checked.map_err(|why| invalid(&why))
}

/// What is answered: the sender is told what is wrong and where.
fn invalid(why: &envelope::Refusal) -> Refusal {
    match why.fault.kind {
        pasarela_soap::FaultKind::Invalid => {
            Refusal::new(Code::ContractBroken, why.fault.to_string())
        }
        _ => refused(why),
    }
}
