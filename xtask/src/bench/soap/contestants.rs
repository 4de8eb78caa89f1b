//! The contestants: what they are, how they are made ready, and one measurement of one of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::messages;
use crate::command::{Cargo, capture, find_program, root, target_directory};
use crate::peers::{self, Peer};

/// Somebody who transcodes or validates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contestant {
    Pasarela,
    Zeep,
    Xmlschema,
    Node,
    Strong,
    Php,
    Gsoap,
    Lxml,
    Xerces,
}

impl Contestant {
    pub(super) const ALL: [Self; 9] = [
        Self::Pasarela,
        Self::Zeep,
        Self::Xmlschema,
        Self::Node,
        Self::Strong,
        Self::Php,
        Self::Gsoap,
        Self::Lxml,
        Self::Xerces,
    ];

    /// As in the tables and on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pasarela => "pasarela",
            Self::Zeep => "zeep",
            Self::Xmlschema => "xmlschema",
            Self::Node => "node",
            Self::Strong => "strong",
            Self::Php => "php",
            Self::Gsoap => "gsoap",
            Self::Lxml => "lxml",
            Self::Xerces => "xerces",
        }
    }

    pub(super) fn parse(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|contestant| contestant.name() == name);
        found.with_context(|| format!("there is no contestant {name}"))
    }

    fn peers(self) -> &'static [Peer] {
        match self {
            Self::Pasarela => &[],
            Self::Zeep | Self::Xmlschema | Self::Lxml => &[Peer::PythonPackages],
            Self::Node | Self::Strong => &[Peer::Node, Peer::NodePackages],
            Self::Php => &[Peer::Php],
            Self::Gsoap => &[Peer::Gsoap],
            Self::Xerces => &[Peer::Jdk],
        }
    }
}

/// Where they compete: messages, and programs that were compiled.
pub(super) struct Stand {
    folder: PathBuf,
    ours: PathBuf,
    /// The core that everybody runs on, where programs can be pinned.
    core: Option<usize>,
}

impl Stand {
    /// Installs, compiles, writes the messages; says who cannot take part, and why.
    pub(super) fn prepare(
        wanted: &[Contestant],
        build: bool,
        smoke: bool,
    ) -> Result<(Self, Vec<Contestant>, Vec<String>)> {
        let folder = target_directory().join("bench/soap");
        let wsdl = fs::read_to_string(root().join("peers/soap/wsdl/orders.wsdl"))
            .context("orders.wsdl")?;
        messages::write(&folder, &wsdl)?;
        let mut peers: Vec<Peer> =
            wanted.iter().flat_map(|contestant| contestant.peers()).copied().collect();
        peers.sort_unstable();
        peers.dedup();
        let report = peers::ensure(&peers)?;
        let profile = if smoke { "debug" } else { "dist" };
        let ours = target_directory().join(profile).join("examples/soap_bench");
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let core = find_program("taskset").ok().and(cores.checked_sub(1)).filter(|core| *core > 0);
        let stand = Self { folder, ours, core };
        let (mut present, mut left_out) = (Vec::new(), Vec::new());
        for &contestant in wanted {
            let missing = report.skipped.iter().find(|(peer, _)| contestant.peers().contains(peer));
            let made = match missing {
                Some((peer, why)) => Err(anyhow::anyhow!("{peer}: {why}")),
                None => stand.make(contestant, build, smoke),
            };
            match made {
                Ok(()) => present.push(contestant),
                Err(error) if contestant == Contestant::Pasarela => return Err(error),
                Err(error) => {
                    left_out.push(format!("{} is not measured: {error:#}", contestant.name()))
                }
            }
        }
        Ok((stand, present, left_out))
    }

    /// Compiles what has to be.
    fn make(&self, contestant: Contestant, build: bool, smoke: bool) -> Result<()> {
        match contestant {
            Contestant::Pasarela if build => {
                let profile = if smoke { "dev" } else { "dist" };
                Cargo::new(&[
                    "build",
                    "--profile",
                    profile,
                    "--package",
                    "pasarela-soap",
                    "--example",
                    "soap_bench",
                ])
                .run()
            }
            Contestant::Gsoap => {
                let made = self.folder.join("gsoap");
                fs::create_dir_all(&made).context("cannot make a folder")?;
                capture(Command::new("sh").arg(script("../gsoap/build.sh")).arg(&made))?;
                // As a user would ship it: optimised, with Debian's gSOAP runtime.
                let mut compile = Command::new("gcc");
                compile.args(["-w", "-O3", "-I.", "-o", "bench"]).arg(script("gsoap_bench.c"));
                compile.args(["soapC.c", "soapClient.c", "-lgsoap"]).current_dir(&made);
                capture(&mut compile).map(drop)
            }
            Contestant::Xerces => {
                let mut compile = Command::new("javac");
                capture(
                    compile.arg("-d").arg(self.folder.join("java")).arg(script("XercesBench.java")),
                )
                .map(drop)
            }
            _ => Ok(()),
        }
    }

