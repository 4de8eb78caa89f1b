//! What a try over HTTP/1.1 and one over HTTP/2 have in common: the request's body goes up, while
//! the answer's comes back.

use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use pasarela_model::Code;
use pasarela_net::{
    timer::Deadline,
    transfer::{Failed, Sink, Source, Transfer},
};

use super::{Call, Stop, caller_fault, invalid, out_of_time, too_slow};
use crate::{
    cluster::{Failure, Sent},
    ctx::Ctx,
    downstream::{Answer, Body},
    respond::Refusal,
};

/// The request's body on its way up.
#[derive(Debug, Default)]
pub(super) struct Upload {
    transfer: Transfer,
    state: State,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Sending,
    Sent,
    /// The server stopped listening; it may have answered before.
    Unwanted,
}

impl Upload {
    /// Bytes of it that went up.
    pub(super) fn moved(&self) -> u64 {
        self.transfer.moved
    }

    pub(super) fn is_sending(&self) -> bool {
        self.state == State::Sending
    }

    /// Whether the server has all of it.
    pub(super) fn is_sent(&self) -> bool {
        self.state == State::Sent
    }

    /// Moves what can be moved. `true`: that was the last of it.
    #[inline]
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl Source,
        sink: &mut impl Sink,
        ctx: &mut Ctx<'_>,
    ) -> Result<bool, Stop> {
        if self.state != State::Sending {
            return Ok(false);
        }
        match self.transfer.poll(cx, source, sink, |_| {}) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.state = State::Sent,
            Poll::Ready(Err(Failed::Source(error))) => {
                return Err(Stop::Caller(caller_fault(&error)));
            }
            Poll::Ready(Err(Failed::Sink(_))) => self.state = State::Unwanted,
        }
        ctx.bytes_in = self.transfer.moved;
        Ok(self.is_sent())
    }

    /// Why the exchange goes no further although nothing went wrong with it: the caller has left,
    /// or the process ends.
    #[inline]
    pub(super) fn poll_over(
        &self,
        cx: &mut Context<'_>,
        call: &Call<'_, '_>,
        source: &mut impl Body,
        answer: &mut impl Answer,
    ) -> Poll<Stop> {
        if (!self.is_sending() && source.poll_gone(cx).is_ready())
            || answer.poll_left(cx).is_ready()
        {
            return Poll::Ready(Stop::Caller(Refusal::gone()));
        }
        match call.worker.is_out_of_time() {
            true => Poll::Ready(Stop::Caller(out_of_time())),
            false => Poll::Pending,
        }
    }
}

/// Brings the body of an answer back whose head was given, and what is left of the request up.
/// Each pair is where it comes from and where it goes.
pub(super) async fn relay(
    call: &Call<'_, '_>,
    ctx: &mut Ctx<'_>,
    upload: &mut Upload,
    (source, up_sink): (&mut impl Body, &mut impl Sink),
    (up_source, answer): (&mut impl Source, &mut impl Answer),
    total: Option<&Deadline>,
) -> Result<(), Stop> {
    let mut body = Transfer::default();
    poll_fn(|cx| {
        if let Err(stop) = upload.poll(cx, source, up_sink, ctx) {
            return Poll::Ready(Err(stop));
        }
        up_source.set_ahead(answer.ahead());
        let moved = body.poll(cx, up_source, answer, |moved| {
            ctx.bytes_out = moved;
            ctx.record_own();
        });
        ctx.bytes_out = body.moved;
        match moved {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(Failed::Source(error))) => {
                tracing::debug!(error = %crate::chain(&error), "an upstream's answer broke off");
                return Poll::Ready(Err(invalid("the service's answer broke off")));
            }
            Poll::Ready(Err(Failed::Sink(_))) => {
                return Poll::Ready(Err(Stop::Caller(Refusal::gone())));
            }
            Poll::Pending => {}
        }
        if let Poll::Ready(stop) = upload.poll_over(cx, call, source, answer) {
            return Poll::Ready(Err(stop));
        }
        if total.is_some_and(|total| total.poll(cx).is_ready()) {
            // Whoever was waited for is to blame: a slow caller must not eject a server.
            return Poll::Ready(Err(match answer.is_flushed() {
                true => took_too_long(),
                false => Stop::Caller(too_slow()),
            }));
        }
        Poll::Pending
    })
    .await
}

fn took_too_long() -> Stop {
    Stop::Upstream {
        failure: Failure::Timeout,
        sent: Sent::Wholly,
        replayable: false,
        stale: false,
        refusal: Refusal::new(Code::UpstreamTimeout, "the exchange took too long"),
    }
}
