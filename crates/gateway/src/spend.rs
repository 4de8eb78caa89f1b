//! Spend: counts an admitted call on what its plan allows: the plan's rate, its operation's, its quota.

use std::{future::poll_fn, task::Poll, time::Duration};

use pasarela_model::{Code, QuotaOver};
use pasarela_net::timer::Deadline;

use crate::{
    authorize::Permit,
    ctx::{Ctx, RateAnswer},
    plane::{Pace, Spending, Subscriber},
    quota::Taken,
    respond::Refusal,
    worker::Worker,
};

/// A call waits no longer than this to be told whether its quota has another one.
const LEASE: Duration = Duration::from_secs(2);

/// Counts a call on its plan's rate; and on the others, unless it is a message of SOAP, which tells its operation only when it is
/// read: then [`spend_when_read`] has to follow.
pub(crate) async fn spend(
    worker: &Worker,
    subscriber: &Subscriber,
    soap: bool,
    ctx: &mut Ctx<'_>,
) -> Result<(), Refusal> {
    if let Some(rate) = &subscriber.rate {
        count(worker, rate, "plan", ctx)?;
    }
    match soap {
        true => Ok(()),
        false => spend_on(worker, subscriber, ctx).await,
    }
}

/// Counts a message of SOAP on what [`spend`] has left.
pub(crate) async fn spend_when_read(
    worker: &Worker,
    permit: &Permit,
    ctx: &mut Ctx<'_>,
) -> Result<(), Refusal> {
    let plane = ctx.plane.clone();
    let api = &plane.apis[permit.target.api];
    match permit.application.and_then(|application| api.subscribers.get(application)) {
        Some(subscriber) => spend_on(worker, subscriber, ctx).await,
        None => Ok(()),
    }
}

/// Counts a call on the rate of its operation, and on its quota.
async fn spend_on(
    worker: &Worker,
    subscriber: &Subscriber,
    ctx: &mut Ctx<'_>,
) -> Result<(), Refusal> {
    if let Some((operation, paces)) = ctx.operation.zip(subscriber.operations.as_ref())
        && let Some((_, pace)) = paces.iter().find(|(index, _)| *index == operation)
    {
        count(worker, pace, "operation", ctx)?;
    }
    let Some(quota) = &subscriber.quota else { return Ok(()) };
    let taken = match quota.0.take(ctx.now()) {
        // Boxed: a chunk of a quota is seldom used up before the next one is there.
        Taken::Unknown => Box::pin(lease(worker, quota)).await,
        known => known,
    };
    settle(worker, quota, taken, ctx)
}

/// Counts a call on a rate.
pub(crate) fn count(
    worker: &Worker,
    (limiter, fields): &Pace,
    whose: &str,
    ctx: &mut Ctx<'_>,
) -> Result<(), Refusal> {
    let since = ctx.started.saturating_duration_since(worker.shared.epoch).as_nanos();
    let decision = limiter.check(u64::try_from(since).unwrap_or(u64::MAX));
    answer(worker, ctx)
        .add(|policy| fields.write_policy(policy), |limit| fields.write_limit(&decision, limit));
    match decision.allowed {
        true => Ok(()),
        false => {
            let wait = decision.retry_after_seconds();
            let detail = format!("the {whose}'s rate is used up; try again in {wait} s");
            Err(Refusal::new(Code::RateLimited, detail).retry_after(wait))
        }
    }
}

fn answer<'c>(worker: &Worker, ctx: &'c mut Ctx<'_>) -> &'c mut RateAnswer {
    ctx.rate.get_or_insert_with(|| RateAnswer { bytes: worker.take_small(), limit_at: 0 })
}

/// The chunk is used up: waits for the next one, or for word that there is none.
async fn lease(worker: &Worker, (counter, _): &Spending) -> Taken {
    let (deadline, failures) = (Deadline::new(), counter.failures());
    deadline.arm(LEASE);
    poll_fn(|cx| {
        // First to be woken, then to look: so no answer comes unseen.
        counter.wake(cx.waker());
        let (_, unix_ns) = worker.clocks();
        match counter.take(unix_ns / 1_000_000_000) {
            Taken::Unknown => {}
            known => return Poll::Ready(known),
        }
        let over = counter.failures() != failures || worker.is_out_of_time();
        match over || deadline.poll(cx).is_ready() {
            true => Poll::Ready(Taken::Unknown),
            false => Poll::Pending,
        }
    })
    .await
}

fn settle(
    worker: &Worker,
    (counter, terms): &Spending,
    taken: Taken,
    ctx: &mut Ctx<'_>,
) -> Result<(), Refusal> {
    let now = ctx.now();
    let window = counter.window(now);
    answer(worker, ctx).add(
        |policy| terms.fields.write_policy(counter.calls(), window, policy),
        |limit| terms.fields.write_limit(counter.left(now), window, now, limit),
    );
    match (taken, terms.over) {
        (Taken::Within, _) => Ok(()),
        (Taken::Beyond | Taken::Unknown, QuotaOver::Charge) => {
            if let Some(api) = ctx.api {
                worker.observer.metrics.beyond_quota(ctx.plane.apis[api].slot);
            }
            Ok(())
        }
        (Taken::Beyond, QuotaOver::Refuse) => {
            let wait = window.end().saturating_sub(now).max(1);
            let detail = format!("the quota of the plan is used up; there is more in {wait} s");
            Err(Refusal::new(Code::QuotaUsed, detail).retry_after(wait))
        }
        (Taken::Unknown, QuotaOver::Refuse) => {
            let detail = "what is left of the quota cannot be found out now";
            Err(Refusal::new(Code::QuotaUnknown, detail).retry_after(1))
        }
    }
}
