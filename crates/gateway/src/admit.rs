//! Admit: is there room for this call, in its plan and in this process.

use pasarela_model::Code;

use crate::{
    authorize::Permit,
    ctx::{Ctx, RateAnswer},
    respond::Refusal,
    worker::Worker,
};

/// Counts the call on its rate limit and notes what the answer will say about it.
pub(crate) fn admit(worker: &Worker, permit: &Permit, ctx: &mut Ctx<'_>) -> Result<(), Refusal> {
    let plane = ctx.plane.clone();
    let subscriber = permit
        .application
        .and_then(|application| plane.apis[permit.target.api].subscribers.get(&application));
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
