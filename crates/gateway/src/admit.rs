//! Admit: is there room for this call, at the API's servers, in its plan and in this process.

use std::{future::poll_fn, rc::Rc, task::Poll, time::Duration, time::Instant};

use pasarela_model::Code;
use pasarela_net::{conn::Pace, http1::Framing, timer::Wait};

use crate::{
    authorize::Permit,
    cluster::shares::{Joined, Waiting},
    ctx::Ctx,
    downstream::{Answer as _, Body as _, Downstream},
    observe::Shed,
    overload::Level,
    parties::{Held, party_of},
    plane::{ApiPlane, Subscriber},
    respond::Refusal,
    spend::{count, spend},
    worker::Worker,
};

/// A call of a party that has its share already waits no longer than this: what is later than that
/// is of no use to most, and tells nobody to slow down.
const PATIENCE: Duration = Duration::from_secs(1);

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
/// counts the call on what its plan allows and notes what the answer will say about it.
pub(crate) async fn admit<D: Downstream>(
    worker: &Worker,
    permit: &Permit,
    down: &mut D,
    ctx: &mut Ctx<'_>,
) -> Result<(), Refusal> {
    let plane = Rc::clone(&ctx.plane);
    let api = &plane.apis[permit.target.api];
    let subscriber = permit.application.and_then(|application| api.subscribers.get(application));
    match party_of(api, permit.application) {
        None if api.waiting.admits() => {}
        None => return Err(overloaded(worker)),
        Some((shares, party)) => {
            if !shares.enter(party) {
                // Boxed: hardly any exchange needs the room for it.
                Box::pin(wait_for_place(worker, api, permit, down, ctx)).await?;
            }
            let application = permit.application.unwrap_or_default();
            ctx.held = Some(Held::taken(&plane, permit.target.api, application));
        }
    }
    match subscriber {
        Some(subscriber) => spend(worker, subscriber, permit.target.soap, ctx).await,
        None => Ok(()),
    }
}

fn overloaded(worker: &Worker) -> Refusal {
    worker.observer.metrics.shed(Shed::Concurrency);
    let detail = "the service has as many requests waiting as it can answer in time";
    Refusal::new(Code::Overloaded, detail).retry_after(1)
}

/// The limit of the API's servers is reached: waits for its party's turn, or does not.
async fn wait_for_place<D: Downstream>(
    worker: &Worker,
    api: &ApiPlane,
    permit: &Permit,
    down: &mut D,
    ctx: &mut Ctx<'_>,
) -> Result<(), Refusal> {
    let Some((shares, party)) = party_of(api, permit.application) else { return Ok(()) };
    let subscriber = permit.application.and_then(|application| api.subscribers.get(application));
    if let Some(Subscriber { rate: Some(rate), .. }) = subscriber
        && rate.0.peek(now_ns(worker, ctx.started)).remaining == 0
    {
        // It would only wait to be told so.
        count(worker, rate, "plan", ctx)?;
    }
    let waiting = match shares.join(party, now_ns(worker, Instant::now())) {
        Joined::In => return Ok(()),
        Joined::Full { shared } => return Err(no_place(worker, shared)),
        Joined::Queued(waiting) => waiting,
    };
    let _counted = worker.observer.metrics.queued(api.slot);
    wait(worker, api, &waiting, down).await
}

fn no_place(worker: &Worker, shared: bool) -> Refusal {
    match shared {
        false => overloaded(worker),
        true => {
            let detail =
                "as many of your calls wait for the service as your share of it has room for";
            Refusal::new(Code::ShareUsed, detail).retry_after(1)
        }
    }
}

async fn wait<D: Downstream>(
    worker: &Worker,
    api: &ApiPlane,
    waiting: &Waiting<'_>,
    down: &mut D,
) -> Result<(), Refusal> {
    let whole = matches!(down.framing(), Framing::None | Framing::Length(0));
    let pace = Pace { idle: Duration::ZERO, rate: 0, grace: Duration::ZERO, most: 0 };
    let (mut source, mut answer) = down.halves(pace);
    let (mut patience, mut look, began) = (Wait::default(), Wait::default(), Instant::now());
    poll_fn(|cx| {
        if waiting.poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        // Whoever has left makes room for the next.
        if (whole && source.poll_gone(cx).is_ready()) || answer.poll_left(cx).is_ready() {
            return Poll::Ready(Err(Refusal::gone()));
        }
        if worker.is_out_of_time() {
            let detail = "the gateway ends before the service has room for the call";
            return Poll::Ready(Err(Refusal::new(Code::Draining, detail).retry_after(1)));
        }
        if patience.poll(cx, api.timeouts.first_byte).is_ready() {
            return Poll::Ready(Err(overloaded(worker)));
        }
        while look.poll(cx, LOOK).is_ready() {
            look.end();
            if !waiting.is_below(now_ns(worker, Instant::now())) && began.elapsed() >= PATIENCE {
                return Poll::Ready(Err(no_place(worker, true)));
            }
            if waiting.poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    })
    .await
}

/// How often somebody who waits looks around.
const LOOK: Duration = Duration::from_millis(100);

fn now_ns(worker: &Worker, at: Instant) -> u64 {
    let since = at.saturating_duration_since(worker.shared.epoch).as_nanos();
    u64::try_from(since).unwrap_or(u64::MAX)
}
