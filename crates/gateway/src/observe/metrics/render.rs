//! A scrape: the workers' counters added up and written in the Prometheus text format 0.0.4.

use std::{
    fmt::Write as _,
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
};

use pasarela_model::Code;

use super::{
    ApiCounters, BUCKETS, CLASSES, Counter, Direction, ENDS, ListenerCounters, Metrics, Names,
    PROTOCOLS, Refusal, Shard, Shed, Slot, UpstreamFailure, class,
};
use crate::observe::fact::Listener;

impl Metrics {
    /// What [`Observability::render`](crate::observe::Observability::render) answers, as far as it is
    /// counted here.
    pub fn render(&self) -> String {
        let shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let apis = self.api_totals(&shards);
        let mut out = String::with_capacity(4096 + apis.len() * 3072);
        render_apis(&mut out, &apis);
        render_listeners(&mut out, &shards);
        self.render_process(&mut out, &shards);
        out
    }

    fn api_totals(&self, shards: &[Arc<Shard>]) -> Vec<ApiTotals> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = Slot::FIRST as usize + names.in_order.len();
        let seen = (0..slots).filter_map(|slot| {
            let mut totals: Option<ApiTotals> = None;
            let used = shards.iter().filter_map(|shard| shard.seen(slot));
            for counters in used.filter(|counters| counters.is_used()) {
                totals.get_or_insert_with(|| ApiTotals::named(names.labels(slot))).add(counters);
            }
            totals
        });
        seen.collect()
    }

    fn render_process(&self, out: &mut String, shards: &[Arc<Shard>]) {
        let sum = |of: fn(&Shard) -> &Counter| shards.iter().map(|s| of(s).get()).sum::<u64>();
        // Ends are read before beginnings, so that the difference cannot be negative.
        let finished = sum(|shard| &shard.finished);
        let started = sum(|shard| &shard.started);
        let mut one = |name: &str, kind: &str, help: &str, value: u64| {
            family(out, name, kind, help);
            let _ = writeln!(out, "{name} {value}");
        };
        one(
            "pasarela_requests_in_flight",
            "gauge",
            "Requests being served now.",
            started.saturating_sub(finished),
        );
        one(
            "pasarela_upstream_connections_total",
            "counter",
            "Connections made to upstreams; requests beyond them reused one.",
            sum(|shard| &shard.upstream_connections),
        );
        one(
            "pasarela_config_generation",
            "gauge",
            "Number of the configuration that serves.",
            self.generation.load(Relaxed),
        );
        one(
            "pasarela_overload_level",
            "gauge",
            "Memory pressure: 0 none, 1 no keep-alive, 2 requests are refused, 3 no new connections.",
            self.overload.load(Relaxed),
        );
        family(
            out,
            "pasarela_shed_total",
            "counter",
            "Requests refused to protect the process or an upstream, by reason.",
        );
        for (place, (_, reason)) in Shed::ALL.iter().enumerate() {
            let count: u64 = shards.iter().map(|shard| shard.shed[place].get()).sum();
            let _ = writeln!(out, "pasarela_shed_total{{reason=\"{reason}\"}} {count}");
        }
        family(
            out,
            "pasarela_tls_handshakes_total",
            "counter",
            "TLS handshakes with callers, by result.",
        );
        let (ok, failed) =
            (sum(|shard| &shard.handshakes_ok), sum(|shard| &shard.handshakes_failed));
        by_result(out, "pasarela_tls_handshakes_total", ok, failed);
        family(
            out,
            "pasarela_config_reloads_total",
            "counter",
            "Configurations read anew, by result; a refused one leaves the old one serving.",
        );
        let (ok, failed) = (self.reloads_ok.load(Relaxed), self.reloads_failed.load(Relaxed));
        by_result(out, "pasarela_config_reloads_total", ok, failed);
        family(out, "pasarela_build_info", "gauge", "Always 1; the labels tell what runs.");
        let version = env!("CARGO_PKG_VERSION");
        let _ = writeln!(out, "pasarela_build_info{{version=\"{version}\"}} 1");
    }
}

