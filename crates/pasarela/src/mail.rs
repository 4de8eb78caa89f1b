//! SOAP by mail: the SMTP listener, the queue of calls that letters become, and the answers that go out by a relay.
//!
//! ```text
//!  sender ─SMTP─▶ session ─▶ store (calls) ─▶ calls ─▶ a worker of the gateway ─▶ service
//!                   250 ◀──── committed         └────▶ store (answers) ─▶ relay ─SMTP─▶ sender
//! ```
//!
//! One thread, with a worker of the gateway on it: letters cost the callers over HTTP nothing but what they share. Nothing is
//! acknowledged before it is kept, and a call and its answer are done in one transaction; what a crash leaves in between is taken
//! up again ([ADR 0020](../../../docs/adr/0020-soap-by-mail.md)).

mod calls;
mod counts;
mod door;
mod outgoing;
mod reply;
mod session;

use std::{
    net::TcpListener,
    rc::Rc,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Context as _;
use pasarela_gateway::{Phase, Plane, Shared, inside, observe::Listener};
use pasarela_net::{
    listen::Acceptor,
    smtp::{Login, Route},
    tls::{ClientTls, ServerTls},
};
use pasarela_store::Store;
use tokio::{
    runtime::{Builder, LocalOptions},
    sync::{Notify, watch},
    time::timeout,
};

pub(crate) use counts::Counts;

use crate::{
    admin::Desk,
    config::{self, Encryption, Mail, Settings},
};

/// Calls and answers of one process that are under way at a time.
const AT_A_TIME: i64 = 16;
/// What is taken is ours for so long, unless we say that we are still at it.
const HOLD: Duration = Duration::from_secs(10);
/// How often we say so, and look at what waits.
const UPKEEP: Duration = Duration::from_secs(3);
/// How often it is asked what is due.
const LOOK: Duration = Duration::from_secs(1);

/// What all parts of it share.
struct Office {
    settings: Mail,
    /// What we call ourselves.
    name: String,
    /// Names this life of the process in the store.
    holder: String,
    desk: Desk,
    shared: Arc<Shared>,
    planes: watch::Receiver<Arc<Plane>>,
    caller: inside::Caller,
    tls: Option<Arc<ServerTls>>,
    route: Option<Route>,
    counts: Arc<Counts>,
    /// A letter was kept.
    kept: Notify,
    /// An answer was written.
    written: Notify,
}

impl Office {
    fn plane(&self) -> Arc<Plane> {
        Arc::clone(&self.planes.borrow())
    }

    /// `None` while it is not open.
    fn store(&self) -> Option<Store> {
        self.desk.get().map(|control| control.store().clone())
    }
}

/// What is needed beside the settings.
pub(crate) struct Parts {
    /// The listening socket.
    pub(crate) socket: TcpListener,
    /// Where the store is.
    pub(crate) desk: Desk,
    /// What workers share.
    pub(crate) shared: Arc<Shared>,
    /// Configurations.
    pub(crate) planes: watch::Receiver<Arc<Plane>>,
    /// Whether the process serves.
    pub(crate) phases: watch::Receiver<Phase>,
    /// For STARTTLS.
    pub(crate) tls: Option<Arc<ServerTls>>,
    /// The number of the thread's worker.
    pub(crate) index: usize,
    /// What is counted.
    pub(crate) counts: Arc<Counts>,
}

/// Starts the thread.
///
/// # Errors
/// When the relay's TLS cannot be used, or the machine has no name and none is given.
pub(crate) fn start(settings: &Settings, parts: Parts) -> anyhow::Result<JoinHandle<()>> {
    let mail = settings.mail.clone();
    let name = mail.name.clone().unwrap_or_else(machine);
    let route = mail.relay.as_ref().map(|relay| route(relay, &name)).transpose()?;
    if route.is_none() {
        tracing::warn!("letters are taken, but nothing is answered: `mail` has no `relay`");
    }
    let mut life = [0; 8];
    rustix::rand::getrandom(&mut life, rustix::rand::GetRandomFlags::empty())
        .context("the system gives no random numbers")?;
    let (caller, calls) = inside::pair(usize::try_from(AT_A_TIME).unwrap_or(16));
    let Parts { socket, desk, shared, planes, phases, tls, index, counts } = parts;
    let thread = thread::Builder::new().name("mail".to_owned()).spawn(move || {
        let office = Office {
            holder: format!("{name} {:016x}", u64::from_le_bytes(life)),
            settings: mail,
            name,
            desk,
            shared,
            planes,
            caller,
            tls,
            route,
            counts,
            kept: Notify::new(),
            written: Notify::new(),
        };
        match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime.block_on(run(Rc::new(office), socket, calls, index, phases)),
            Err(error) => tracing::error!(%error, "the runtime for mail does not start"),
        }
    });
    thread.context("the thread for mail does not start")
}

