//! The bars we set ourselves: one ratio or one figure each, met or not met.

use super::samples::{Samples, Spread};

/// A promise about a scenario.
pub(crate) struct Bar {
    /// Whether it applies to a scenario of this name.
    applies: fn(&str) -> bool,
    /// Who is compared, under the names of the tables.
    ours: &'static str,
    measure: Measure,
    /// The greatest value that still meets it.
    limit: f64,
    pub(crate) kind: Promise,
}

/// What is held against the limit: the median.
enum Measure {
    /// CPU time a request, ours divided by theirs.
    CpuAgainst(&'static str),
    /// A figure of ours alone, in units of so many.
    Figure(&'static str, f64, &'static str),
}

/// How serious it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// We say so in public.
    Bar,
    /// We would like to.
    Reach,
}

fn everything_at_64(name: &str) -> bool {
    (name.starts_with("http-") || name.starts_with("https-")) && name.ends_with("-64-everything")
}

fn everything_at_512(name: &str) -> bool {
    (name.starts_with("http-") || name.starts_with("https-")) && name.ends_with("-512-everything")
}

fn http_at_64(name: &str) -> bool {
    name == "http-200-64-everything"
}

const BARS: &[Bar] = &[
    Bar::ratio(everything_at_64, "nginx", 0.9),
    Bar::ratio(everything_at_64, "haproxy", 0.7),
    Bar::ratio(everything_at_64, "envoy", 0.5),
    Bar::ratio(everything_at_512, "nginx", 1.0),
    Bar::ratio(|name| name.starts_with("h2c-"), "nginx", 0.6),
    Bar::ratio(|name| name.starts_with("handshake-"), "nginx", 0.65),
    Bar {
        applies: |name| name == "apis",
        ours: "10,000 APIs",
        measure: Measure::CpuAgainst("pasarela"),
        limit: 1.05,
        kind: Promise::Bar,
    },
    Bar::figure(|name| name.starts_with("idle-"), "idle_bytes", 1024.0, "KiB a connection", 16.0),
    Bar::figure(
        |name| name.starts_with("body-"),
        "memory_peak",
        (1 << 20) as f64,
        "MiB at most",
        64.0,
    ),
    Bar { kind: Promise::Reach, ..Bar::ratio(http_at_64, "nginx, plain", 1.0) },
    Bar { kind: Promise::Reach, ..Bar::ratio(http_at_64, "floor", 1.4) },
];

impl Bar {
    const fn ratio(applies: fn(&str) -> bool, theirs: &'static str, limit: f64) -> Self {
        Self {
            applies,
            ours: "pasarela",
            measure: Measure::CpuAgainst(theirs),
            limit,
            kind: Promise::Bar,
        }
    }

    const fn figure(
        applies: fn(&str) -> bool,
        figure: &'static str,
        scale: f64,
        unit: &'static str,
        limit: f64,
    ) -> Self {
        let measure = Measure::Figure(figure, scale, unit);
        Self { applies, ours: "pasarela", measure, limit, kind: Promise::Bar }
    }
}

/// A bar held against what was measured.
pub(crate) struct Verdict {
    pub(crate) scenario: String,
    pub(crate) what: String,
    pub(crate) measured: Spread,
    pub(crate) limit: f64,
    pub(crate) met: bool,
    pub(crate) kind: Promise,
}

/// Every bar that the samples can answer.
pub(crate) fn verdicts(samples: &Samples) -> Vec<Verdict> {
    let mut list = Vec::new();
    for scenario in samples.scenarios() {
        for bar in BARS.iter().filter(|bar| (bar.applies)(scenario)) {
            let (measured, what) = match bar.measure {
                Measure::CpuAgainst(theirs) => (
                    samples.ratio(scenario, bar.ours, theirs, "cpu_us"),
                    format!("{} ÷ {theirs}, CPU a request", bar.ours),
                ),
                Measure::Figure(figure, scale, unit) => {
                    let spread = samples.spread(scenario, bar.ours, figure);
                    let scaled = |s: Spread| Spread {
                        min: s.min / scale,
                        median: s.median / scale,
                        max: s.max / scale,
                    };
                    (spread.map(scaled), format!("{}, {unit}", bar.ours))
                }
            };
            let Some(measured) = measured else { continue };
            // Memory that was had once is had: a later repetition uses it again.
            let judged = match bar.measure {
                Measure::CpuAgainst(_) => measured.median,
                Measure::Figure(..) => measured.max,
            };
            let met = judged <= bar.limit;
            list.push(Verdict {
                scenario: scenario.to_owned(),
                what,
                measured,
                limit: bar.limit,
                met,
                kind: bar.kind,
            });
        }
    }
    list
}
