//! One exchange at an address of the authorization server.

use pasarela_model::Code;
use pasarela_net::http1::{Head, Name};

use super::{Asking, Denied, Door, FORM_BYTES_MAX};
use crate::{
    ctx::Ctx,
    downstream::Downstream,
    mediate,
    respond::{self, Refusal},
    worker::{Worker, WorkerPlane},
};

/// Answers it.
pub(crate) async fn exchange<D: Downstream>(
    worker: &Worker,
    plane: &WorkerPlane,
    door: Door,
    down: &mut D,
    head: &Head,
    ctx: &mut Ctx<'_>,
) -> Result<(), Refusal> {
    let Some(office) = plane.tokens.office() else { return Err(Refusal::no_api()) };
    let allow = if door == Door::Token { "POST" } else { "GET, HEAD" };
    if !allow.split(", ").any(|method| method == head.method()) {
        let why = format!("this address answers {allow}");
        return Err(Refusal::new(Code::MethodNotAllowed, why).allow(allow.to_owned()));
    }
    match door {
        Door::Metadata => respond::published(worker, down, head, ctx, office.metadata()).await,
        Door::Keys => respond::published(worker, down, head, ctx, office.keys()).await,
        Door::Token => {
            let limits = &plane.snapshot.limits;
            let body = mediate::whole(limits, FORM_BYTES_MAX, down, head, ctx).await?;
            let asking = Asking {
                authorization: head.get(Name::Authorization),
                media: head.get(Name::ContentType).unwrap_or_default(),
                body: &body,
                client: ctx.client,
                now_ms: ctx.unix_ns / 1_000_000,
            };
            let guesses = plane.remembered.guesses();
            let place = ctx.place();
            let may_call = |application| plane.sources.allow(application, place);
            let issued = match head.count(Name::Authorization) {
                0 | 1 => office.issue(&asking, &plane.snapshot, guesses, may_call),
                _ => Err(Denied::Request("Authorization is repeated")),
            };
            ctx.application = issued.as_ref().ok().map(|issued| issued.application);
            respond::token(worker, down, head, ctx, &issued).await
        }
    }
}
