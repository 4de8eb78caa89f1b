//! Which sockets a process listens on: the predecessor's where the addresses are the same, new
//! ones elsewhere.
//!
//! A socket is taken over for its address, whatever it was for before: a port that changes from
//! one listener to another cannot be opened a second time while the predecessor has it.

use std::net::{SocketAddr, TcpListener};

use anyhow::Context as _;
use pasarela_gateway::observe::Listener;
use pasarela_net::{handover::Inherited, listen};

use crate::config::Settings;

/// Every listener that a configuration wants, the console last.
pub fn wanted(settings: &Settings) -> Vec<(Listener, SocketAddr)> {
    let listen = &settings.listen;
    let mut wanted = vec![(Listener::Gateway, listen.gateway)];
    wanted.extend(listen.tls.map(|address| (Listener::Tls, address)));
    wanted.extend(listen.internal.map(|address| (Listener::Internal, address)));
    wanted.extend(listen.smtp.map(|address| (Listener::Smtp, address)));
    wanted.push((Listener::Console, listen.console));
    wanted
}

/// The sockets for one listener: at least one, and `count` where they are new.
///
/// # Errors
/// When the address cannot be listened on; the text says what to do about it.
pub fn open(
    (listener, address): (Listener, SocketAddr),
    count: usize,
    inherited: Option<&Inherited>,
) -> anyhow::Result<Vec<TcpListener>> {
    let had = inherited.map_or(&[][..], |inherited| &inherited.listeners);
    let mut shares_port = false;
    for (name, sockets) in had {
        let Some(first) = sockets.first() else { continue };
        let theirs = first.local_addr()?;
        if is_same(theirs, address, name == listener.name()) {
            return Ok(sockets.iter().map(TcpListener::try_clone).collect::<Result<_, _>>()?);
        }
        shares_port |= theirs.port() == address.port();
    }
    let opened = match shares_port {
        // The predecessor's 127.0.0.1:8080 is no reason against 0.0.0.0:8080.
        true => listen::bind_beside(address, count),
        false => listen::bind(address, count),
    };
    opened.map_err(|error| {
        let cure = error.cure();
        anyhow::Error::new(error).context(format!("cannot listen; {cure}"))
    })
}

/// Whether a predecessor's socket does for this address. Port 0 stands for any, which the same
/// listener has found already.
fn is_same(theirs: SocketAddr, address: SocketAddr, same_listener: bool) -> bool {
    match address.port() {
        0 => same_listener && theirs.ip() == address.ip(),
        _ => theirs == address,
    }
}

/// The first socket's own address.
///
/// # Errors
/// When there is none.
pub fn address_of(sockets: &[TcpListener]) -> anyhow::Result<SocketAddr> {
    Ok(sockets.first().context("a listener without a socket")?.local_addr()?)
}

/// What the predecessor listened on and nobody does any more.
pub fn given_up<'a>(
    inherited: &'a Inherited,
    kept: &[(Listener, SocketAddr)],
) -> impl Iterator<Item = (&'a str, SocketAddr)> {
    inherited.listeners.iter().filter_map(|(name, sockets)| {
        let address = sockets.first()?.local_addr().ok()?;
        (!kept.iter().any(|(_, own)| *own == address)).then_some((name.as_str(), address))
    })
}
