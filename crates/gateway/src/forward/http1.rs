//! One try over HTTP/1.1: lend or open a connection, send, await the answer, stream it back.

use std::{future::poll_fn, task::Poll};

use pasarela_model::Code;
use pasarela_net::{
    conn::{Conn, Http1Sink, Http1Source, Pace},
    http1::{Framing, Head, HeadLimits, Name, Version, put_number, response_framing},
    pool,
    stream::Stream,
    timer::{Deadline, Wait},
    transfer::Sink as _,
};

use super::{
    Call, Destination, Hop, Stop,
    body::{Upload, relay},
    invalid, length, too_slow, tunnel,
    tunnel::Carried,
    unreachable,
};
use crate::{
    cluster::{Failure, Sent},
    ctx::Ctx,
    downstream::{Answer, Downstream},
    respond::Refusal,
    worker::HeadSpace,
};

/// Makes one try.
pub(super) async fn attempt<'h, D: Downstream>(
    call: &Call<'_, '_>,
    destination: &Destination<'_>,
    down: &mut D,
    ctx: &mut Ctx<'h>,
) -> Result<(), Stop> {
    let kept = call.worker.pool.borrow_mut().take(destination.address, destination.connector);
    let reused = kept.is_some();
    let mut conn = match kept {
        Some(conn) => conn,
        None => {
            let stream = open(destination).await?;
            call.worker.observer.metrics.upstream_connected();
            Conn::new(stream)
        }
    };
    put_request(call, destination, conn.writer.buffer(), ctx);
    let mut space = call.worker.take_head();
    let ended = exchange(call, destination, &mut conn, reused, down, &mut space, ctx).await;
    call.worker.give_head(space);
    match ended? {
        Ended::Reusable => {
            let mut pool = call.worker.pool.borrow_mut();
            pool.give(destination.address, destination.connector, conn);
        }
        Ended::Closing => {}
        Ended::Switched(carried) => {
            if let Some(caller) = down.take_tunnel() {
                // Boxed: tunnels are few and live long.
                Box::pin(tunnel::run(call.worker, caller, conn, carried, ctx)).await;
            }
        }
    }
    Ok(())
}

async fn open(destination: &Destination<'_>) -> Result<Stream, Stop> {
    pool::connect(destination.address, destination.connector).await.map_err(|error| {
        tracing::debug!(address = %destination.address, error = %crate::chain(&error), "connecting failed");
        Stop::Upstream {
            failure: Failure::Connect,
            sent: Sent::Never,
            replayable: true,
            stale: false,
            refusal: unreachable(&error),
        }
    })
}

