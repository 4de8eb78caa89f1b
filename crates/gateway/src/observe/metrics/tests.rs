//! What the metrics say, read back by a strict reader of the text format.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
};

use pasarela_model::{Api, Snapshot, Upstream};

use super::{render::escape_label, *};
use crate::observe::{
    AccessTarget, Observability, Settings, TraceSettings,
    fact::{FactApi, tests::full},
};

/// Series with their values, as the exposition gave them.
type Series = BTreeMap<String, f64>;

/// Reads the Prometheus text format 0.0.4 and refuses whatever its description does not allow:
/// a family without HELP or TYPE, split in two, or named otherwise than its samples; a series
/// given twice; a counter not ending in `_total`; a histogram whose buckets fall or disagree with
/// its count.
fn read(text: &str) -> Series {
    assert!(text.ends_with('\n'));
    let (mut series, mut families) = (Series::new(), BTreeSet::new());
    let (mut name, mut kind) = ("", "");
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            name = help.split_once(' ').expect("a help text").0;
            assert!(families.insert(name), "{name} twice");
            let kinds = lines.next().and_then(|line| line.strip_prefix("# TYPE "));
            let (of, its_kind) = kinds.and_then(|rest| rest.split_once(' ')).expect("a type");
            assert_eq!(of, name);
            assert!(["counter", "gauge", "histogram"].contains(&its_kind), "{its_kind}");
            assert_eq!(its_kind == "counter", name.ends_with("_total"), "{name}");
            kind = its_kind;
            continue;
        }
        let (id, value) = line.rsplit_once(' ').expect("a value");
        let bare = id.split_once('{').map_or(id, |(bare, _)| bare);
        let member = bare.strip_prefix(name).unwrap_or_else(|| panic!("{bare} under {name}"));
        let members: &[&str] =
            if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(members.contains(&member), "{bare} under {name}");
        check_labels(id);
        let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(series.insert(id.to_owned(), value).is_none(), "{id} twice");
    }
    check_histograms(text, &series);
    series
}

