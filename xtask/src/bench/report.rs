//! From samples to the Markdown that stands in `docs/benchmarks.md`.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};

use super::bars::{self, Promise};
use super::samples::{Samples, Spread};
use crate::command::root;

const BEGIN: &str = "<!-- begin: cargo xtask bench proxy -->";
const END: &str = "<!-- end: cargo xtask bench proxy -->";

/// Below this share of its core a proxy was not the bottleneck.
const BUSY_MIN: f64 = 0.95;

/// Puts the table into its place in the page.
pub(crate) fn write(table: &str) -> Result<()> {
    let file = root().join("docs/benchmarks.md");
    let page = fs::read_to_string(&file).context("docs/benchmarks.md")?;
    let (head, rest) =
        page.split_once(BEGIN).context("docs/benchmarks.md has lost its begin mark")?;
    let (_, tail) = rest.split_once(END).context("docs/benchmarks.md has lost its end mark")?;
    fs::write(&file, format!("{head}{BEGIN}\n{}\n{END}{tail}", table.trim()))?;
    Ok(())
}

/// Everything that was measured, bars first.
pub(crate) fn markdown(samples: &Samples) -> String {
    let mut text = String::new();
    for line in &samples.about {
        text += &format!("- {line}\n");
    }
    if !samples.is_smoke() {
        text += &bars_table(samples);
    }
    text += &requests_table(samples);
    text += &memory_table(samples);
    text
}

fn bars_table(samples: &Samples) -> String {
    let verdicts = bars::verdicts(samples);
    if verdicts.is_empty() {
        return String::new();
    }
    let mut text =
        "\n### The bars\n\nRatios are taken repetition by repetition; the median counts.\n\n"
            .to_owned();
    text += "| scenario | measured | median (min–max) | bar | |\n|---|---|---:|---:|---|\n";
    for verdict in verdicts {
        let bar = match verdict.kind {
            Promise::Bar => format!("≤ {}", verdict.limit),
            Promise::Reach => format!("≤ {} (reach)", verdict.limit),
        };
        let met = if verdict.met { "met" } else { "**not met**" };
        let measured = spread(verdict.measured, 2);
        text +=
            &format!("| {} | {} | {measured} | {bar} | {met} |\n", verdict.scenario, verdict.what);
    }
    text
}

fn requests_table(samples: &Samples) -> String {
    let mut text = String::new();
    for scenario in samples.scenarios() {
        for contestant in samples.contestants(scenario) {
            let figure = |name: &str| samples.spread(scenario, contestant, name);
            let Some(cpu) = figure("cpu_us") else { continue };
            let ratio = match samples.ratio(scenario, "pasarela", contestant, "cpu_us") {
                Some(ratio) if contestant != "pasarela" => spread(ratio, 2),
                _ => "–".to_owned(),
            };
            let limited =
                if figure("busy").is_some_and(|busy| busy.median < BUSY_MIN) { " †" } else { "" };
            let per_second = figure("per_second")
                .map_or_else(String::new, |s| format!("{}{limited}", thousands(s.median)));
            let time = |name: &str| figure(name).map_or_else(String::new, |s| thousands(s.median));
            let memory = figure("memory")
                .map_or_else(String::new, |s| format!("{:.1}", s.median / f64::from(1 << 20)));
            let failures = figure("failures").map_or(0.0, |s| s.max);
            let warning =
                if failures > 0.0 { format!(" ({failures} failed)") } else { String::new() };
            let _ = writeln!(
                text,
                "| {scenario} | {contestant}{warning} | {} | {ratio} | {per_second} | {} | {} | {memory} |",
                spread(cpu, 1),
                time("p50_us"),
                time("p99_us"),
            );
        }
    }
    if text.is_empty() {
        return text;
    }
    format!(
        "\n### Requests\n\n† the proxy had time left: the load generator was the limit, so requests a second say little.\n\n\
         | scenario | proxy | CPU µs a request: median (min–max) | pasarela ÷ it | requests/s | p50 µs | p99 µs | MiB |\n\
         |---|---|---:|---:|---:|---:|---:|---:|\n{text}"
    )
}

fn memory_table(samples: &Samples) -> String {
    let mut text = String::new();
    for scenario in samples.scenarios() {
        for contestant in samples.contestants(scenario) {
            let figure = |name: &str, scale: f64, unit: &str| {
                let s = samples.spread(scenario, contestant, name)?;
                let scaled =
                    Spread { min: s.min / scale, median: s.median / scale, max: s.max / scale };
                Some(format!("{} {unit}", spread(scaled, 1)))
            };
            let mib = f64::from(1 << 20);
            let cells = [
                figure("idle_bytes", 1024.0, "KiB for each idle connection"),
                figure("memory_peak", mib, "MiB at most"),
                figure("memory_before", mib, "MiB before"),
            ];
            let cells: Vec<String> = cells.into_iter().flatten().collect();
            if !cells.is_empty() {
                let _ = writeln!(text, "| {scenario} | {contestant} | {} |", cells.join(", "));
            }
        }
    }
    if text.is_empty() {
        return text;
    }
    format!("\n### Memory\n\n| scenario | proxy | median (min–max) |\n|---|---|---|\n{text}")
}

fn spread(s: Spread, digits: usize) -> String {
    format!("{:.digits$} ({:.digits$}–{:.digits$})", s.median, s.min, s.max)
}

/// `12,345`
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::bench::samples::Sample;

    #[test]
    fn a_bar_that_is_missed_is_shown_as_missed() {
        let row = |contestant: &str, cpu: f64| Sample {
            scenario: "http-200-64-everything".to_owned(),
            contestant: contestant.to_owned(),
            repetition: 1,
            figures: BTreeMap::from([
                ("cpu_us".to_owned(), cpu),
                ("per_second".to_owned(), 12_345.0),
            ]),
        };
        let samples = Samples {
            about: Vec::new(),
            rows: vec![row("pasarela", 19.0), row("nginx", 20.0), row("haproxy", 30.0)],
        };
        let text = markdown(&samples);
        assert!(
            text.contains(
                "pasarela ÷ nginx, CPU a request | 0.95 (0.95–0.95) | ≤ 0.9 | **not met** |"
            ),
            "{text}"
        );
        assert!(
            text.contains("pasarela ÷ haproxy, CPU a request | 0.63 (0.63–0.63) | ≤ 0.7 | met |"),
            "{text}"
        );
        assert!(text.contains("| 12,345 |"), "{text}");
    }
}
