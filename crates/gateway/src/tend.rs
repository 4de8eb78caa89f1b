//! Tending the upstreams: their names are resolved again and again, and those that are to be asked
//! how they are, are asked.
//!
//! Runs beside the workers, on a thread of its own. It touches a plane's clusters and nothing
//! else; a new plane with other servers ends the tending of the old ones.

use std::{
    collections::HashMap,
    future::poll_fn,
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, Weak},
    task::Poll,
};

use pasarela_model::{ActiveHealth, HttpVersion};
use pasarela_net::{
    conn::Conn,
    dns::{Resolver, keep_resolved},
    h2pool,
    http1::{Head, HeadLimits, ResponseParser},
    pool::{self, Connector},
    timer,
};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    cluster::{Cluster, Endpoint},
    plane::Plane,
};

/// Tends the upstreams of each plane in turn, for as long as there are planes. `resolved` is
/// called once every name of the first plane was looked up, found or not.
pub async fn tend(mut planes: watch::Receiver<Arc<Plane>>, resolved: impl FnOnce()) {
    tokio::task::spawn_local(timer::run());
    let resolver = Resolver::new();
    let mut resolved = Some(resolved);
    loop {
        let plane = planes.borrow_and_update().clone();
        let (mut tasks, first) = names(&plane, &resolver);
        for (api, cluster, connectors) in plane.upstreams() {
            if let Some(active) = cluster.active_health() {
                tasks.push(tokio::task::spawn_local(ask(
                    Arc::downgrade(cluster),
                    connectors.to_vec(),
                    active.clone(),
                    api.upstream.http,
                    format!("{} v{}", api.name, api.version),
                )));
            }
        }
        if let Some(resolved) = resolved.take() {
            for done in first {
                // An error means that the task is gone; there is nothing to wait for then.
                let _ = done.await;
            }
            resolved();
        }
        let over = until_else(&mut planes, plane, Plane::has_the_servers_of).await;
        tasks.into_iter().for_each(|task| task.abort());
        if over {
            return;
        }
    }
}

/// Waits for a plane that is unlike this one; `true`: there will be none. Those that are like it are let go, as this one is.
pub async fn until_else(
    planes: &mut watch::Receiver<Arc<Plane>>,
    mut plane: Arc<Plane>,
    like: impl Fn(&Plane, &Plane) -> bool,
) -> bool {
    loop {
        if planes.changed().await.is_err() {
            return true;
        }
        let next = planes.borrow().clone();
        if !like(&next, &plane) {
            return false;
        }
        plane = next;
    }
}

type FirstAnswers = Vec<tokio::sync::oneshot::Receiver<()>>;

/// One task a name, however many APIs live there.
fn names(plane: &Plane, resolver: &Resolver) -> (Vec<JoinHandle<()>>, FirstAnswers) {
    let mut names: HashMap<String, Vec<(Weak<Cluster>, usize, u16)>> = HashMap::new();
    for (_, cluster, _) in plane.upstreams() {
        for (index, target) in cluster.targets().iter().enumerate() {
            if target.host.parse::<std::net::IpAddr>().is_err() {
                let users = names.entry(target.host.clone()).or_default();
                users.push((Arc::downgrade(cluster), index, target.port));
            }
        }
    }
    let (mut tasks, mut firsts) = (Vec::new(), Vec::new());
    for (name, users) in names {
        let (tell, first) = tokio::sync::oneshot::channel();
        let mut tell = Some(tell);
        let text = name.clone();
        tasks.push(tokio::task::spawn_local(keep_resolved(resolver.clone(), name, move |found| {
            if found.is_empty() {
                tracing::warn!(name = %text, "an upstream's name has no address");
            }
            for (cluster, target, port) in &users {
                if let Some(cluster) = cluster.upgrade() {
                    let addresses: Vec<_> =
                        found.iter().map(|ip| SocketAddr::new(*ip, *port)).collect();
                    cluster.set_addresses(*target, &addresses);
                }
            }
            if let Some(tell) = tell.take() {
                let _ = tell.send(());
            }
        })));
        firsts.push(first);
    }
    (tasks, firsts)
}

/// Asks every server of an API, again and again.
async fn ask(
    cluster: Weak<Cluster>,
    connectors: Vec<Connector>,
    active: ActiveHealth,
    http: HttpVersion,
    api: String,
) {
    let connectors = Rc::new(connectors);
    let mut ticks = tokio::time::interval(active.interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(cluster) = cluster.upgrade() else { return };
        let mut questions = Vec::new();
        for endpoint in cluster.endpoints().iter() {
            let (endpoint, connectors) = (Arc::clone(endpoint), Rc::clone(&connectors));
            let (active, api) = (active.clone(), api.clone());
            questions.push(tokio::task::spawn_local(async move {
                let Some(connector) = connectors.get(endpoint.target) else { return };
                let question = question(&endpoint, connector, &active, http);
                let status = tokio::time::timeout(active.timeout, question).await.ok().flatten();
                let ok = status.is_some_and(|status| (200..400).contains(&status));
                if let Some(change) = endpoint.probe_result(ok) {
                    tracing::warn!(%api, address = %endpoint.address, status, ?change, "a server's health changed");
                }
            }));
        }
        drop(cluster);
        for question in questions {
            let _ = question.await;
        }
    }
}

/// The status of one answer; `None`: there was none.
async fn question(
    endpoint: &Endpoint,
    connector: &Connector,
    active: &ActiveHealth,
    http: HttpVersion,
) -> Option<u16> {
    if http == HttpVersion::Http2 {
        let client = h2pool::connect_h2(endpoint.address, connector).await.ok()?;
        let scheme = if connector.tls.is_some() { "https" } else { "http" };
        let uri = format!("{scheme}://{}{}", endpoint.address, active.path);
        let request = http::Request::get(uri).body(()).ok()?;
        let (answer, _) = client.ready().await.ok()?.send_request(request, true).ok()?;
        return Some(answer.await.ok()?.status().as_u16());
    }
    let mut conn = Conn::new(pool::connect(endpoint.address, connector).await.ok()?);
    let text = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: pasarela-health\r\nConnection: close\r\n\r\n",
        active.path, connector.host
    );
    conn.writer.buffer().extend_from_slice(text.as_bytes());
    let limits = HeadLimits { line: 8 << 10, bytes: 64 << 10, fields: 200 };
    let (mut parser, mut head) = (ResponseParser::default(), Head::default());
    let (mut read, mut write) = conn.halves();
    poll_fn(|cx| {
        if let Poll::Ready(Err(_)) = write.poll_flush(cx, active.timeout) {
            return Poll::Ready(None);
        }
        loop {
            match parser.advance(read.reader.bytes(), &limits, &mut head) {
                Ok(Some(_)) => return Poll::Ready(Some(head.status())),
                Ok(None) => {}
                Err(_) => return Poll::Ready(None),
            }
            match read.poll_fill(cx) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false) | Err(_)) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}
