//! A connection that was upgraded: bytes both ways, until both sides have said all.

use std::{future::poll_fn, task::Poll, time::Duration};

use pasarela_net::{
    conn::{Conn, Http1Sink, Http1Source, Pace},
    http1::Decoder,
    transfer::{Failed, Transfer},
};

use crate::ctx::Ctx;

/// A tunnel on which nothing moves for this long is given up.
const IDLE: Duration = Duration::from_secs(3600);

/// Carries bytes between caller and server. What either had sent ahead goes first. One side that
/// takes nothing for `stall` ends it (L10).
pub(super) async fn run(mut caller: Conn, mut server: Conn, stall: Duration, ctx: &mut Ctx<'_>) {
    let pace = Pace { idle: IDLE, rate: 0, grace: IDLE, most: u64::MAX };
    let (mut from_caller, mut from_server) = (Decoder::UntilClose, Decoder::UntilClose);
    let (caller_read, caller_write) = caller.halves();
    let (server_read, server_write) = server.halves();
    let mut caller_source = Http1Source::new(caller_read, &mut from_caller, pace);
    let mut server_source = Http1Source::new(server_read, &mut from_server, pace);
    let mut caller_sink = Http1Sink::new(caller_write, false, stall);
    let mut server_sink = Http1Sink::new(server_write, false, stall);
    let (mut up, mut down) = (Transfer::default(), Transfer::default());
    let (mut up_open, mut down_open) = (true, true);
    let ended: Result<(), Failed> = poll_fn(|cx| {
        if up_open
            && let Poll::Ready(done) = up.poll(cx, &mut caller_source, &mut server_sink, |_| {})
        {
            if done.is_err() {
                return Poll::Ready(done);
            }
            up_open = false;
            let _ = server_sink.poll_shutdown(cx);
        }
        if down_open
            && let Poll::Ready(done) = down.poll(cx, &mut server_source, &mut caller_sink, |_| {})
        {
            if done.is_err() {
                return Poll::Ready(done);
            }
            down_open = false;
            let _ = caller_sink.poll_shutdown(cx);
        }
        match up_open || down_open {
            true => Poll::Pending,
            false => Poll::Ready(Ok(())),
        }
    })
    .await;
    (ctx.bytes_in, ctx.bytes_out) = (up.moved, down.moved);
    ctx.aborted = ended.is_err();
}
