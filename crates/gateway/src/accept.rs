//! From a socket to a connection that speaks something: TLS handshake, first bytes, protocol.

use std::{rc::Rc, sync::Arc, time::Duration};

use pasarela_net::{
    conn::Conn,
    listen::{Accepted, Acceptor, TooMany},
    stream::Stream,
    tls::{Alpn, ServerTls},
};
use tokio::sync::watch;

use crate::{
    ctx::Origin,
    observe::{Listener, Protocol, Refusal},
    overload::Level,
    serve_h1, serve_h2,
    worker::{Phase, Worker},
};

/// How often it is asked whether there is memory for connections again (L46).
const PAUSE: Duration = Duration::from_millis(50);
/// A queue that gives nothing for this long is empty.
const EMPTY: Duration = Duration::from_millis(10);
/// Longest time for what waits in a queue when the process drains.
const TAKE_ALONG: Duration = Duration::from_millis(100);
/// Time for those whose handshake is under way when a successor takes over at another address:
/// a long round trip.
const AT_THE_DOOR: Duration = Duration::from_millis(300);

/// Accepts until the phase changes. Connections that wait in the socket's queue by then are taken
/// along, unless a successor listens on the same one: closing the socket would reset them.
pub(crate) async fn run(
    worker: Rc<Worker>,
    mut acceptor: Acceptor,
    listener: Listener,
    tls: Option<Arc<ServerTls>>,
    mut phases: watch::Receiver<Phase>,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            changed = phases.wait_for(|phase| *phase != Phase::Serving) => {
                let (patience, most) = match changed.map(|phase| *phase) {
                    Ok(Phase::HandedOver { given_up }) if !given_up[listener as usize] => return,
                    Ok(Phase::HandedOver { .. }) if acceptor.turn_away().is_ok() => {
                        (AT_THE_DOOR, AT_THE_DOOR)
                    }
                    _ => (EMPTY, TAKE_ALONG),
                };
                take_along(&worker, &mut acceptor, listener, tls.as_ref(), patience, most).await;
                return;
            }
            accepted = async {
                while worker.shared.overload.level() == Level::Closed {
                    tokio::time::sleep(PAUSE).await;
                }
                acceptor.next(|reason| note_refused(&worker, listener, reason)).await
            } => accepted,
        };
        begin(&worker, accepted, listener, tls.as_ref());
    }
}

/// Accepts what is waiting now, until nothing has come for `patience`. A queue that is empty
/// answers at once; the least time is for the runtime's readiness to be told. Callers that keep
/// coming do not keep us: there is an end.
async fn take_along(
    worker: &Rc<Worker>,
    acceptor: &mut Acceptor,
    listener: Listener,
    tls: Option<&Arc<ServerTls>>,
    patience: Duration,
    most: Duration,
) {
    let end = tokio::time::Instant::now() + most;
    while let Ok(accepted) = tokio::time::timeout_at(
        end.min(tokio::time::Instant::now() + patience),
        acceptor.next(|reason| note_refused(worker, listener, reason)),
    )
    .await
    {
        begin(worker, accepted, listener, tls);
    }
}

fn note_refused(worker: &Worker, listener: Listener, reason: TooMany) {
    let reason = match reason {
        TooMany::InAll => Refusal::TooMany,
        TooMany::FromAddress => Refusal::TooManyFromAddress,
    };
    worker.observer.metrics.connection_refused(listener, reason);
}

fn begin(
    worker: &Rc<Worker>,
    accepted: Accepted,
    listener: Listener,
    tls: Option<&Arc<ServerTls>>,
) {
    let open = worker.opened();
    let worker = Rc::clone(worker);
    let Accepted { stream, peer, place } = accepted;
    match tls {
        None => {
            tokio::task::spawn_local(async move {
                let _guards = (open, place);
                let origin = Origin {
                    listener,
                    peer,
                    tls: false,
                    server_name: None,
                    peer_certificate: None,
                };
                let mut gauge = worker.observer.metrics.connection(listener);
                serve_h1::serve(&worker, Conn::new(Stream::Tcp(stream)), origin, &mut gauge).await;
            });
        }
        Some(tls) => {
            let acceptor = tls.acceptor();
            tokio::task::spawn_local(async move {
                let _guards = (open, place);
                let mut gauge = worker.observer.metrics.connection(listener);
                // Boxed, so that the handshake's room is given back when it is over.
                let within = worker.plane().snapshot.limits.tls_handshake;
                let (stream, negotiated) = match Box::pin(acceptor.accept(stream, within)).await {
                    Ok(done) => {
                        worker.observer.metrics.tls_handshake(true);
                        done
                    }
                    Err(error) => {
                        worker.observer.metrics.tls_handshake(false);
                        tracing::debug!(%peer, %error, "a TLS handshake failed");
                        return;
                    }
                };
                let origin = Origin {
                    listener,
                    peer,
                    tls: true,
                    server_name: negotiated.server_name.as_deref().map(Rc::from),
                    peer_certificate: negotiated.peer,
                };
                let stream = Stream::Tls(Box::new(stream.into()));
                match negotiated.alpn {
                    Alpn::Http1 => {
                        serve_h1::serve(&worker, Conn::new(stream), origin, &mut gauge).await;
                    }
                    Alpn::Http2 => {
                        gauge.speaks(Protocol::Http2);
                        serve_h2::serve(&worker, Conn::new(stream), origin).await;
                    }
                }
            });
        }
    }
}
