//! The process's own log: what it does and why it cannot, on standard error.
//!
//! Text for people, or one JSON object a line with `--log-format json`. An event is formatted on
//! the thread it happens on and handed to a thread that writes; when that is stuck (a paused pipe,
//! a full disk) events are dropped and counted, and nobody waits (reliability reference, F20).
//! An event is one line whatever is in it: control characters are escaped (T56).

use std::{
    io::{self, IsTerminal as _, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter, layer::SubscriberExt as _};

/// How the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one flat JSON object a line.
    Json,
}

/// Events under way to the writer, at most.
const MOST_EVENTS: usize = 4096;
/// Bytes of them, at most.
const MOST_BYTES: usize = 1 << 20;
/// How long the end of the process waits for the last events.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Starts logging for the whole process. Keep the guard until the end: it waits for the last
/// events. `filter` is a level (`debug`: of our own code, others stay at `info`) or directives as
/// the `tracing` ecosystem writes them (`info,h2=debug`).
///
/// # Errors
/// When the filter cannot be read, logging was started already, or the thread does not start.
pub fn init(format: LogFormat, filter: &str) -> anyhow::Result<LogGuard> {
    let stderr = io::stderr();
    let colours = stderr.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (subscriber, guard) = subscriber(format, filter, colours, Box::new(stderr))?;
    tracing::subscriber::set_global_default(subscriber).context("logging was started already")?;
    Ok(guard)
}

fn subscriber(
    format: LogFormat,
    filter: &str,
    colours: bool,
    out: Box<dyn Write + Send>,
) -> anyhow::Result<(Box<dyn Subscriber + Send + Sync>, LogGuard)> {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(directives(filter))
        .map_err(|_| {
            anyhow!(
                "`{filter}` is no log level: write error, warn, info, debug or trace, or a list such \
                 as info,pasarela_net=debug"
            )
        })?;
    let (outlet, guard) = Outlet::start(out, format == LogFormat::Text && !colours)?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_target(false);
    let subscriber: Box<dyn Subscriber + Send + Sync> = match format {
        LogFormat::Text => Box::new(registry.with(layer.with_ansi(colours).with_writer(outlet))),
        LogFormat::Json => {
            let layer = layer.json().flatten_event(true);
            let layer = layer.with_current_span(false).with_span_list(false);
            Box::new(registry.with(layer.with_writer(outlet)))
        }
    };
    Ok((subscriber, guard))
}

/// A bare level means our own code: libraries at `debug` are noise, and some would write header
/// fields there, which may be secret (T55).
fn directives(filter: &str) -> String {
    match filter.trim().to_ascii_lowercase().as_str() {
        level @ ("debug" | "trace") => format!("info,pasarela={level}"),
        _ => filter.trim().to_owned(),
    }
}

/// Where formatted events go in.
#[derive(Clone)]
struct Outlet {
    to: SyncSender<Message>,
    shared: Arc<Shared>,
    /// Escape whatever a terminal might obey; off where we send colours ourselves.
    escape_all: bool,
}

#[derive(Default)]
struct Shared {
    bytes: AtomicUsize,
    dropped: AtomicU64,
}

enum Message {
    Event(Vec<u8>),
    Flush(SyncSender<()>),
}

/// Waits for the last events when dropped, for a second at most.
pub struct LogGuard {
    to: SyncSender<Message>,
    shared: Arc<Shared>,
}

impl LogGuard {
    /// Events dropped so far.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Relaxed)
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let (done, wait) = sync_channel(1);
        if self.to.try_send(Message::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(LAST_WORDS);
        }
    }
}

impl Outlet {
    fn start(out: Box<dyn Write + Send>, escape_all: bool) -> io::Result<(Self, LogGuard)> {
        let (to, inbox) = sync_channel(MOST_EVENTS);
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        thread::Builder::new().name("log".into()).spawn(move || write(&inbox, out, &writer))?;
        let guard = LogGuard { to: to.clone(), shared: Arc::clone(&shared) };
        Ok((Self { to, shared, escape_all }, guard))
    }

    fn send(&self, event: &[u8]) {
        let event = one_line(event, self.escape_all);
        let length = event.len();
        // Racing threads may pass the bound by an event each; what matters is that there is one.
        let fits = self.shared.bytes.load(Relaxed) + length <= MOST_BYTES;
        self.shared.bytes.fetch_add(length, Relaxed);
        if !fits || self.to.try_send(Message::Event(event)).is_err() {
            self.shared.bytes.fetch_sub(length, Relaxed);
            self.shared.dropped.fetch_add(1, Relaxed);
        }
    }
}

impl<'a> MakeWriter<'a> for Outlet {
    type Writer = Event<'a>;

    fn make_writer(&'a self) -> Event<'a> {
        Event(self)
    }
}

/// Takes one event: the formatter writes each in one piece.
struct Event<'a>(&'a Outlet);

