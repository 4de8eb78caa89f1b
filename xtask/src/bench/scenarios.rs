//! What is measured: the list of scenarios, and how one of them runs.

use anyhow::Result;

use super::Options;
use super::contestants::{Contestant, Kind, Lab, Mode, Running};
use super::measure::{self, Front};
use super::samples::{Sample, Samples};

/// One situation in which the contestants are compared.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    /// `http-200-64-everything`
    pub(crate) name: String,
    pub(crate) work: Work,
}

/// What happens in it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    /// Many small exchanges: throughput, CPU time, latency, memory.
    Requests { front: Front, size: Size, connections: u32, mode: Mode },
    /// The same exchanges with 1 and with 10,000 APIs configured, for us alone.
    Apis,
    /// Memory of a connection that waits.
    Idle { front: Front },
    /// One large body, with the memory watched.
    Body { direction: &'static str },
}

/// Length of the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// 200 bytes.
    Small,
    /// 16 KiB.
    Large,
}

impl Size {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Small => "200",
            Self::Large => "16k",
        }
    }
}

/// Every scenario, or the few that show that each kind of measurement still works.
pub(crate) fn all(smoke: bool) -> Vec<Scenario> {
    let mut list = Vec::new();
    for front in [Front::Http, Front::Https, Front::H2c] {
        for size in [Size::Small, Size::Large] {
            for connections in [64, 512] {
                for mode in [Mode::Plain, Mode::Everything] {
                    list.push(requests(front, size, connections, mode));
                }
            }
        }
    }
    list.extend(
        [Mode::Plain, Mode::Everything]
            .map(|mode| requests(Front::Handshake, Size::Small, 16, mode)),
    );
    list.push(Scenario { name: "apis".to_owned(), work: Work::Apis });
    list.extend([Front::Http, Front::Https].map(|front| Scenario {
        name: format!("idle-{}", front.label()),
        work: Work::Idle { front },
    }));
    list.extend(["down", "up"].map(|direction| Scenario {
        name: format!("body-{direction}"),
        work: Work::Body { direction },
    }));
    if smoke {
        let few = [
            "http-200-64-everything",
            "https-16k-64-plain",
            "h2c-200-64-everything",
            "handshake-200-16-plain",
        ];
        list.retain(|s| {
            few.contains(&s.name.as_str())
                || matches!(s.work, Work::Idle { .. } | Work::Body { .. })
        });
    }
    list
}

/// The names, for people.
pub(crate) fn names() -> String {
    all(false).into_iter().map(|scenario| scenario.name).collect::<Vec<_>>().join("\n")
}

fn requests(front: Front, size: Size, connections: u32, mode: Mode) -> Scenario {
    let name = format!("{}-{}-{connections}-{}", front.label(), size.label(), mode.label());
    Scenario { name, work: Work::Requests { front, size, connections, mode } }
}

impl Scenario {
    /// Starts everybody who takes part, measures them in turn and stops them.
    pub(crate) fn measure(
        &self,
        lab: &Lab,
        options: &Options,
        proxies: &[Kind],
        samples: &mut Samples,
    ) -> Result<()> {
        let running = self
            .contestants(proxies)
            .iter()
            .map(|contestant| lab.start(contestant))
            .collect::<Result<Vec<Running>>>()?;
        for proxy in &running {
            if proxy.contestant.mode == Mode::Everything && proxy.contestant.kind != Kind::Floor {
                measure::check_policy(proxy)?;
            }
        }
        for repetition in 1..=options.repetitions {
            for proxy in &running {
                let figures = measure::window(lab, options, self.work, proxy)?;
                let contestant = proxy.contestant.label.clone();
                eprintln!("    {repetition} {contestant:16} {}", measure::glance(&figures));
                samples.rows.push(Sample {
                    scenario: self.name.clone(),
                    contestant,
                    repetition,
                    figures,
                });
            }
        }
        Ok(())
    }

    fn contestants(&self, proxies: &[Kind]) -> Vec<Contestant> {
        let mode = match self.work {
            Work::Requests { mode, .. } => mode,
            Work::Apis => Mode::Everything,
            Work::Idle { .. } | Work::Body { .. } => Mode::Plain,
        };
        let mut list: Vec<Contestant> = proxies
            .iter()
            .filter(|kind| self.suits(**kind))
            .map(|kind| Contestant { kind: *kind, mode, apis: 1, label: kind.name().to_owned() })
            .collect();
        match self.work {
            // nginx without any policy runs in the same turns, for the reach: all our policies
            // for the price of its plain proxying.
            Work::Requests { front: Front::Http, mode: Mode::Everything, .. }
                if proxies.contains(&Kind::Nginx) =>
            {
                let label = "nginx, plain".to_owned();
                list.push(Contestant { kind: Kind::Nginx, mode: Mode::Plain, apis: 1, label });
            }
            Work::Apis if !list.is_empty() => {
                let label = "10,000 APIs".to_owned();
                list.push(Contestant { kind: Kind::Pasarela, mode, apis: 10_000, label });
            }
            _ => (),
        }
        list
    }

    /// The floor speaks plain HTTP/1.1 with small messages only; the number of APIs is our own matter.
    fn suits(&self, kind: Kind) -> bool {
        match (self.work, kind) {
            (Work::Apis, kind) => kind == Kind::Pasarela,
            (Work::Requests { front, .. }, Kind::Floor) => front == Front::Http,
            (Work::Idle { .. } | Work::Body { .. }, Kind::Floor) => false,
            _ => true,
        }
    }
}