    /// CPU microseconds a message, by what is done with it.
    pub(super) fn measure(
        &self,
        contestant: Contestant,
        size: &str,
        milliseconds: u32,
    ) -> Result<BTreeMap<String, f64>> {
        let mut command = self.command(contestant);
        command.arg(&self.folder).args([size, &milliseconds.to_string()]);
        let said = capture(&mut command)?;
        let said: Value = serde_json::from_str(&said).with_context(|| format!("it said {said}"))?;
        let figures =
            super::super::samples::numbers(said.as_object().context("it said no object")?);
        if figures.is_empty() {
            bail!("it measured nothing: {said}");
        }
        Ok(figures.into_iter().map(|(work, time)| (work.replace('_', "-"), time)).collect())
    }

    /// How long the XML of a scenario is.
    pub(super) fn bytes(&self, work: &str, size: &str) -> f64 {
        let kind = if work == "validate" { "body" } else { "response" };
        let length = fs::metadata(self.folder.join(format!("{size}.{kind}.xml")))
            .map_or(0, |file| file.len());
        u32::try_from(length).map_or(f64::NAN, f64::from)
    }

    fn command(&self, contestant: Contestant) -> Command {
        let python = root().join(".peers/venv/bin/python");
        let of = |program: &Path, arguments: &[&Path]| {
            let mut command = match self.core {
                Some(core) => {
                    let mut command = Command::new("taskset");
                    command.args(["-c", &core.to_string()]).arg(program);
                    command
                }
                None => Command::new(program),
            };
            command.args(arguments).env("PYTHONDONTWRITEBYTECODE", "1");
            command
        };
        match contestant {
            Contestant::Pasarela => of(&self.ours, &[]),
            Contestant::Zeep => of(&python, &[&script("zeep_bench.py")]),
            Contestant::Xmlschema => of(&python, &[&script("xmlschema_bench.py")]),
            Contestant::Lxml => of(&python, &[&script("lxml_bench.py")]),
            Contestant::Node => of(Path::new("node"), &[&script("node_bench.js")]),
            Contestant::Strong => of(Path::new("node"), &[&script("strong_bench.js")]),
            Contestant::Php => of(Path::new("php"), &[&script("php_bench.php")]),
            Contestant::Gsoap => of(&self.folder.join("gsoap/bench"), &[]),
            Contestant::Xerces => {
                // The collector that streaming needs least of; its threads count too.
                let mut command = of(Path::new("java"), &[Path::new("-XX:+UseSerialGC")]);
                command.arg("-cp").arg(self.folder.join("java")).arg("XercesBench");
                command
            }
        }
    }

    /// The machine and the versions, a sentence each.
    pub(super) fn describe(&self, contestants: &[Contestant]) -> Vec<String> {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu
            .lines()
            .find_map(|line| line.strip_prefix("model name"))
            .unwrap_or(": unknown processor");
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let mut about = vec![format!(
            "{}, Linux {}",
            model.trim_start_matches([' ', '\t', ':']),
            kernel.trim()
        )];
        about.push(match self.core {
            Some(_) => "One contestant at a time, on one core.".to_owned(),
            None => "One contestant at a time; nothing is pinned.".to_owned(),
        });
        about.extend(contestants.iter().filter_map(|contestant| version(*contestant)));
        about
    }
}

fn script(name: &str) -> PathBuf {
    root().join("peers/soap/bench").join(name)
}

fn version(contestant: Contestant) -> Option<String> {
    let python = root().join(".peers/venv/bin/python");
    let asked = |program: &Path, arguments: &[&str]| {
        let said = capture(Command::new(program).args(arguments)).ok()?;
        said.lines().next().map(|line| line.trim().to_owned())
    };
    let package = |name: &str| {
        let question =
            format!("import importlib.metadata as m; print('{name}', m.version('{name}'))");
        asked(&python, &["-c", &question])
    };
    let npm = |name: &str| {
        let file = root().join(format!(".peers/node/node_modules/{name}/package.json"));
        let package: Value = serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
        Some(format!(
            "{name} {} on Node {}",
            package["version"].as_str()?,
            asked(Path::new("node"), &["--version"])?
        ))
    };
    let what = match contestant {
        Contestant::Pasarela => None,
        Contestant::Zeep => package("zeep"),
        Contestant::Xmlschema => package("xmlschema"),
        Contestant::Lxml => {
            let question = "from lxml import etree as e; print('lxml', e.__version__, 'with libxml2', '.'.join(map(str, e.LIBXML_VERSION)))";
            asked(&python, &["-c", question])
        }
        Contestant::Node => npm("soap"),
        Contestant::Strong => npm("strong-soap"),
        Contestant::Php => {
            asked(Path::new("php"), &["-r", "echo 'PHP ', PHP_VERSION, ' ext-soap';"])
        }
        Contestant::Gsoap => {
            asked(Path::new("gcc"), &["--version"]).map(|gcc| format!("gSOAP of Debian, {gcc} -O3"))
        }
        Contestant::Xerces => asked(Path::new("javac"), &["--version"])
            .map(|java| format!("Xerces of the JDK, {java}")),
    };
    what.map(|what| format!("{}: {what}", contestant.name()))
}
