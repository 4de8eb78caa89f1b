//! What is done for somebody who is nobody yet: his message is heard out before he is told that nothing is there.
//!
//! A partner's API with WS-Security knows its callers by what they send. Whoever it does not know must not tell it from an
//! address that nobody has, neither by when the answer comes nor by what half a message does. So where there is such an API,
//! what is sent to nothing is read to its end too, within the same bounds, and looked at as if it were for one of them.

use pasarela_model::Code;
use pasarela_net::{
    conn::Pace,
    http1::{Framing, Head},
};
use pasarela_soap::Limits;

use super::{
    Order,
    action::Stated,
    ahead::{Ahead, Replayed},
    checked::read_on,
    connection, expectation,
    opening::{find, opened},
    sender,
};
use crate::{
    ctx::Ctx,
    downstream::Downstream,
    identify::{Caller, Known},
    plane::Plane,
    respond::Refusal,
};

/// Whether a message to nobody is heard out.
pub(crate) fn hears(plane: &Plane, head: &Head) -> bool {
    !plane.unheard.is_empty() && head.method() == "POST"
}

/// Reads a message to its end, whoever it is for.
pub(crate) async fn hear<'d, 'h, D: Downstream>(
    plane: &Plane,
    down: &'d mut D,
    head: &'h Head,
    ctx: &mut Ctx<'_>,
) -> Result<(Order<'h>, Replayed<'d, D>), Refusal> {
    let limits = &plane.snapshot.limits;
    // As much as any of them takes: the bounds of one would tell it from the others and from nothing.
    let bytes = plane.unheard.iter().map(|api| plane.apis[*api].body_bytes).max().unwrap_or(0);
    let most = bytes.min(Limits::default().document_bytes);
    let framing = down.framing();
    let (dropped, _, trailers) = connection(head).unwrap_or_default();
    let mut order = Order {
        framing,
        pace: Pace {
            idle: limits.write_stall,
            rate: limits.body_rate_bytes,
            grace: limits.body_rate_grace,
            most: u64::MAX,
        },
        expects: expectation(head, framing).unwrap_or(false),
        upgrade: None,
        dropped,
        again: false,
        trailers,
        target: None,
    };
    let mut ahead = Ahead::default();
    let fits = !matches!(framing, Framing::Length(length) if length > most);
    if !fits || !read_on(down, &mut order, &mut ahead, most).await? {
        return Err(Refusal::no_api());
    }
    ctx.bytes_in = ahead.bytes.len() as u64;
    Ok((order, Replayed::new(down, ahead)?))
}

/// Hears somebody out where nothing is.
pub(crate) async fn nobody<'h, D: Downstream>(
    plane: &Plane,
    down: &mut D,
    head: &'h Head,
    ctx: &mut Ctx<'h>,
) -> Refusal {
    let (order, mut heard) = match hear(plane, down, head, ctx).await {
        Ok(heard) => heard,
        Err(refusal) => return refusal,
    };
    match look(plane, order, &mut heard, head, ctx).await {
        Err(refusal) if refusal.silent => refusal,
        _ => Refusal::no_api(),
    }
}

/// Looks whose a message is, as the API would that has such messages. What comes of it is nobody's to know.
async fn look<'h, D: Downstream>(
    plane: &Plane,
    mut order: Order<'h>,
    down: &mut D,
    head: &'h Head,
    ctx: &mut Ctx<'h>,
) -> Result<(), Refusal> {
    let stated = Stated::read(head)?;
    let (opening, mut ahead) = opened(&stated, &mut order, down, head).await?;
    let takes = |api: &&usize| {
        let contract = plane.apis[**api].soap.as_ref();
        contract.is_some_and(|contract| find(contract, false, &stated, &opening).is_ok())
    };
    let api = plane.unheard.iter().find(takes);
    let Some(policy) = api.and_then(|api| plane.apis[*api].security.as_ref()) else {
        return Err(Refusal::new(Code::NoSuchOperation, "no contract has such a message"));
    };
    let by_key = match ctx.shown {
        Some(Ok(Some(Known { application, .. }))) => Caller::Application(application),
        _ => Caller::Anonymous,
    };
    let read = (&mut order, &mut ahead);
    sender(plane, policy, read, by_key, down, head, ctx).await?;
    // It is nobody's call.
    ctx.application = None;
    Ok(())
}
