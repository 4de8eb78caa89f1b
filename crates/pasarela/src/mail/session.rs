//! One client at the door: moves bytes between its socket and the machine that speaks SMTP, and has decided what that asks.

use std::{cell::Cell, net::SocketAddr, rc::Rc, time::Duration};

use pasarela_gateway::Phase;
use pasarela_net::{
    listen::{Accepted, Acceptor},
    smtp::{Event, Offers, Reply, Server},
    stream::Stream,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::watch,
    time::timeout,
};

use super::{Office, counts::Refused, door::Visitor};

/// L30.
const RECIPIENTS: usize = 20;
const ERRORS: u32 = 10;
/// Clients at a time; each may have a message in memory.
const CLIENTS: usize = 100;
/// How long a dialogue may last, however much is said in it.
const SESSION: Duration = Duration::from_secs(600);
/// How long a handshake may take (L1).
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Accepts until the phase changes.
pub(super) async fn accept(
    office: Rc<Office>,
    mut acceptor: Acceptor,
    mut phases: watch::Receiver<Phase>,
) {
    let clients = Rc::new(Cell::new(0));
    loop {
        let accepted = tokio::select! {
            biased;
            _ = phases.wait_for(|phase| *phase != Phase::Serving) => return,
            accepted = acceptor.next(|_| office.counts.refuse(Refused::Busy)) => accepted,
        };
        let Accepted { stream, peer, place } = accepted;
        let (office, phases, clients) = (Rc::clone(&office), phases.clone(), Rc::clone(&clients));
        tokio::task::spawn_local(async move {
            let _place = place;
            clients.set(clients.get() + 1);
            let crowded = clients.get() > CLIENTS;
            let _ = timeout(SESSION, serve(&office, stream, peer, phases, crowded)).await;
            clients.set(clients.get() - 1);
        });
    }
}

async fn serve(
    office: &Office,
    tcp: TcpStream,
    peer: SocketAddr,
    mut phases: watch::Receiver<Phase>,
    crowded: bool,
) {
    let open_login = office.settings.open_login.iter().any(|network| network.contains(peer.ip()));
    let mut server = Server::new(Offers {
        name: office.name.clone(),
        tls: office.tls.is_some(),
        open_login,
        bytes: usize::try_from(office.settings.message_bytes).unwrap_or(usize::MAX),
        recipients: RECIPIENTS,
        errors: ERRORS,
    });
    let mut visitor = Visitor { peer, application: None };
    let mut stream = Stream::Tcp(tcp);
    if crowded {
        office.counts.refuse(Refused::Busy);
        server.output().clear();
        server.give_up(&Reply::new(421, "4.3.2", "Too many are here; try again later"));
    }
    let mut room = vec![0; 16 << 10];
    let mut leaving = false;
    loop {
        while let Some(event) = server.advance() {
            match event {
                Event::Recipient(address) => {
                    let reply = office.recipient(&visitor, server.sender(), &address);
                    server.settle(reply);
                }
                Event::Login { user, password } => {
                    let reply = office.login(&mut visitor, &user, &password);
                    server.settle(reply);
                }
                Event::Letter(letter) => {
                    let reply = office.keep(&visitor, letter).await;
                    server.settle(reply);
                }
                Event::StartTls => {
                    let Some(secured) = secured(office, stream, &mut server).await else { return };
                    stream = secured;
                    visitor.application = None;
                    server.secured();
                }
                Event::Close => {
                    if server.was_smuggled() {
                        office.counts.refuse(Refused::Smuggling);
                        tracing::warn!(%peer, "a client ends lines as nobody may");
                    }
                    let _ = said(&mut stream, &mut server, office.settings.idle).await;
                    let _ = stream.shutdown().await;
                    return;
                }
            }
        }
        if said(&mut stream, &mut server, office.settings.idle).await.is_none() {
            return;
        }
        let read = tokio::select! {
            read = timeout(office.settings.idle, stream.read(&mut room)) => read,
            _ = phases.wait_for(|phase| *phase != Phase::Serving), if !leaving => {
                leaving = true;
                if !server.is_in_text() {
                    server.give_up(&Reply::new(421, "4.3.2", "The server is going; try again"));
                }
                continue;
            }
        };
        match read {
            Ok(Ok(length)) if length > 0 => server.feed(room.get(..length).unwrap_or_default()),
            Ok(_) => return,
            Err(_) => server.give_up(&Reply::new(421, "4.4.2", "Nothing was said for too long")),
        }
    }
}

/// Sends what is to be said; `None` when nobody listens any more.
async fn said(stream: &mut Stream, server: &mut Server, patience: Duration) -> Option<()> {
    let out = std::mem::take(server.output());
    if out.is_empty() {
        return Some(());
    }
    let sent = async {
        stream.write_all(&out).await?;
        stream.flush().await
    };
    timeout(patience, sent).await.ok()?.ok()
}

/// Goes over to TLS. What is still in the socket belongs to the handshake.
async fn secured(office: &Office, mut stream: Stream, server: &mut Server) -> Option<Stream> {
    said(&mut stream, server, office.settings.idle).await?;
    let (Stream::Tcp(tcp), Some(tls)) = (stream, &office.tls) else { return None };
    match tls.acceptor().accept(tcp, HANDSHAKE).await {
        Ok((stream, _)) => Some(Stream::Tls(Box::new(stream.into()))),
        Err(error) => {
            tracing::debug!(%error, "a TLS handshake of a mail client failed");
            None
        }
    }
}