impl Names {
    fn labels(&self, slot: usize) -> String {
        if slot == Slot::OTHERS.0 as usize {
            return r#"api="(others)",version="""#.into();
        }
        match slot.checked_sub(Slot::FIRST as usize).and_then(|index| self.in_order.get(index)) {
            Some((name, version)) => {
                format!(r#"api="{}",version="{version}""#, escape_label(name))
            }
            None => r#"api="",version="""#.into(),
        }
    }
}

fn by_result(out: &mut String, name: &str, ok: u64, failed: u64) {
    let _ = writeln!(out, "{name}{{result=\"ok\"}} {ok}");
    let _ = writeln!(out, "{name}{{result=\"failed\"}} {failed}");
}

/// One API's counters, summed over the workers.
struct ApiTotals {
    labels: String,
    ends: [u64; ENDS],
    buckets: [u64; BUCKETS.len() + 1],
    duration_us: u64,
    bytes_in: u64,
    bytes_out: u64,
    aborted: u64,
    retries: u64,
    ejections: u64,
    beyond_quota: u64,
    queued: u64,
    unqueued: u64,
    queued_us: u64,
    invalid: [u64; Direction::ALL.len()],
    failures: [u64; UpstreamFailure::ALL.len()],
}

impl ApiTotals {
    fn named(labels: String) -> Self {
        Self {
            labels,
            ends: [0; ENDS],
            buckets: [0; BUCKETS.len() + 1],
            duration_us: 0,
            bytes_in: 0,
            bytes_out: 0,
            aborted: 0,
            retries: 0,
            ejections: 0,
            beyond_quota: 0,
            queued: 0,
            unqueued: 0,
            queued_us: 0,
            invalid: [0; Direction::ALL.len()],
            failures: [0; UpstreamFailure::ALL.len()],
        }
    }