impl Write for Event<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An event as one line: what would end it early or move a cursor is escaped.
fn one_line(event: &[u8], escape_all: bool) -> Vec<u8> {
    let body = event.strip_suffix(b"\n").unwrap_or(event);
    let text = String::from_utf8_lossy(body);
    let hostile = |character: char| match character {
        '\n' | '\r' => true,
        character => escape_all && character.is_control(),
    };
    if !text.contains(hostile) {
        return event.to_vec();
    }
    let mut line = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if hostile(character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line.push('\n');
    line.into_bytes()
}

/// The thread that writes. Ends with the process, or when every outlet and guard is gone.
fn write(inbox: &Receiver<Message>, mut out: Box<dyn Write + Send>, shared: &Shared) {
    let mut reported = 0;
    let mut torn = false;
    while let Ok(message) = inbox.recv() {
        let event = match message {
            Message::Event(event) => event,
            Message::Flush(done) => {
                let _ = done.try_send(());
                continue;
            }
        };
        shared.bytes.fetch_sub(event.len(), Relaxed);
        // After a write that failed half-way the next event begins on a line of its own.
        let written = if torn { out.write_all(b"\n") } else { Ok(()) }
            .and_then(|()| out.write_all(&event))
            .and_then(|()| out.flush());
        torn = written.is_err();
        if torn {
            shared.dropped.fetch_add(1, Relaxed);
            continue;
        }
        let dropped = shared.dropped.load(Relaxed);
        if dropped > reported {
            tracing::warn!(count = dropped - reported, "log events were dropped");
            reported = dropped;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Condvar, Mutex},
        time::Instant,
    };

    use serde_json::Value;

    use super::*;

    /// A standard error that a test can pause and read.
    #[derive(Clone, Default)]
    struct Pipe(Arc<(Mutex<Script>, Condvar)>);

    #[derive(Default)]
    struct Script {
        written: Vec<u8>,
        paused: bool,
    }

    impl Pipe {
        fn pause(&self, paused: bool) {
            self.0.0.lock().unwrap().paused = paused;
            self.0.1.notify_all();
        }

        fn lines(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.0.lock().unwrap().written.clone()).unwrap();
            text.lines().map(str::to_owned).collect()
        }
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut state = self.0.0.lock().unwrap();
            while state.paused {
                state = self.0.1.wait(state).unwrap();
            }
            state.written.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Runs something with a log and gives back the lines and the number dropped.
    fn logged(format: LogFormat, filter: &str, run: impl FnOnce(&Pipe)) -> (Vec<String>, u64) {
        let pipe = Pipe::default();
        let (subscriber, guard) =
            subscriber(format, filter, false, Box::new(pipe.clone())).unwrap();
        tracing::subscriber::with_default(subscriber, || run(&pipe));
        let dropped = guard.dropped();
        drop(guard);
        (pipe.lines(), dropped)
    }

    #[test]
    fn a_json_event_is_one_flat_object() {
        let (lines, _) = logged(LogFormat::Json, "info", |_| {
            tracing::info!(listener = "gateway", address = %"127.0.0.1:8080", "listening");
            tracing::debug!("unheard");
        });
        let value: Value = serde_json::from_str(&lines.join("")).unwrap();
        assert_eq!(value["message"], "listening");
        assert_eq!(value["listener"], "gateway");
        assert_eq!(value["address"], "127.0.0.1:8080");
        assert_eq!(value["level"], "INFO");
        let timestamp = value["timestamp"].as_str().unwrap();
        assert!(timestamp.len() == 27 && timestamp.ends_with('Z'), "{timestamp}");
        assert_eq!(value.as_object().unwrap().len(), 5);
    }

    #[test]
    fn t56_an_event_is_one_line_and_speaks_to_no_terminal() {
        let hostile = "a\r\nINFO forged\x1b[2J\u{9b}31m";
        for format in [LogFormat::Text, LogFormat::Json] {
            let (lines, _) = logged(format, "info", |_| {
                tracing::info!(path = %hostile, "{hostile}");
            });
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(!lines[0].contains('\x1b'), "{lines:?}");
            if format == LogFormat::Text {
                assert!(!lines[0].contains(char::is_control), "{lines:?}");
            }
        }
    }

    #[test]
    fn t55_a_bare_level_means_our_own_code() {
        let (lines, _) = logged(LogFormat::Text, "debug", |_| {
            tracing::debug!(target: "pasarela_gateway::route", "ours");
            tracing::debug!(target: "h2::codec", "authorization: canary");
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("ours"), "{lines:?}");
        assert!(subscriber(LogFormat::Text, "a=b=c", false, Box::new(io::sink())).is_err());
    }

    #[test]
    fn f20_a_paused_reader_stops_nobody_and_what_does_not_fit_is_counted() {
        let started = Instant::now();
        let mut heard = 0;
        let (lines, dropped) = logged(LogFormat::Text, "info", |pipe| {
            pipe.pause(true);
            for n in 0..3 * MOST_EVENTS {
                tracing::info!(n, "{}", "x".repeat(300));
            }
            pipe.pause(false);
            heard = 3 * MOST_EVENTS;
        });
        assert!(started.elapsed() < Duration::from_secs(20));
        assert!(dropped > 0);
        // Bounded in bytes before it is in events.
        assert!(lines.len() * 300 <= MOST_BYTES, "{}", lines.len());
        assert_eq!(lines.len() as u64 + dropped, heard as u64);
    }
}
