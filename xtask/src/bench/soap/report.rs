//! From samples to the Markdown that stands in `docs/benchmarks-soap.md`.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result};

use super::super::samples::{Samples, Spread};
use crate::command::root;

const PAGE: &str = "docs/benchmarks-soap.md";
const BEGIN: &str = "<!-- begin: cargo xtask bench soap -->";
const END: &str = "<!-- end: cargo xtask bench soap -->";

/// The kinds of work, with their headings.
const WORK: [(&str, &str); 3] = [
    ("xml-to-json", "SOAP XML to JSON"),
    ("json-to-xml", "JSON to SOAP XML"),
    ("validate", "Validation, parsing included"),
];

/// What we promise of the transcoders: at least so many times as fast.
const BARS: [(&str, f64); 4] = [("node", 10.0), ("strong", 10.0), ("zeep", 20.0), ("php", 1.0)];

/// Puts the tables into their place in the page.
pub(super) fn write(table: &str) -> Result<()> {
    let file = root().join(PAGE);
    let page = fs::read_to_string(&file).context(PAGE)?;
    let (head, rest) = page.split_once(BEGIN).context("the page has lost its begin mark")?;
    let (_, tail) = rest.split_once(END).context("the page has lost its end mark")?;
    fs::write(&file, format!("{head}{BEGIN}\n{}\n{END}{tail}", table.trim()))?;
    Ok(())
}

/// Everything that was measured.
pub(super) fn markdown(samples: &Samples) -> String {
    let mut text: String = samples.about.iter().map(|line| format!("- {line}\n")).collect();
    for (work, heading) in WORK {
        let mut rows = String::new();
        for scenario in samples.scenarios() {
            let Some(size) = scenario.strip_prefix(work).and_then(|rest| rest.strip_prefix(' '))
            else {
                continue;
            };
            for contestant in samples.contestants(scenario) {
                rows += &row(samples, scenario, size, contestant, work);
            }
        }
        if !rows.is_empty() {
            let _ = write!(
                text,
                "\n### {heading}\n\n| size | | CPU µs a message: median (min–max) | MB/s of XML | it ÷ pasarela | |\n\
                 |---|---|---:|---:|---:|---|\n{rows}"
            );
        }
    }
    text
}

fn row(samples: &Samples, scenario: &str, size: &str, contestant: &str, work: &str) -> String {
    let Some(cpu) = samples.spread(scenario, contestant, "cpu_us") else { return String::new() };
    let bytes =
        samples.spread(scenario, contestant, "bytes").map_or(f64::NAN, |bytes| bytes.median);
    let ratio = samples
        .ratio(scenario, contestant, "pasarela", "cpu_us")
        .filter(|_| contestant != "pasarela");
    let bar = BARS.iter().find(|(name, _)| *name == contestant && work != "validate");
    let verdict = match (bar, ratio) {
        (Some((_, least)), Some(ratio)) if !samples.is_smoke() => {
            let met = if ratio.median >= *least { "met" } else { "**not met**" };
            format!("≥ {least}: {met}")
        }
        _ => String::new(),
    };
    let ratio = ratio.map_or_else(|| "–".to_owned(), spread);
    format!(
        "| {size} | {contestant} | {} | {:.0} | {ratio} | {verdict} |\n",
        spread(cpu),
        bytes / cpu.median
    )
}

fn spread(s: Spread) -> String {
    let digits = usize::from(s.median < 100.0);
    format!("{:.digits$} ({:.digits$}–{:.digits$})", s.median, s.min, s.max)
}

#[cfg(test)]
mod tests {
    use super::super::super::samples::Sample;
    use super::*;

    #[test]
    fn ratios_say_how_much_longer_the_others_take() {
        let row = |contestant: &str, cpu: f64| Sample {
            scenario: "xml-to-json 10k".to_owned(),
            contestant: contestant.to_owned(),
            repetition: 1,
            figures: [("cpu_us".to_owned(), cpu), ("bytes".to_owned(), 10_000.0)].into(),
        };
        let rows = vec![row("pasarela", 50.0), row("zeep", 500.0), row("node", 600.0)];
        let text = markdown(&Samples { about: Vec::new(), rows });
        assert!(text.contains("| 10k | pasarela | 50.0 (50.0–50.0) | 200 | – |  |"), "{text}");
        assert!(
            text.contains(
                "| 10k | zeep | 500 (500–500) | 20 | 10.0 (10.0–10.0) | ≥ 20: **not met** |"
            ),
            "{text}"
        );
        assert!(text.contains("| 12.0 (12.0–12.0) | ≥ 10: met |"), "{text}");
    }
}
