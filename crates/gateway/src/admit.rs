//! Admit: is there room for this call, in its plan and in this process.

use pasarela_model::Code;

use crate::{
    authorize::Permit,
    ctx::{Ctx, RateAnswer},
    observe::Shed,
    overload::Level,
    respond::Refusal,
    worker::Worker,
};

/// Whether the process has memory for another request (L46).
#[inline]
pub(crate) fn has_room(worker: &Worker) -> Result<(), Refusal> {
    match worker.shared.overload.level() {
        Level::Calm | Level::Lean => Ok(()),
        Level::Shedding | Level::Closed => {
            worker.observer.metrics.shed(Shed::Memory);
            let detail = "memory is running out here; try again in a moment";
            Err(Refusal::new(Code::Overloaded, detail).retry_after(5))
        }
    }
}

/// Asks whether the API's servers can take another call (T45), before it costs anything; then
/// counts the call on its rate limit and notes what the answer will say about it.
pub(crate) fn admit(worker: &Worker, permit: &Permit, ctx: &mut Ctx<'_>) -> Result<(), Refusal> {
    let plane = ctx.plane.clone();
    let api = &plane.apis[permit.target.api];
    if !api.waiting.admits() {
        worker.observer.metrics.shed(Shed::Concurrency);
        let detail = "the service has as many requests waiting as it can answer in time";
        return Err(Refusal::new(Code::Overloaded, detail).retry_after(1));
    }
    let subscriber = permit.application.and_then(|application| api.subscribers.get(application));
    let Some((limiter, fields)) = subscriber.and_then(|subscriber| subscriber.rate.as_ref()) else {
        return Ok(());
    };
    let now_ns = ctx.started.saturating_duration_since(worker.shared.epoch).as_nanos();
    let decision = limiter.check(u64::try_from(now_ns).unwrap_or(u64::MAX));
    let mut answer = RateAnswer { bytes: worker.take_small(), limit_at: 0 };
    fields.write_policy(&mut answer.bytes);
    answer.limit_at = answer.bytes.len();
    fields.write_limit(&decision, &mut answer.bytes);
    ctx.rate = Some(answer);
    match decision.allowed {
        true => Ok(()),
        false => {
            let wait = decision.retry_after_seconds();
            let detail = format!("the plan's rate is used up; try again in {wait} s");
            Err(Refusal::new(Code::RateLimited, detail).retry_after(wait))
        }
    }
}
