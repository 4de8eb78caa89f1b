//! One exchange, from a parsed request head to the last byte of its answer. Read this first.
//!
//! Each step is a file with the same name as the verb. A step either goes on or refuses; refusals
//! leave by one door ([`crate::respond`]), and every exchange, good or bad, passes the other
//! ([`crate::record`]) once.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    task::Poll,
};

use pasarela_contract::soap::SoapContract;
use pasarela_model::Code;
use pasarela_net::http1::Head;

use crate::{
    admit::{admit, has_room},
    authorize::{Permit, authorize, may_read, may_see, operation_known},
    ctx::Ctx,
    downstream::Downstream,
    forward::forward,
    identify::{Caller, identify},
    mediate, oauth,
    observe::Direction,
    respond,
    respond::Refusal,
    route::{Routed, Target, route},
    spend::spend_when_read,
    worker::{Worker, WorkerPlane},
};

/// Carries one exchange through the gateway, and answers and records it whatever happens.
pub(crate) async fn serve<'h, D: Downstream>(
    worker: &Worker,
    down: &mut D,
    head: &'h Head,
    ctx: &mut Ctx<'h>,
) {
    // In a block of its own, so that what it borrowed is free for a refusal.
    let carried = {
        let exchange = pin!(carry(worker, down, head, ctx));
        contained(exchange).await
    };
    let carried = carried.unwrap_or_else(|| {
        tracing::error!(request = ctx.id.as_str(), "an exchange panicked");
        Err(Refusal::new(Code::Internal, "the gateway failed at this request; it is not repeated"))
    });
    if let Err(refusal) = carried {
        // Its place, if it has one still, is somebody else's while it is told.
        ctx.held = None;
        respond::refuse(worker, down, head, ctx, refusal).await;
    }
    ctx.record(worker, head);
}

/// Runs a future; `None` if it panics. A bug that one request finds may cost that request and
/// nothing else (T59). What the future had borrowed is as it was left: whoever goes on with it
/// must not rely on more than that.
///
/// It is given pinned: an `async fn` keeps what it is given by value a second time for as long as it waits, and a
/// connection keeps the room for all of this while it is idle.
async fn contained<T>(mut future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(done)) => Poll::Ready(Some(done)),
        Err(_) => Poll::Ready(None),
    })
    .await
}

async fn carry<'h, D: Downstream>(
    worker: &Worker,
    down: &mut D,
    head: &'h Head,
    ctx: &mut Ctx<'h>,
) -> Result<(), Refusal> {
    has_room(worker)?;
    let plane = Rc::clone(&ctx.plane);
    let target = match route(&plane, head, ctx) {
        Ok(Routed::Call(target)) => target,
        // Where some may be known by what they send, everybody is heard out before it is said that nothing is there.
        Err(refusal) if refusal.code == Code::NoSuchApi && mediate::hears(&plane, head) => {
            return Err(Box::pin(mediate::nobody(&plane, down, head, ctx)).await);
        }
        Err(refusal) => return Err(refusal),
        Ok(Routed::Office(door)) => {
            return Box::pin(oauth::exchange(worker, &plane, door, down, head, ctx)).await;
        }
        Ok(Routed::Contract(api, page)) => {
            let caller = identify(&plane, api, head, ctx)?;
            may_read(&plane, api, &caller, ctx)?;
            return respond::contract(worker, down, head, ctx, &plane, (api, page)).await;
        }
    };
    worker.soon(&plane, target.api);
    let caller = identify(&plane, target.api, head, ctx)?;
    if target.soap && plane.apis[target.api].security.is_some() {
        // Boxed, as all that few exchanges need.
        return Box::pin(carry_signed(worker, &plane, &target, caller, down, head, ctx)).await;
    }
    let permit = authorize(&plane, &target, caller, ctx)?;
    admit(worker, &permit, down, ctx).await?;
    let mut order = mediate::request(&plane, target.api, down.framing(), head)?;
    if let Some(covered) = ctx.signed()
        && !order.framing.is_empty()
    {
        return Box::pin(async {
            let mut held = mediate::hold(&mut order, covered, down, head, ctx).await?;
            carry_on(worker, &plane, permit, order, &mut held, head, ctx).await
        })
        .await;
    }
    carry_on(worker, &plane, permit, order, down, head, ctx).await
}