    fn add(&mut self, counters: &ApiCounters) {
        fn each(totals: &mut [u64], counters: &[Counter]) {
            for (total, counter) in totals.iter_mut().zip(counters) {
                *total += counter.get();
            }
        }
        let (classes, problems) = self.ends.split_at_mut(CLASSES.len());
        for (class, total) in classes.iter_mut().enumerate() {
            *total += counters.class(class).map_or(0, Counter::get);
        }
        each(problems, &counters.problems);
        each(&mut self.buckets, &counters.buckets);
        each(&mut self.failures, &counters.failures);
        self.duration_us += counters.duration_us.get();
        self.bytes_in += counters.bytes_in.get();
        self.bytes_out += counters.bytes_out.get();
        self.aborted += counters.aborted.get();
        self.retries += counters.retries.get();
        self.ejections += counters.ejections.get();
        self.beyond_quota += counters.beyond_quota.get();
        // Ends are read before beginnings, so that the difference cannot be negative.
        self.unqueued += counters.unqueued.get();
        self.queued += counters.queued.get();
        self.queued_us += counters.queued_us.get();
        each(&mut self.invalid, &counters.invalid);
    }
}

fn render_apis(out: &mut String, apis: &[ApiTotals]) {
    family(
        out,
        "pasarela_requests_total",
        "counter",
        "Requests ended, by API, class of the status, and problem where the gateway named one.",
    );
    for api in apis {
        for (end, &count) in api.ends.iter().enumerate().filter(|&(_, &count)| count > 0) {
            let (class, problem) = end_labels(end);
            let labels = &api.labels;
            let _ = writeln!(
                out,
                "pasarela_requests_total{{{labels},status=\"{class}\",problem=\"{problem}\"}} {count}"
            );
        }
    }
    render_durations(out, apis);
    let mut by_api = |name: &str, help: &str, of: fn(&ApiTotals) -> u64| {
        family(out, name, "counter", help);
        for api in apis {
            let _ = writeln!(out, "{name}{{{}}} {}", api.labels, of(api));
        }
    };
    by_api("pasarela_request_bytes_total", "Bytes of request bodies.", |api| api.bytes_in);
    by_api("pasarela_response_bytes_total", "Bytes of answers' bodies.", |api| api.bytes_out);
    by_api(
        "pasarela_requests_aborted_total",
        "Requests whose caller left before the last byte of the answer.",
        |api| api.aborted,
    );
    by_api("pasarela_upstream_retries_total", "Attempts at an upstream after the first.", |api| {
        api.retries
    });
    by_api(
        "pasarela_upstream_ejections_total",
        "Times an upstream target was taken out of the rotation for its answers.",
        |api| api.ejections,
    );
    by_api(
        "pasarela_requests_beyond_quota_total",
        "Requests beyond their quota that were served, to be charged.",
        |api| api.beyond_quota,
    );
    by_api(
        "pasarela_requests_queued_total",
        "Requests that waited for a place at the upstream, whether or not they got one.",
        |api| api.queued,
    );
    family(
        out,
        "pasarela_requests_queued",
        "gauge",
        "Requests that wait for a place at the upstream now.",
    );
    for ApiTotals { labels, queued, unqueued, .. } in apis {
        let now = queued.saturating_sub(*unqueued);
        let _ = writeln!(out, "pasarela_requests_queued{{{labels}}} {now}");
    }
    family(
        out,
        "pasarela_request_queue_seconds_total",
        "counter",
        "Time that requests waited for a place at the upstream.",
    );
    for ApiTotals { labels, queued_us, .. } in apis {
        let (seconds, micros) = (queued_us / 1_000_000, queued_us % 1_000_000);
        let _ =
            writeln!(out, "pasarela_request_queue_seconds_total{{{labels}}} {seconds}.{micros:06}");
    }
    family(
        out,
        "pasarela_messages_invalid_total",
        "counter",
        "Messages that were not what the contract says, by direction.",
    );
    for api in apis {
        for (direction, &count) in Direction::ALL.iter().zip(&api.invalid) {
            if count > 0 {
                let (labels, name) = (&api.labels, direction.name());
                let _ = writeln!(
                    out,
                    "pasarela_messages_invalid_total{{{labels},direction=\"{name}\"}} {count}"
                );
            }
        }
    }
    family(
        out,
        "pasarela_upstream_failures_total",
        "counter",
        "Attempts at an upstream that failed, by kind.",
    );
    for api in apis {
        for ((_, kind), &count) in UpstreamFailure::ALL.iter().zip(&api.failures) {
            if count > 0 {
                let labels = &api.labels;
                let _ = writeln!(
                    out,
                    "pasarela_upstream_failures_total{{{labels},kind=\"{kind}\"}} {count}"
                );
            }
        }
    }
}

/// A problem counts under the class of its own status, also when it came after the head had left.
fn end_labels(end: usize) -> (&'static str, &'static str) {
    match end.checked_sub(CLASSES.len()).and_then(|index| Code::ALL.get(index)) {
        Some(problem) => (CLASSES[class(problem.status())], problem.slug()),
        None => (CLASSES.get(end).copied().unwrap_or("none"), ""),
    }
}

fn render_durations(out: &mut String, apis: &[ApiTotals]) {
    const NAME: &str = "pasarela_request_duration_seconds";
    family(
        out,
        NAME,
        "histogram",
        "From the first byte of a request to the last of its answer, by API.",
    );
    for ApiTotals { labels, buckets, duration_us, .. } in apis {
        let mut count = 0;
        for ((_, most), bucket) in BUCKETS.iter().zip(buckets) {
            count += bucket;
            let _ = writeln!(out, "{NAME}_bucket{{{labels},le=\"{most}\"}} {count}");
        }
        count += buckets[BUCKETS.len()];
        let _ = writeln!(out, "{NAME}_bucket{{{labels},le=\"+Inf\"}} {count}");
        let (seconds, micros) = (duration_us / 1_000_000, duration_us % 1_000_000);
        let _ = writeln!(out, "{NAME}_sum{{{labels}}} {seconds}.{micros:06}");
        let _ = writeln!(out, "{NAME}_count{{{labels}}} {count}");
    }
}

fn render_listeners(out: &mut String, shards: &[Arc<Shard>]) {
    let sum = |listener: Listener, of: &dyn Fn(&ListenerCounters) -> u64| -> u64 {
        shards.iter().filter_map(|shard| shard.listeners.get(listener as usize)).map(of).sum()
    };
    let used: Vec<_> = Listener::ALL
        .into_iter()
        .filter(|&listener| sum(listener, &|all| all.accepted.get() + total(&all.refused)) > 0)
        .collect();
    family(
        out,
        "pasarela_connections_accepted_total",
        "counter",
        "Connections accepted from callers, by listener.",
    );
    for &listener in &used {
        let count = sum(listener, &|all| all.accepted.get());
        let _ = writeln!(
            out,
            "pasarela_connections_accepted_total{{listener=\"{}\"}} {count}",
            listener.name()
        );
    }
    family(
        out,
        "pasarela_connections_refused_total",
        "counter",
        "Connections closed before anything was read, by listener and reason.",
    );
    for &listener in &used {
        for (refusal, reason) in Refusal::ALL {
            let count = sum(listener, &|all| all.refused[refusal as usize].get());
            let _ = writeln!(
                out,
                "pasarela_connections_refused_total{{listener=\"{}\",reason=\"{reason}\"}} {count}",
                listener.name()
            );
        }
    }
    family(
        out,
        "pasarela_connections_open",
        "gauge",
        "Connections from callers open now, by listener and protocol.",
    );
    for &listener in &used {
        for (place, protocol) in PROTOCOLS.iter().enumerate() {
            // Ends before beginnings, as above.
            let closed = sum(listener, &|all| all.closed[place].get());
            let open = sum(listener, &|all| all.opened[place].get()).saturating_sub(closed);
            let _ = writeln!(
                out,
                "pasarela_connections_open{{listener=\"{}\",protocol=\"{protocol}\"}} {open}",
                listener.name()
            );
        }
    }
}

fn total(counters: &[Counter]) -> u64 {
    counters.iter().map(Counter::get).sum()
}

/// Begins a metric family.
pub(in crate::observe) fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// A label value as the text format wants it.
pub(super) fn escape_label(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}
