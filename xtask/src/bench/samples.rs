//! What was measured: one row for each scenario, contestant and repetition, kept as JSON.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

/// How a smoke run marks its figures.
pub(crate) const SMOKE: &str = "A smoke run with an unoptimised build: the figures mean nothing, and no bar is held against them.";

/// One window of one contestant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub(crate) scenario: String,
    pub(crate) contestant: String,
    pub(crate) repetition: u32,
    /// By name; the unit is in the name (`cpu_us`, `memory`: bytes).
    pub(crate) figures: BTreeMap<String, f64>,
}

/// Everything of one run, or of several put together.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    /// Machine, versions and settings, one sentence each.
    pub(crate) about: Vec<String>,
    pub(crate) rows: Vec<Sample>,
}

/// Least, middle and greatest of the repetitions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some(Self { min, median, max })
    }
}

impl Samples {
    pub(crate) fn new(about: &[String]) -> Self {
        Self { about: about.to_vec(), rows: Vec::new() }
    }

    /// Whether these figures only show that the benchmark works.
    pub(crate) fn is_smoke(&self) -> bool {
        self.about.iter().any(|line| line == SMOKE)
    }

    /// Scenarios in the order in which they were measured.
    pub(crate) fn scenarios(&self) -> Vec<&str> {
        in_order(self.rows.iter().map(|row| row.scenario.as_str()))
    }

    /// The contestants of a scenario, in the order in which they ran.
    pub(crate) fn contestants(&self, scenario: &str) -> Vec<&str> {
        in_order(
            self.rows
                .iter()
                .filter(|row| row.scenario == scenario)
                .map(|row| row.contestant.as_str()),
        )
    }

    /// A figure of a contestant over all repetitions.
    pub(crate) fn spread(&self, scenario: &str, contestant: &str, figure: &str) -> Option<Spread> {
        Spread::of(self.series(scenario, contestant, figure).into_values().collect())
    }

    /// `ours ÷ theirs`, repetition by repetition.
    pub(crate) fn ratio(
        &self,
        scenario: &str,
        ours: &str,
        theirs: &str,
        figure: &str,
    ) -> Option<Spread> {
        let theirs = self.series(scenario, theirs, figure);
        let ours = self.series(scenario, ours, figure);
        Spread::of(
            ours.iter()
                .filter_map(|(repetition, value)| Some(value / theirs.get(repetition)?))
                .collect(),
        )
    }

    fn series(&self, scenario: &str, contestant: &str, figure: &str) -> BTreeMap<u32, f64> {
        self.rows
            .iter()
            .filter(|row| row.scenario == scenario && row.contestant == contestant)
            .filter_map(|row| Some((row.repetition, *row.figures.get(figure)?)))
            .collect()
    }

    /// Adds another run; where both measured a scenario, the later one counts.
    pub(crate) fn merge(&mut self, other: Self) {
        let again: Vec<String> = other.scenarios().into_iter().map(str::to_owned).collect();
        self.rows.retain(|row| !again.contains(&row.scenario));
        self.rows.extend(other.rows);
        self.about = other.about;
    }

    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "scenario": row.scenario, "contestant": row.contestant,
                    "repetition": row.repetition, "figures": row.figures,
                })
            })
            .collect();
        fs::create_dir_all(file.parent().context("a file has a folder")?)?;
        let text = serde_json::to_string_pretty(&json!({ "about": self.about, "rows": rows }))?;
        fs::write(file, text).with_context(|| file.display().to_string())
    }

    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let value: Value = serde_json::from_str(&text)?;
        let about = value["about"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|line| Some(line.as_str()?.to_owned()));
        let rows = value["rows"].as_array().context("rows are missing")?;
        Ok(Self {
            about: about.collect(),
            rows: rows.iter().map(Sample::from_json).collect::<Result<_>>()?,
        })
    }
}

impl Sample {
    fn from_json(value: &Value) -> Result<Self> {
        let text = |name: &str| {
            value[name].as_str().map(str::to_owned).with_context(|| format!("{name} is missing"))
        };
        let figures = value["figures"].as_object().context("figures are missing")?;
        Ok(Self {
            scenario: text("scenario")?,
            contestant: text("contestant")?,
            repetition: value["repetition"]
                .as_u64()
                .context("repetition is missing")?
                .try_into()?,
            figures: numbers(figures),
        })
    }
}

/// The numbers of an object; what is no number (the text of a failure) is left behind.
pub(crate) fn numbers(object: &Map<String, Value>) -> BTreeMap<String, f64> {
    object.iter().filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect()
}

fn in_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut list = Vec::new();
    for name in names {
        if !list.contains(&name) {
            list.push(name);
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(contestant: &str, repetition: u32, cpu: f64) -> Sample {
        let figures = BTreeMap::from([("cpu_us".to_owned(), cpu)]);
        Sample { scenario: "s".to_owned(), contestant: contestant.to_owned(), repetition, figures }
    }

    #[test]
    fn ratios_pair_repetitions_before_they_are_summarised() {
        // The machine was half as fast in the second repetition: the ratio must not notice.
        let rows = vec![
            row("us", 1, 10.0),
            row("nginx", 1, 20.0),
            row("us", 2, 20.0),
            row("nginx", 2, 40.0),
        ];
        let samples = Samples { about: Vec::new(), rows };
        assert_eq!(
            samples.ratio("s", "us", "nginx", "cpu_us"),
            Some(Spread { min: 0.5, median: 0.5, max: 0.5 })
        );
        assert_eq!(
            samples.spread("s", "us", "cpu_us"),
            Some(Spread { min: 10.0, median: 15.0, max: 20.0 })
        );
    }

    #[test]
    fn a_later_run_replaces_the_scenarios_it_measured_again() {
        let mut earlier =
            Samples { about: Vec::new(), rows: vec![row("us", 1, 10.0), row("nginx", 1, 10.0)] };
        earlier.merge(Samples { about: vec!["later".to_owned()], rows: vec![row("us", 1, 5.0)] });
        assert_eq!(earlier.rows, vec![row("us", 1, 5.0)]);
    }
}