/// Carries a call that is admitted.
#[inline]
async fn carry_on<'h, D: Downstream>(
    worker: &Worker,
    plane: &Rc<WorkerPlane>,
    permit: Permit,
    mut order: mediate::Order<'h>,
    down: &mut D,
    head: &'h Head,
    ctx: &mut Ctx<'h>,
) -> Result<(), Refusal> {
    let target = &permit.target;
    // Asked first: what follows lies further off, and most APIs have none of it.
    if plane.apis[target.api].wsdl
        && let Some(contract) = &plane.apis[target.api].soap
    {
        if !target.soap {
            let call = mediate::call(worker, plane, &permit, order, down, head, ctx);
            return Box::pin(call).await;
        }
        // Boxed: an exchange that is not SOAP should not carry the room for this.
        return Box::pin(async {
            let ahead = mediate::open(contract, &mut order, down, head, ctx).await?;
            let call = (&permit, &**contract);
            carry_message(worker, plane, call, (order, ahead), down, head, ctx).await
        })
        .await;
    }
    if target.soap
        && let Some(contract) = &plane.apis[target.api].bridge
    {
        return Box::pin(async {
            let (ahead, number) =
                mediate::open_bridged(contract, &mut order, down, head, ctx).await?;
            let call = (&permit, &**contract);
            let read = (order, ahead, number);
            mediate::carry_bridged(worker, plane, call, read, down, head, ctx).await
        })
        .await;
    }
    if target.soap {
        // No contract tells of operations: what is known already is all there will be.
        let permit = operation_known(plane, permit, ctx)?;
        spend_when_read(worker, &permit, ctx).await?;
        return forward(worker, plane, &permit, &order, down, head, ctx).await;
    }
    forward(worker, plane, &permit, &order, down, head, ctx).await
}

/// Carries a SOAP message that says itself who sends it: it is read before anybody knows whether it may be sent.
async fn carry_signed<'h, D: Downstream>(
    worker: &Worker,
    plane: &Rc<WorkerPlane>,
    target: &Target,
    by_key: Caller,
    down: &mut D,
    head: &'h Head,
    ctx: &mut Ctx<'h>,
) -> Result<(), Refusal> {
    let asked = mediate::request(plane, target.api, down.framing(), head);
    if may_see(plane, target.api, &by_key, ctx).is_ok() {
        let mut order = asked?;
        if let Some(covered) = ctx.signed() {
            let mut held = mediate::hold(&mut order, covered, down, head, ctx).await?;
            let down = &mut held;
            let told = told(plane, target, (&mut order, by_key), down, head, ctx).await?;
            let read = (target, told.0, order, told.1);
            return carry_told(worker, plane, read, down, head, ctx).await;
        }
        let (caller, ahead) = told(plane, target, (&mut order, by_key), down, head, ctx).await?;
        let read = (target, caller, order, ahead);
        return carry_told(worker, plane, read, down, head, ctx).await;
    }
    // A partner's API does not exist for others, however well they write to it: until it is known who writes, all is as it is
    // where nothing is.
    let (mut order, mut heard) = mediate::hear(plane, down, head, ctx).await?;
    let told = told(plane, target, (&mut order, by_key), &mut heard, head, ctx).await;
    let seen = told.and_then(|told| may_see(plane, target.api, &told.0, ctx).map(|()| told));
    let (caller, ahead) = seen.map_err(|refusal| match refusal.silent {
        true => refusal,
        false => {
            // Not counted and not logged as this API's, which takes time too.
            (ctx.api, ctx.operation, ctx.application) = (None, None, None);
            Refusal::no_api()
        }
    })?;
    order.pace = asked?.pace;
    if ahead.bytes.len() as u64 > plane.apis[target.api].body_bytes {
        let why = "the body is larger than this API allows";
        return Err(Refusal::new(Code::BodyTooLarge, why));
    }
    carry_told(worker, plane, (target, caller, order, ahead), &mut heard, head, ctx).await
}