fn put_request(
    call: &Call<'_, '_>,
    destination: &Destination<'_>,
    out: &mut Vec<u8>,
    ctx: &Ctx<'_>,
) {
    out.extend_from_slice(call.head.method().as_bytes());
    out.push(b' ');
    call.put_target(out, destination, ctx);
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    out.extend_from_slice(call.host(destination));
    out.extend_from_slice(b"\r\n");
    call.put_fields(ctx, out);
    match call.order.framing {
        Framing::Length(length) => {
            out.extend_from_slice(b"Content-Length: ");
            put_number(out, length);
            out.extend_from_slice(b"\r\n");
        }
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Framing::None | Framing::UntilClose => {}
    }
    if let Some(protocol) = call.order.upgrade {
        out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: ");
        out.extend_from_slice(protocol);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// How a connection was left.
enum Ended {
    /// Fit for another exchange.
    Reusable,
    /// Not.
    Closing,
    /// It speaks another protocol now.
    Switched(Carried),
}

async fn exchange<'h, D: Downstream>(
    call: &Call<'_, '_>,
    destination: &Destination<'_>,
    conn: &mut Conn,
    reused: bool,
    down: &mut D,
    space: &mut HeadSpace,
    ctx: &mut Ctx<'h>,
) -> Result<Ended, Stop> {
    let HeadSpace { parser, head: answer_head } = space;
    let timeouts = call.plane.timeouts;
    let limits = HeadLimits {
        line: call.limits.upstream_header_bytes as usize,
        bytes: call.limits.upstream_header_bytes as usize,
        fields: 4 * call.limits.header_fields as usize,
    };
    let total = timeouts.total.map(|total| {
        let deadline = Deadline::new();
        deadline.arm(total.saturating_sub(ctx.started.elapsed()));
        deadline
    });
    let (mut up_read, up_write) = conn.halves();
    let chunked = call.order.framing == Framing::Chunked;
    let mut up_sink = Http1Sink::new(up_write, chunked, timeouts.idle);
    let (mut source, mut answer) = down.halves(call.order.pace);
    if call.order.upgrade.is_some() {
        // T3: what the caller sends from here on may be meant for a tunnel; should there be none,
        // it is not to be read as requests.
        answer.close_after();
    }
    if call.order.expects {
        // T4: the decision has been made, so the caller may send; the server is not asked again.
        answer.interim(100, &mut |_| {});
        let sent = poll_fn(|cx| answer.poll_flush(cx)).await;
        sent.map_err(|_| Stop::Caller(Refusal::gone()))?;
    }
    let (mut upload, mut interims) = (Upload::default(), 0);
    // From the request's last byte to the whole head of the final answer, however many interim
    // answers or single bytes come in between.
    let mut first_byte = Wait::default();
    loop {
        let mut received = !up_read.reader.bytes().is_empty();
        let failed = |failure, moved: u64, code, detail: &'static str| {
            let sent = match moved {
                _ if failure == Failure::Connect => Sent::Never,
                0 if call.order.framing.is_empty() => Sent::Wholly,
                _ => Sent::Partly,
            };
            Stop::Upstream {
                failure,
                sent,
                replayable: moved == 0,
                stale: reused && failure == Failure::ClosedBeforeAnswer,
                refusal: Refusal::new(code, detail),
            }
        };
        poll_fn(|cx| {
            // An interim answer is of use only as long as the final one is awaited.
            if !answer.is_flushed() && matches!(answer.poll_flush(cx), Poll::Ready(Err(_))) {
                return Poll::Ready(Err(Stop::Caller(Refusal::gone())));
            }
            match upload.poll(cx, &mut source, &mut up_sink, ctx) {
                Ok(true) => call.slot.sent(),
                Ok(false) => {}
                Err(stop) => return Poll::Ready(Err(stop)),
            }
            loop {
                let bytes = up_read.reader.bytes();
                if !bytes.is_empty() {
                    match parser.advance(bytes, &limits, answer_head) {
                        Ok(Some(length)) => {
                            up_read.reader.consume(length);
                            return Poll::Ready(Ok(()));
                        }
                        Ok(None) => {}
                        Err(fault) => {
                            tracing::debug!(%fault, "an upstream's answer is malformed");
                            return Poll::Ready(Err(failed(
                                Failure::Answer,
                                upload.moved(),
                                Code::UpstreamInvalid,
                                "the service's answer is not well-formed HTTP",
                            )));
                        }
                    }
                }
                match up_read.poll_fill_most(cx, answer.ahead()) {
                    Poll::Ready(Ok(true)) => received = true,
                    Poll::Pending if upload.is_sending() => break,
                    Poll::Pending => {
                        if first_byte.poll(cx, timeouts.first_byte).is_pending() {
                            break;
                        }
                        return Poll::Ready(Err(failed(
                            Failure::Timeout,
                            upload.moved(),
                            Code::UpstreamTimeout,
                            "the service did not begin to answer in time",
                        )));
                    }
                    Poll::Ready(Ok(false) | Err(_)) => {
                        let failure = match received {
                            true => Failure::Answer,
                            false => Failure::ClosedBeforeAnswer,
                        };
                        return Poll::Ready(Err(failed(
                            failure,
                            upload.moved(),
                            Code::UpstreamInvalid,
                            "the service closed the connection without a whole answer",
                        )));
                    }
                }
            }
            if let Poll::Ready(stop) = upload.poll_over(cx, call, &mut source, &mut answer) {
                return Poll::Ready(Err(stop));
            }
            if total.as_ref().is_some_and(|total| total.poll(cx).is_ready()) {
                // Whoever was waited for is to blame: a slow caller must not eject a server.
                if upload.is_sending() && up_sink.is_flushed() {
                    return Poll::Ready(Err(Stop::Caller(too_slow())));
                }
                return Poll::Ready(Err(failed(
                    Failure::Timeout,
                    upload.moved(),
                    Code::UpstreamTimeout,
                    "the exchange took longer than this API allows",
                )));
            }
            Poll::Pending
        })
        .await?;
        let unusable =
            |detail| Err(failed(Failure::Answer, upload.moved(), Code::UpstreamInvalid, detail));
        match answer_head.status() {
            101 => {
                let Some(carried) = Carried::agreed(call.order.upgrade, answer_head) else {
                    return unusable("the service switched protocols unasked");
                };
                note_status(ctx, 101);
                call.slot.answered(101);
                let Some(hop) = Hop::of(answer_head) else { return unusable(TOO_MANY_NAMES) };
                switch(call, answer_head, &hop, &mut answer, ctx).await?;
                return Ok(Ended::Switched(carried));
            }
            100..=199 => {
                interims += 1;
                if interims > call.limits.upstream_interim {
                    return unusable("the service sent too many interim answers");
                }
                // 100 is ours to say, and was said.
                if answer_head.status() != 100 {
                    answer.interim(answer_head.status(), &mut |put| {
                        for (id, name, value) in answer_head.fields() {
                            if !id.is_hop_by_hop() && id != Name::ContentLength {
                                put.put(name, value);
                            }
                        }
                    });
                }
            }
            _ => break,
        }
    }
    let Ok(framing) = response_framing(answer_head, call.head.method()) else {
        return Err(invalid("the length of the service's answer can be read in two ways"));
    };
    let Some(hop) = Hop::of(answer_head) else { return Err(invalid(TOO_MANY_NAMES)) };
    note_status(ctx, answer_head.status());
    destination.answered(call, answer_head.status());
    let closing =
        answer_head.version != Version::Http11 || framing == Framing::UntilClose || hop.closes;
    let mut decoder = framing.decoder();
    let pace = Pace { idle: timeouts.idle, rate: 0, grace: timeouts.idle, most: u64::MAX };
    let mut up_source = Http1Source::new(up_read, &mut decoder, pace);
    let told = length(answer_head, framing, call.head.method());
    answer
        .start(answer_head.status(), told, &mut |put| {
            call.put_answer(answer_head, &hop.named, ctx, put)
        })
        .map_err(|_| Stop::Caller(Refusal::gone()))?;
    let (up, back) = ((&mut source, &mut up_sink), (&mut up_source, &mut answer));
    relay(call, ctx, &mut upload, up, back, total.as_ref()).await?;
    Ok(match !upload.is_sent() || closing {
        true => Ended::Closing,
        false => Ended::Reusable,
    })
}

const TOO_MANY_NAMES: &str = "the service's Connection names too many fields";

fn note_status(ctx: &mut Ctx<'_>, status: u16) {
    ctx.status = status;
    if let Some(upstream) = &mut ctx.upstream {
        upstream.status = status;
    }
}

/// Tells the caller that its connection is a tunnel from here on.
async fn switch(
    call: &Call<'_, '_>,
    answer_head: &Head,
    hop: &Hop<'_>,
    answer: &mut impl Answer,
    ctx: &Ctx<'_>,
) -> Result<(), Stop> {
    let gone = |_| Stop::Caller(Refusal::gone());
    answer
        .start(101, crate::downstream::Length::None, &mut |put| {
            put.put(b"Connection", b"Upgrade");
            put.put(b"Upgrade", answer_head.get(Name::Upgrade).unwrap_or_default());
            call.put_answer(answer_head, &hop.named, ctx, put);
        })
        .map_err(gone)?;
    poll_fn(|cx| answer.poll_flush(cx)).await.map_err(gone)
}
