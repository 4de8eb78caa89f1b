//! One try over HTTP/2: a stream on one of the worker's shared connections to that server.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use pasarela_model::Code;
use pasarela_net::{
    conn::Pace,
    h2io::{H2Sink, H2Source},
    h2pool::{H2Client, Lease},
    http1::{Framing, Head, Version, is_token},
    timer::{Deadline, Wait},
    transfer::Sink as _,
};

use super::{
    Call, Destination, Stop,
    body::{Upload, relay},
    invalid, out_of_time, too_slow, unreachable,
};
use crate::{
    cluster::{Failure, Sent},
    ctx::Ctx,
    downstream::{Answer, Body, Downstream, Length, Put},
    respond::Refusal,
};

/// Empty DATA frames an upstream may send on a stream.
const EMPTIES: u32 = 1000;

impl Put for HeaderMap {
    fn put(&mut self, name: &[u8], value: &[u8]) {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            self.append(name, value);
        }
    }
}

/// Makes one try.
pub(super) async fn attempt<'h, D: Downstream>(
    call: &Call<'_, '_>,
    destination: &Destination<'_>,
    down: &mut D,
    ctx: &mut Ctx<'h>,
) -> Result<(), Stop> {
    let mut lease = ready(call, destination, down).await?;
    let empty = call.order.framing.is_empty();
    let request = request(call, destination, ctx)?;
    exchange(call, destination, &mut lease.client, request, empty, down, ctx).await
}

/// A place for the stream, on a connection that there is or on one that is opened for it.
async fn ready<D: Downstream>(
    call: &Call<'_, '_>,
    destination: &Destination<'_>,
    down: &mut D,
) -> Result<Lease, Stop> {
    let group = call.worker.pool.borrow_mut().h2(destination.address, destination.connector);
    let mut stream = pin!(group.stream(destination.connector));
    let (mut source, mut answer) = down.halves(call.order.pace);
    let mut wait = Wait::default();
    let never = |failure, refusal| Stop::Upstream {
        failure,
        sent: Sent::Never,
        replayable: true,
        stale: false,
        refusal,
    };
    poll_fn(|cx| {
        if let Poll::Ready(found) = stream.as_mut().poll(cx) {
            return Poll::Ready(found.map_err(|error| {
                tracing::debug!(address = %destination.address, error = %crate::chain(&*error), "connecting failed");
                never(Failure::Connect, unreachable(&error))
            }));
        }
        if source.poll_gone(cx).is_ready() || answer.poll_left(cx).is_ready() {
            return Poll::Ready(Err(Stop::Caller(Refusal::gone())));
        }
        if call.worker.is_out_of_time() {
            return Poll::Ready(Err(Stop::Caller(out_of_time())));
        }
        if wait.poll(cx, call.plane.timeouts.first_byte).is_ready() {
            let detail = "the service takes no more requests at a time";
            let refusal = Refusal::new(Code::UpstreamTimeout, detail);
            return Poll::Ready(Err(never(Failure::Timeout, refusal)));
        }
        Poll::Pending
    })
    .await
}

fn request(
    call: &Call<'_, '_>,
    destination: &Destination<'_>,
    ctx: &Ctx<'_>,
) -> Result<Request<()>, Stop> {
    let odd = || Stop::Caller(Refusal::new(Code::Malformed, "the request cannot be sent on"));
    let mut target = Vec::new();
    call.put_target(&mut target, destination, ctx);
    let scheme = if destination.connector.tls.is_some() { "https" } else { "http" };
    let uri = Uri::builder()
        .scheme(scheme)
        .authority(call.host(destination))
        .path_and_query(target)
        .build()
        .map_err(|_| odd())?;
    let method = Method::from_bytes(call.head.method().as_bytes()).map_err(|_| odd())?;
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    let fields = request.headers_mut();
    call.put_fields(ctx, fields);
    if let Framing::Length(length) = call.order.framing {
        fields.insert(http::header::CONTENT_LENGTH, length.into());
    }
    if call.order.trailers {
        fields.insert(http::header::TE, HeaderValue::from_static("trailers"));
    }
    Ok(request)
}