async fn run(
    office: Rc<Office>,
    socket: TcpListener,
    calls: inside::Calls,
    index: usize,
    phases: watch::Receiver<Phase>,
) {
    let (shared, planes) = (Arc::clone(&office.shared), office.planes.clone());
    let worker = tokio::task::spawn_local(pasarela_gateway::run(
        index,
        shared,
        planes,
        Vec::new(),
        Some(calls),
        phases.clone(),
    ));
    match Acceptor::new(socket, Arc::clone(&office.shared.connections)) {
        Ok(acceptor) => {
            let accepting = session::accept(Rc::clone(&office), acceptor, phases.clone());
            tokio::task::spawn_local(accepting);
        }
        Err(error) => {
            tracing::error!(%error, listener = Listener::Smtp.name(), "a socket cannot be accepted from");
        }
    }
    let upkeep = tokio::task::spawn_local(calls::upkeep(Rc::clone(&office)));
    let sending = tokio::task::spawn_local(outgoing::run(Rc::clone(&office), phases.clone()));
    let calling = tokio::task::spawn_local(calls::run(Rc::clone(&office), phases));
    let _ = worker.await;
    // What the last calls led to is written down; letters on their way in and out are given a moment.
    let _ = timeout(HOLD, calling).await;
    let _ = timeout(Duration::from_secs(2), sending).await;
    upkeep.abort();
}

/// The machine's own name, which a letter's Message-ID can have.
fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim().to_ascii_lowercase();
    match pasarela_model::is_domain(&name) {
        true => name,
        false => "localhost".to_owned(),
    }
}

fn route(relay: &config::Relay, name: &str) -> anyhow::Result<Route> {
    let tls = match relay.encryption {
        Encryption::Off => None,
        Encryption::AtOnce | Encryption::StartTls => {
            Some(ClientTls::for_mail(&relay.tls).context("the relay's TLS cannot be used")?)
        }
    };
    let tls_at_once = relay.encryption == Encryption::AtOnce;
    let login = relay.url.user.clone().zip(relay.password.clone());
    Ok(Route {
        host: relay.url.host.clone(),
        port: relay.url.port.unwrap_or(if tls_at_once { 465 } else { 587 }),
        tls_at_once,
        tls,
        login: login.map(|(user, password)| Login { user, password }),
        name: name.to_owned(),
    })
}

/// How long after the `tries`-th failure something is tried again: a second, twice that, up to a quarter of an hour.
fn pause(tries: i64) -> Duration {
    let doublings = u32::try_from(tries.clamp(1, 11) - 1).unwrap_or(0);
    Duration::from_secs(1 << doublings).min(Duration::from_secs(900))
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// 128 random bits.
fn chance() -> u128 {
    let mut bytes = [0; 16];
    // A system without randomness did not let us start.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u128::from_le_bytes(bytes)
}

fn new_id() -> pasarela_model::LetterId {
    let [random @ .., _, _, _, _, _, _] = chance().to_le_bytes();
    pasarela_model::Id::new(crate::admin::now(), random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_quarter_of_an_hour() {
        let seconds = [0, 1, 2, 3, 10, 11, 1_000_000].map(|tries| pause(tries).as_secs());
        assert_eq!(seconds, [1, 1, 2, 4, 512, 900, 900]);
    }
}
