//! What is seen of the gateway from outside: access log, metrics, traces, request ids.
//!
//! The path of a request touches none of it except here: at its start a worker's [`Observer`]
//! gives an id and a place in a trace, at its end `record` shows it one [`Fact`]. Everything a
//! worker touches is its own; what leaves it goes in batches through bounded buffers, so neither a
//! full disk nor a dead collector nor a scrape can make a request wait (reliability reference,
//! F20). Decisions take the time as an argument; nothing here reads a clock or draws a number
//! except at the start and for the figures of `/proc`.
//!
//! Read `fact` first, then `access_log`; `outbox` is what log and spans have in common.

mod access_log;
mod fact;
mod line;
mod metrics;
mod outbox;
mod process;
mod request_id;
mod trace;

use std::{fmt::Write as _, io, sync::Arc, time::Duration};

pub use access_log::{AccessLog, AccessLogWriter, AccessTarget};
pub use fact::{Fact, FactApi, FactUpstream, Facts, Listener, Protocol};
pub(crate) use line::write_ip;
pub use metrics::{
    ConnectionGauge, Direction, Metrics, Refusal, Shed, Slot, UpstreamFailure, WorkerMetrics,
};
pub use outbox::Parcel;
pub use request_id::{RequestId, RequestIds};
pub use trace::{
    ExportCounts, SpanEvent, SpanId, SpanInbox, TRACEPARENT_BYTES, Trace, TraceId, TraceParent,
    TraceSettings, Tracer, Traces, join_tracestate,
};

/// What observability needs to know at the start of the process.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where access lines go.
    pub access: AccessTarget,
    /// L47: bytes between the workers and the log's writer.
    pub ring_bytes: usize,
    /// Which traces are kept; `None`: trace fields pass untouched.
    pub traces: Option<TraceSettings>,
    /// How many workers there will be.
    pub workers: usize,
    /// Random, drawn once by this process.
    pub boot: u128,
}

/// The process's half: shared by all workers, read by the console.
#[derive(Debug)]
pub struct Observability {
    log: AccessLogWriter,
    metrics: Metrics,
    traces: Option<Traces>,
    boot: u128,
}

impl Observability {
    /// Opens the log and makes room for everything. The inbox is the span exporter's.
    ///
    /// # Errors
    /// When the access log cannot be opened.
    pub fn open(settings: &Settings) -> io::Result<(Arc<Self>, Option<SpanInbox>)> {
        let log = AccessLogWriter::open(&settings.access, settings.ring_bytes, settings.workers)?;
        let (traces, inbox) =
            settings.traces.map(|traces| Traces::new(traces, settings.workers)).unzip();
        let all = Self { log, metrics: Metrics::new(), traces, boot: settings.boot };
        Ok((Arc::new(all), inbox))
    }

    /// A worker's half; call it on the worker's own thread, once for each of 0 to `workers`.
    pub fn worker(&self, index: usize) -> Observer {
        let seed = mix((self.boot as u64) ^ mix(((self.boot >> 64) as u64) ^ !(index as u64)));
        Observer {
            log: self.log.worker(),
            metrics: self.metrics.worker(),
            tracer: self.traces.as_ref().map(|traces| traces.worker(seed)),
            ids: RequestIds::new(self.boot, index),
        }
    }

    /// The counters that the process and not a worker keeps, and the places of APIs.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Opens the access log's file anew (SIGHUP).
    pub fn reopen(&self) {
        self.log.reopen();
    }

    /// At the end, once the workers are gone: waits for the log's writer and the exporter, at most
    /// this long for each. `false`: something was still under way.
    pub fn flush(&self, most: Duration) -> bool {
        let written = self.log.flush(most);
        let exported = self.traces.as_ref().is_none_or(|traces| traces.flush(most));
        written && exported
    }

    /// Everything `/metrics` answers, in the Prometheus text format 0.0.4. Reads `/proc`: not for
    /// a worker's thread.
    pub fn render(&self) -> String {
        let mut out = self.metrics.render();
        metrics::family(
            &mut out,
            "pasarela_access_log_dropped_total",
            "counter",
            "Access log lines that were dropped because the writer was stuck.",
        );
        let _ = writeln!(out, "pasarela_access_log_dropped_total {}", self.log.dropped());
        if let Some(traces) = &self.traces {
            metrics::family(
                &mut out,
                "pasarela_traces_dropped_total",
                "counter",
                "Sampled exchanges whose spans were dropped.",
            );
            let _ = writeln!(out, "pasarela_traces_dropped_total {}", traces.dropped());
            metrics::family(
                &mut out,
                "pasarela_traces_exported_total",
                "counter",
                "Sampled exchanges whose spans the collector took.",
            );
            let _ = writeln!(out, "pasarela_traces_exported_total {}", traces.exported());
        }
        process::render(&mut out);
        out
    }
}

/// A worker's half. Never leaves its thread, never waits, and allocates nothing once it is warm.
#[derive(Debug)]
pub struct Observer {
    /// Access lines.
    pub log: AccessLog,
    /// Counters.
    pub metrics: WorkerMetrics,
    /// Traces; `None`: not configured, leave `traceparent` and `tracestate` alone.
    pub tracer: Option<Tracer>,
    /// Request ids.
    pub ids: RequestIds,
}

impl Observer {
    /// Records a finished exchange everywhere. Call it exactly once for each
    /// [`WorkerMetrics::started`].
    pub fn record(&self, fact: &Fact<'_>) {
        self.metrics.record(fact);
        self.log.record(fact);
        if let Some(tracer) = &self.tracer {
            tracer.record(fact);
        }
    }

    /// Sends on what has gathered; call it at least every 100 ms.
    pub fn tick(&self) {
        self.log.tick();
        if let Some(tracer) = &self.tracer {
            tracer.tick();
        }
    }
}

/// Scatters a number over 64 bits without mapping two numbers to one: multiplications by odd
/// numbers and xors with a shifted self can all be undone (the finalizer of SplitMix64).
fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
