//! One exchange, from a parsed request head to the last byte of its answer. Read this first.
//!
//! Each step is a file with the same name as the verb. A step either goes on or refuses; refusals
//! leave by one door ([`crate::respond`]), and every exchange, good or bad, passes the other
//! ([`crate::record`]) once.

use std::rc::Rc;

use pasarela_net::http1::Head;

use crate::{
    admit::{admit, has_room},
    authorize::{authorize, may_read},
    ctx::Ctx,
    downstream::Downstream,
    forward::forward,
    identify::identify,
    mediate, respond,
    respond::Refusal,
    route::{Routed, route},
    worker::Worker,
};

/// Carries one exchange through the gateway, and answers and records it whatever happens.
pub(crate) async fn serve<'h, D: Downstream>(
    worker: &Worker,
    down: &mut D,
    head: &'h Head,
    ctx: &mut Ctx<'h>,
) {
    if let Err(refusal) = carry(worker, down, head, ctx).await {
        respond::refuse(worker, down, head, ctx, refusal).await;
    }
    ctx.record(worker, head);
}

async fn carry<'h, D: Downstream>(
    worker: &Worker,
    down: &mut D,
    head: &'h Head,
    ctx: &mut Ctx<'h>,
) -> Result<(), Refusal> {
    has_room(worker)?;
    let plane = Rc::clone(&ctx.plane);
    let target = match route(&plane, head, ctx)? {
        Routed::Call(target) => target,
        Routed::Contract(api) => {
            let caller = identify(&plane, api, head, ctx)?;
            may_read(&plane, api, &caller)?;
            return respond::contract(worker, down, head, ctx, &plane, api).await;
        }
    };
    let caller = identify(&plane, target.api, head, ctx)?;
    let permit = authorize(&plane, &target, caller, ctx)?;
    admit(worker, &permit, ctx)?;
    let order = mediate::request(&plane, &permit, down.framing(), head)?;
    forward(worker, &plane, &permit, &order, down, head, ctx).await
}