async fn exchange<'h, D: Downstream>(
    call: &Call<'_, '_>,
    destination: &Destination<'_>,
    client: &mut H2Client,
    request: Request<()>,
    empty: bool,
    down: &mut D,
    ctx: &mut Ctx<'h>,
) -> Result<(), Stop> {
    let timeouts = call.plane.timeouts;
    let (mut response, stream) =
        client.send_request(request, empty).map_err(|error| lost(&error, Sent::Never, 0))?;
    let total = timeouts.total.map(|total| {
        let deadline = Deadline::new();
        deadline.arm(total.saturating_sub(ctx.started.elapsed()));
        deadline
    });
    let mut up_sink = H2Sink::new(stream, empty, timeouts.idle.max(call.order.pace.idle));
    let (mut source, mut answer) = down.halves(call.order.pace);
    if call.order.expects {
        answer.interim(100, &mut |_| {});
        let sent = poll_fn(|cx| answer.poll_flush(cx)).await;
        sent.map_err(|_| Stop::Caller(Refusal::gone()))?;
    }
    let (mut upload, mut wait) = (Upload::default(), Wait::default());
    let mut interims = 0;
    let slow = |moved: u64| Stop::Upstream {
        failure: Failure::Timeout,
        sent: if moved == 0 { Sent::Partly } else { Sent::Wholly },
        replayable: false,
        stale: false,
        refusal: Refusal::new(Code::UpstreamTimeout, "the service did not answer in time"),
    };
    let received = poll_fn(|cx| {
        // A server that has seen enough resets the stream; its answer may be on the way.
        match upload.poll(cx, &mut source, &mut up_sink, ctx) {
            Ok(true) => call.slot.sent(),
            Ok(false) => {}
            Err(stop) => return Poll::Ready(Err(stop)),
        }
        while let Poll::Ready(Some(Ok(interim))) = response.poll_informational(cx) {
            interims += 1;
            if interims > call.limits.upstream_interim {
                return Poll::Ready(Err(invalid("the service sent too many interim answers")));
            }
            // 100 is ours to say, and was said.
            if interim.status() != 100 {
                answer.interim(interim.status().as_u16(), &mut |put| {
                    for (name, value) in interim.headers() {
                        if name != http::header::CONTENT_LENGTH
                            && is_token(name.as_str().as_bytes())
                        {
                            put.put(name.as_str().as_bytes(), value.as_bytes());
                        }
                    }
                });
            }
        }
        if !answer.is_flushed() && matches!(answer.poll_flush(cx), Poll::Ready(Err(_))) {
            return Poll::Ready(Err(Stop::Caller(Refusal::gone())));
        }
        match Pin::new(&mut response).poll(cx) {
            Poll::Ready(Ok(response)) => return Poll::Ready(Ok(response)),
            Poll::Ready(Err(error)) => {
                return Poll::Ready(Err(lost(&error, Sent::Partly, upload.moved())));
            }
            Poll::Pending => {}
        }
        if !upload.is_sending() && wait.poll(cx, timeouts.first_byte).is_ready() {
            return Poll::Ready(Err(slow(upload.moved())));
        }
        if let Poll::Ready(stop) = upload.poll_over(cx, call, &mut source, &mut answer) {
            return Poll::Ready(Err(stop));
        }
        if total.as_ref().is_some_and(|total| total.poll(cx).is_ready()) {
            // Whoever was waited for is to blame: a slow caller must not eject a server.
            return Poll::Ready(Err(match upload.is_sending() && up_sink.is_flushed() {
                true => Stop::Caller(too_slow()),
                false => slow(upload.moved()),
            }));
        }
        Poll::Pending
    })
    .await
    .inspect_err(|_| up_sink.reset(h2::Reason::CANCEL))?;
    drop(wait);

    let (parts, body) = received.into_parts();
    let mut head = Head::default();
    head.start_response(parts.status.as_u16(), Version::Http2);
    for (name, value) in &parts.headers {
        if !is_token(name.as_str().as_bytes()) {
            // The engine lets pass what no HTTP/1.1 client would (a quotation mark).
            up_sink.reset(h2::Reason::CANCEL);
            return Err(invalid("a field name of the service's answer is malformed"));
        }
        head.push(name.as_str().as_bytes(), value.as_bytes());
    }
    ctx.status = head.status();
    if let Some(upstream) = &mut ctx.upstream {
        upstream.status = head.status();
    }
    destination.answered(call, head.status());
    // RFC 9110 §6.4.1: these end with their head whatever the server sends behind it, and a caller
    // over HTTP/1.1 would take what is passed on for its next answer (T9).
    let bodiless = call.head.method() == "HEAD" || matches!(head.status(), 204 | 304);
    let framing = match head.get(pasarela_net::http1::Name::ContentLength) {
        _ if bodiless || body.is_end_stream() => Framing::None,
        Some(value) => match super::decimal(value) {
            Some(length) => Framing::Length(length),
            None => Framing::Chunked,
        },
        None => Framing::Chunked,
    };
    let told = match super::length(&head, framing, call.head.method()) {
        // Trailers alone may follow: the caller's side must stay open for them.
        Length::Known(0) if !bodiless && !body.is_end_stream() => Length::Unknown,
        told => told,
    };
    let streams = call.order.pace.rate == 0;
    let idle = if streams { call.order.pace.idle } else { timeouts.idle };
    let most = if bodiless { 0 } else { u64::MAX };
    let pace = Pace { idle, rate: 0, grace: idle, most };
    let mut up_source = H2Source::new(body, pace, EMPTIES);
    answer
        .start(head.status(), told, &mut |put| call.put_answer(&head, &[], ctx, put))
        .map_err(|_| Stop::Caller(Refusal::gone()))?;
    let (up, back) = ((&mut source, &mut up_sink), (&mut up_source, &mut answer));
    let relayed = relay(call, ctx, &mut upload, up, back, total.as_ref()).await;
    relayed.inspect_err(|_| up_sink.reset(h2::Reason::CANCEL))?;
    if upload.is_sending() {
        // The answer is whole and the server waits for nothing more (RFC 9113 §8.1).
        up_sink.reset(h2::Reason::NO_ERROR);
    }
    Ok(())
}

/// What a lost stream means for a retry.
fn lost(error: &h2::Error, sent: Sent, moved: u64) -> Stop {
    // RFC 9113 §8.7: these say that the stream was not processed.
    let unprocessed = error.reason() == Some(h2::Reason::REFUSED_STREAM)
        || (error.is_go_away() && error.is_remote());
    let failure = if unprocessed { Failure::Unprocessed } else { Failure::ClosedBeforeAnswer };
    Stop::Upstream {
        failure,
        sent,
        replayable: moved == 0,
        stale: unprocessed,
        refusal: Refusal::new(Code::UpstreamInvalid, "the service gave up the stream"),
    }
}