/// Reads whose a message is.
async fn told<D: Downstream>(
    plane: &Rc<WorkerPlane>,
    target: &Target,
    (order, by_key): (&mut mediate::Order<'_>, Caller),
    down: &mut D,
    head: &Head,
    ctx: &mut Ctx<'_>,
) -> Result<(Caller, mediate::Ahead), Refusal> {
    let api = &plane.apis[target.api];
    let (Some(contract), Some(policy)) = (&api.soap, &api.security) else {
        return Err(Refusal::new(Code::Internal, "security without a contract"));
    };
    let mut ahead = mediate::open(contract, order, down, head, ctx).await?;
    let read = (order, &mut ahead);
    let caller = mediate::sender(plane, policy, read, by_key, down, head, ctx).await?;
    Ok((caller, ahead))
}

/// Carries a SOAP message whose sender is known.
async fn carry_told<'h, D: Downstream>(
    worker: &Worker,
    plane: &Rc<WorkerPlane>,
    (target, caller, order, ahead): (&Target, Caller, mediate::Order<'h>, mediate::Ahead),
    down: &mut D,
    head: &'h Head,
    ctx: &mut Ctx<'h>,
) -> Result<(), Refusal> {
    let permit = authorize(plane, target, caller, ctx)?;
    admit(worker, &permit, down, ctx).await?;
    let Some(contract) = &plane.apis[target.api].soap else {
        return Err(Refusal::new(Code::Internal, "a message without a contract"));
    };
    let call = (&permit, &**contract);
    carry_message(worker, plane, call, (order, ahead), down, head, ctx).await
}

/// Carries a SOAP message whose beginning was read.
async fn carry_message<'h, D: Downstream>(
    worker: &Worker,
    plane: &Rc<WorkerPlane>,
    (permit, contract): (&Permit, &SoapContract),
    (mut order, mut ahead): (mediate::Order<'h>, mediate::Ahead),
    down: &mut D,
    head: &'h Head,
    ctx: &mut Ctx<'h>,
) -> Result<(), Refusal> {
    let api = permit.target.api;
    let permit = &operation_known(plane, *permit, ctx)?;
    spend_when_read(worker, permit, ctx).await?;
    let read = (&mut order, &mut ahead);
    mediate::check_request(worker, plane, contract, read, down, head, ctx).await?;
    let mut replayed = mediate::Replayed::new(down, ahead)?;
    let down = &mut replayed;
    let checks = plane.snapshot.apis[api].checks;
    let metrics = (&worker.observer.metrics, plane.apis[api].slot);
    let judge = ctx
        .operation
        .and_then(|operation| mediate::Judge::new(contract, operation, checks.answers, metrics));
    let carried = match judge {
        None => forward(worker, plane, permit, &order, down, head, ctx).await,
        Some(judge) => {
            let call = (permit, &order, judge);
            forward_judged(worker, plane, call, down, head, ctx).await
        }
    };
    carried.map_err(|refusal| replayed.wrong().unwrap_or(refusal))
}

/// Forwards a call whose answer is held against its contract.
async fn forward_judged<'h, D: Downstream>(
    worker: &Worker,
    plane: &Rc<WorkerPlane>,
    (permit, order, mut judge): (&Permit, &mediate::Order<'h>, mediate::Judge<'_>),
    down: &mut D,
    head: &'h Head,
    ctx: &mut Ctx<'h>,
) -> Result<(), Refusal> {
    ctx.told = Some(Rc::clone(&judge.told));
    let mut judged = mediate::Judged::new(down, &mut judge);
    let forwarded = forward(worker, plane, permit, order, &mut judged, head, ctx).await;
    ctx.told = None;
    let Some(wrong) = judge.wrong() else { return forwarded };
    let api = permit.target.api;
    mediate::report(&plane.snapshot.apis[api].name, ctx, Direction::Answer, wrong);
    match judge.refusal() {
        Some(refusal) => Err(refusal),
        None => forwarded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn t59_a_panic_ends_one_future_and_nothing_else() {
        assert_eq!(contained(pin!(async { 7 })).await, Some(7));
        let panicking = pin!(async {
            tokio::task::yield_now().await;
            let bytes: [u8; 0] = [];
            std::hint::black_box(&bytes[..]).iter().max().copied().expect("a bug that was found")
        });
        assert_eq!(contained(panicking).await, None);
        assert_eq!(contained(pin!(async { 8 })).await, Some(8));
    }
}
