//! Steady load from a few keep-alive connections that counts every failure.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::RawClient;

/// Clients that ask one after another until told to stop.
pub struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    failures: Arc<Mutex<Vec<String>>>,
    threads: Vec<JoinHandle<()>>,
}

/// What a load saw.
#[derive(Debug)]
pub struct LoadReport {
    /// Requests answered as expected.
    pub done: u64,
    /// Everything else, one line each.
    pub failures: Vec<String>,
}

impl Load {
    /// Starts `clients` connections that send this request and expect `200` and this body. Each
    /// takes a new connection only when the gateway has said that it closes.
    pub fn start(address: SocketAddr, clients: usize, request: &str, body: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let done = Arc::new(AtomicU64::new(0));
        let failures: Arc<Mutex<Vec<String>>> = Arc::default();
        let begin = Instant::now();
        let client = |_| {
            let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
            let failures = Arc::clone(&failures);
            let (request, body) = (request.to_owned(), body.to_owned());
            std::thread::spawn(move || {
                let mut connection = None;
                while !stop.load(Ordering::Relaxed) {
                    match ask(address, &mut connection, &request, &body) {
                        Ok(()) => {
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(what) => {
                            connection = None;
                            let line = format!("after {:?}: {what}", begin.elapsed());
                            failures.lock().expect("no panic under the lock").push(line);
                            std::thread::sleep(Duration::from_millis(20));
                        }
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
            })
        };
        let threads = (0..clients).map(client).collect();
        Self { stop, done, failures, threads }
    }

    /// Requests answered so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Stops and reports.
    pub fn stop(mut self) -> LoadReport {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a client does not panic");
        }
        let failures = std::mem::take(&mut *self.failures.lock().expect("no panic under the lock"));
        LoadReport { done: self.done(), failures }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn ask(
    address: SocketAddr,
    connection: &mut Option<RawClient>,
    request: &str,
    body: &str,
) -> Result<(), String> {
    let mut client = match connection.take() {
        Some(client) => client,
        None => RawClient::try_connect(address).map_err(|error| format!("connecting: {error}"))?,
    };
    client.try_send(request).map_err(|error| format!("sending: {error}"))?;
    let method = request.split(' ').next().unwrap_or_default();
    let response = client.try_response(method).map_err(|fault| fault.to_string())?;
    if response.status != 200 || response.body != body.as_bytes() {
        return Err(response.brief());
    }
    if !response.closes() {
        *connection = Some(client);
    }
    Ok(())
}