fn check_labels(id: &str) {
    let Some((_, labels)) = id.split_once('{') else { return };
    let mut rest = labels.strip_suffix('}').expect("a closing brace");
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").expect("a label");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        let mut escaped = false;
        let end = after.bytes().position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        rest = &after[end.expect("a closing quote") + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

fn check_histograms(text: &str, series: &Series) {
    let mut last: Option<(String, f64)> = None;
    for (id, value) in text.lines().filter_map(|line| line.rsplit_once(' ')) {
        let Some((labels, bound)) = id.split_once(",le=\"") else { continue };
        let value: f64 = value.parse().unwrap();
        if let Some((of, before)) = &last
            && of == labels
        {
            assert!(value >= *before, "{id} falls");
        }
        if bound == "+Inf\"}" {
            let count = labels.replacen("_bucket", "_count", 1) + "}";
            assert_eq!(series.get(&count), Some(&value), "{count}");
        }
        last = Some((labels.to_owned(), value));
    }
}

fn snapshot(apis: &[(&str, u32)]) -> Snapshot {
    let api = |&(name, version): &(&str, u32)| Api::new(name, version, Upstream::default());
    Snapshot { apis: apis.iter().map(api).collect(), ..Snapshot::default() }
}

fn fact(slot: Slot) -> Fact<'static> {
    Fact { api: Some(FactApi { name: "rates", version: 2, slot }), ..full() }
}

#[test]
fn what_workers_counted_is_summed_by_api_and_end() {
    let metrics = Metrics::new();
    let slots = metrics.slots(&snapshot(&[("rates", 2), ("unused", 1)]));
    thread::scope(|scope| {
        for _ in 0..2 {
            let (metrics, slots) = (&metrics, &slots);
            scope.spawn(move || {
                let worker = metrics.worker();
                for n in 0..100 {
                    worker.started();
                    worker.record(&Fact { duration_us: n * 100, ..fact(slots[0]) });
                }
                worker.started();
                let problem = Some(Code::RateLimited);
                worker.record(&Fact { status: 429, problem, bytes_out: 7, ..fact(slots[0]) });
                worker.started();
                worker.record(&Fact { api: None, status: 404, ..full() });
                worker.started();
                worker.upstream_failed(slots[0], UpstreamFailure::Timeout);
                worker.upstream_ejected(slots[0]);
            });
        }
    });
    let series = read(&metrics.render());
    let of = |id: &str| series.get(id).copied();
    let rates = r#"api="rates",version="2""#;
    assert_eq!(
        of(&format!(r#"pasarela_requests_total{{{rates},status="2xx",problem=""}}"#)),
        Some(200.0)
    );
    assert_eq!(
        of(&format!(r#"pasarela_requests_total{{{rates},status="4xx",problem="rate_limited"}}"#)),
        Some(2.0)
    );
    assert_eq!(
        of(r#"pasarela_requests_total{api="",version="",status="4xx",problem=""}"#),
        Some(2.0)
    );
    // 0, 100 … 500 µs fall in the first bucket, twice; the 429s took 1,534 µs.
    let bucket = |most: &str| {
        of(&format!(r#"pasarela_request_duration_seconds_bucket{{{rates},le="{most}"}}"#))
    };
    assert_eq!((bucket("0.0005"), bucket("0.001")), (Some(12.0), Some(22.0)));
    assert_eq!(bucket("+Inf"), Some(202.0));
    let sum = of(&format!("pasarela_request_duration_seconds_sum{{{rates}}}")).unwrap();
    assert!((sum - (0.495 * 2.0 + 0.001_534 * 2.0)).abs() < 1e-9, "{sum}");
    assert_eq!(of(&format!("pasarela_response_bytes_total{{{rates}}}")), Some(40_014.0));
    assert_eq!(
        of(&format!(r#"pasarela_upstream_failures_total{{{rates},kind="timeout"}}"#)),
        Some(2.0)
    );
    assert_eq!(of(&format!("pasarela_upstream_ejections_total{{{rates}}}")), Some(2.0));
    assert_eq!(of("pasarela_requests_in_flight"), Some(2.0));
    assert!(!series.keys().any(|id| id.contains("unused")));
}

#[test]
fn an_api_keeps_its_series_over_reloads() {
    let metrics = Metrics::new();
    let before = metrics.slots(&snapshot(&[("a", 1), ("b", 1)]));
    let after = metrics.slots(&snapshot(&[("c", 1), ("b", 1), ("b", 2), ("a", 1)]));
    assert_eq!((after[1], after[3]), (before[1], before[0]));
    assert_eq!(BTreeSet::from_iter(after.iter().map(|slot| slot.0)).len(), 4);
    assert!(!after.contains(&Slot::NONE));
}

#[test]
fn names_beyond_the_slots_are_counted_together() {
    let metrics = Metrics::new();
    let names: Vec<_> = (0..PAGE * PAGES).map(|n| (format!("n{n}"), 1)).collect();
    let mut all = metrics.names.lock().unwrap();
    let slots: Vec<_> = names.iter().map(|(name, version)| all.slot(name, *version)).collect();
    drop(all);
    assert_eq!(slots.iter().filter(|&&slot| slot == Slot::OTHERS).count(), 2);
    let worker = metrics.worker();
    worker.record(&fact(slots[PAGE * PAGES - 3]));
    worker.record(&fact(slots[PAGE * PAGES - 1]));
    let text = metrics.render();
    read(&text);
    assert!(text.contains(r#"api="n65533",version="1",status="2xx",problem=""} 1"#));
    assert!(text.contains(r#"api="(others)",version="",status="2xx",problem=""} 1"#));
}

#[test]
fn connections_are_counted_while_they_are_open() {
    let metrics = Metrics::new();
    let worker = metrics.worker();
    let open = |protocol: &str| {
        let id = format!(r#"pasarela_connections_open{{listener="tls",protocol="{protocol}"}}"#);
        read(&metrics.render())[&id]
    };
    let mut first = worker.connection(Listener::Tls);
    let second = worker.connection(Listener::Tls);
    assert_eq!(open("unknown"), 2.0);
    first.speaks(Protocol::Http2);
    assert_eq!((open("unknown"), open("h2")), (1.0, 1.0));
    drop(second);
    drop(first);
    assert_eq!((open("unknown"), open("h2"), open("h1")), (0.0, 0.0, 0.0));
    worker.connection_refused(Listener::Tls, Refusal::TooManyFromAddress);
    worker.tls_handshake(false);
    worker.shed(Shed::Concurrency);
    metrics.overload_level(2);
    let series = read(&metrics.render());
    let refused =
        r#"pasarela_connections_refused_total{listener="tls",reason="too_many_from_address"}"#;
    assert_eq!(series[refused], 1.0);
    assert_eq!(series[r#"pasarela_connections_accepted_total{listener="tls"}"#], 2.0);
    assert_eq!(series[r#"pasarela_tls_handshakes_total{result="failed"}"#], 1.0);
    assert_eq!(series[r#"pasarela_shed_total{reason="concurrency"}"#], 1.0);
    assert_eq!(series[r#"pasarela_shed_total{reason="memory"}"#], 0.0);
    assert_eq!(series["pasarela_overload_level"], 2.0);
}

#[test]
fn t56_labels_are_escaped() {
    assert_eq!(escape_label("a\"b\\c\nd"), r#"a\"b\\c\nd"#);
    check_labels(&format!(r#"x{{api="{}",version="1"}}"#, escape_label("a\"},b=\"c\\\n")));
}

#[test]
fn the_page_about_metrics_names_each_of_them_and_no_other() {
    let settings = Settings {
        access: AccessTarget::Off,
        ring_bytes: 8 << 20,
        traces: Some(TraceSettings { sample: 1.0, honour_parent: true }),
        workers: 1,
        boot: 7,
    };
    let (observability, _inbox) = Observability::open(&settings).unwrap();
    observability.metrics().reloaded(3);
    let observer = observability.worker(0);
    observer.record(&full());
    let text = observability.render();
    let series = read(&text);
    assert_eq!(series["pasarela_config_generation"], 3.0);
    let said: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    let page = include_str!("../../../../../docs/reference/metrics.md");
    let named: BTreeSet<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split(['`', '{']).next())
        // Mail has counters of its own, and what is left of quotas is asked of them.
        .filter(|name| !name.starts_with("pasarela_mail_") && *name != "pasarela_quota_left_calls")
        .collect();
    assert_eq!(said, named);
}
