//! One window: drive the load at a contestant and read what came of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::Options;
use super::contestants::{KEY, Lab, Mode, Running};
use super::samples::numbers;
use super::scenarios::{Size, Work};
use super::usage::Tree;
use crate::command::{capture, find_program};

type Figures = BTreeMap<String, f64>;

/// HTTP/2 streams on each connection: with 8 of them, 64 requests in flight need 8 connections.
const STREAMS: u32 = 8;
/// Handshakes a second of the open loop.
const HANDSHAKE_RATE: u32 = 500;

/// How callers reach the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Front {
    /// HTTP/1.1 with kept connections.
    Http,
    /// The same over TLS 1.3.
    Https,
    /// HTTP/2 without TLS, by prior knowledge; HTTP/1.1 goes on to the origin.
    H2c,
    /// A new TLS 1.3 connection with a full handshake for every request.
    Handshake,
}

impl Front {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::H2c => "h2c",
            Self::Handshake => "handshake",
        }
    }
}

/// Measures one contestant once.
pub(crate) fn window(lab: &Lab, options: &Options, work: Work, proxy: &Running) -> Result<Figures> {
    match work {
        Work::Requests { front: Front::H2c, size, connections, .. } => {
            h2load(lab, options, proxy, size, connections)
        }
        Work::Requests { front, size, connections, .. } => {
            let load = Load { front, size, connections };
            let closed = load.run(lab, options, proxy, None)?;
            let rate = if front == Front::Handshake {
                HANDSHAKE_RATE.min(options.rate)
            } else {
                options.rate
            };
            Ok(joined(closed, &load.run(lab, options, proxy, Some(rate))?))
        }
        Work::Apis => Load { front: Front::Http, size: Size::Small, connections: 64 }
            .run(lab, options, proxy, None),
        Work::Idle { front } => idle(lab, proxy, front),
        Work::Body { direction } => body(lab, proxy, direction),
    }
}

/// Asks without a key and has to be refused: a policy that is not in force costs nothing.
pub(crate) fn check_policy(proxy: &Running) -> Result<()> {
    let mut stream = TcpStream::connect(proxy.http)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET /a0/v1/200 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).context("no answer to a request without a key")?;
    let answer = String::from_utf8_lossy(&answer);
    ensure!(
        answer.ends_with("401") || answer.ends_with("403"),
        "{} lets a request without a key pass: {answer}",
        proxy.contestant.label
    );
    Ok(())
}

/// The figures of a window in a few words, for whoever watches the run.
pub(crate) fn glance(figures: &Figures) -> String {
    let shown = [
        ("cpu_us", 1.0, " us CPU"),
        ("per_second", 1.0, "/s"),
        ("busy", 100.0, " % busy"),
        ("p99_us", 1.0, " us p99"),
        ("failures", 1.0, " failures"),
        ("idle_bytes", 1.0, " B a connection"),
        ("memory_peak", 1.0 / (1 << 20) as f64, " MiB at most"),
    ];
    shown
        .iter()
        .filter_map(|(name, scale, unit)| Some(format!("{:.1}{unit}", figures.get(*name)? * scale)))
        .collect::<Vec<_>>()
        .join(", ")
}

struct Load {
    front: Front,
    size: Size,
    connections: u32,
}

impl Load {
    fn run(
        &self,
        lab: &Lab,
        options: &Options,
        proxy: &Running,
        rate: Option<u32>,
    ) -> Result<Figures> {
        let mut command = lab.tool("load")?;
        address(&mut command, lab, proxy, self.front);
        command.args(["--path", &format!("/a{{n}}/v1/{}", self.size.label())]);
        command.args(["--apis", &proxy.contestant.apis.to_string()]);
        command.args(["--connections", &self.connections.to_string()]);
        command.args(["--seconds", &options.seconds.to_string()]);
        command.args(["--warm", if options.smoke { "0.1" } else { "0.5" }]);
        if self.front == Front::Handshake {
            command.args(["--fresh", "1"]);
        }
        if let Some(rate) = rate {
            command.args(["--rate", &rate.to_string()]);
        }
        figures(&mut command)
    }
}

/// The closed loop says what a request costs, the open loop how long it takes.
fn joined(mut closed: Figures, open: &Figures) -> Figures {
    for (name, as_name) in
        [("p50_us", "p50_us"), ("p99_us", "p99_us"), ("cpu_us", "fixed_rate_cpu_us")]
    {
        if let Some(value) = open.get(name) {
            closed.insert(as_name.to_owned(), *value);
        }
    }
    let failures = closed.get("failures").unwrap_or(&0.0) + open.get("failures").unwrap_or(&0.0);
    closed.insert("failures".to_owned(), failures);
    closed
}

fn idle(lab: &Lab, proxy: &Running, front: Front) -> Result<Figures> {
    let mut command = lab.tool("idle")?;
    address(&mut command, lab, proxy, front);
    command.args(["--path", "/a0/v1/200", "--connections", if lab.smoke { "100" } else { "2000" }]);
    figures(&mut command)
}

fn body(lab: &Lab, proxy: &Running, direction: &str) -> Result<Figures> {
    let mut command = lab.tool("big")?;
    address(&mut command, lab, proxy, Front::Http);
    let bytes: u64 = if lab.smoke { 16 << 20 } else { 1 << 30 };
    command.args(["--path", "/big", "--direction", direction, "--bytes", &bytes.to_string()]);
    figures(&mut command)
}

fn address(command: &mut Command, lab: &Lab, proxy: &Running, front: Front) {
    let address = match front {
        Front::Http | Front::H2c => proxy.http,
        Front::Https | Front::Handshake => proxy.https,
    };
    command.args(["--address", &address.to_string(), "--pid", &proxy.pid().to_string()]);
    if address == proxy.https {
        command.arg("--authority").arg(lab.certificate());
    }
    if proxy.contestant.mode == Mode::Everything {
        command.args(["--key", KEY]);
    }
}

fn figures(command: &mut Command) -> Result<Figures> {
    let line = capture(command)?;
    let value: Value = serde_json::from_str(line.trim()).with_context(|| line.clone())?;
    if let Some(why) = value["last_failure"].as_str() {
        eprintln!("      a request failed: {why}");
    }
    Ok(numbers(value.as_object().context("figures are an object")?))
}

/// HTTP/2 is driven by a client that is not ours: nghttp2's.
fn h2load(
    lab: &Lab,
    options: &Options,
    proxy: &Running,
    size: Size,
    in_flight: u32,
) -> Result<Figures> {
    let clients = (in_flight / STREAMS).max(1);
    let seconds = options.seconds.ceil().max(1.0);
    let run = |extra: &[String]| -> Result<String> {
        let mut command = lab.beside(&find_program("h2load")?);
        command.args([
            "-t",
            "1",
            "-c",
            &clients.to_string(),
            "-m",
            &STREAMS.to_string(),
            "-D",
            &seconds.to_string(),
        ]);
        if proxy.contestant.mode == Mode::Everything {
            command.args(["-H", &format!("x-api-key: {KEY}")]);
        }
        command.args(extra).arg(h2_address(proxy.h2c, size));
        capture(&mut command)
    };
    let tree = Tree::of(proxy.pid());
    let (from, cpu) = (Instant::now(), tree.cpu());
    let said = run(&[])?;
    let (took, cpu) = (from.elapsed().as_secs_f64(), (tree.cpu() - cpu).as_secs_f64());
    let (done, failed) = understand(&said)?;

    let log = lab.scratch("h2load.log");
    // An earlier log would be appended to.
    let _ = fs::remove_file(&log);
    let each = (options.rate / clients).max(1);
    run(&[format!("--rps={each}"), format!("--log-file={}", log.display())])?;
    let latencies = latencies(&fs::read_to_string(&log)?);
    Ok(Figures::from([
        ("requests".to_owned(), done),
        ("failures".to_owned(), failed),
        ("cpu_us".to_owned(), cpu * 1e6 / done),
        ("per_second".to_owned(), done / seconds),
        ("busy".to_owned(), cpu / took.max(seconds)),
        ("p50_us".to_owned(), percentile(&latencies, 0.50)),
        ("p99_us".to_owned(), percentile(&latencies, 0.99)),
        ("memory".to_owned(), tree.memory() as f64),
    ]))
}

fn h2_address(address: SocketAddr, size: Size) -> String {
    format!("http://{address}/a0/v1/{}", size.label())
}

/// `requests: 10 total, 10 started, 10 done, 9 succeeded, 1 failed, 0 errored, 0 timeout`
fn understand(said: &str) -> Result<(f64, f64)> {
    let line = said
        .lines()
        .find(|line| line.starts_with("requests: "))
        .with_context(|| said.to_owned())?;
    let count = |name: &str| -> Option<f64> {
        line.trim_start_matches("requests: ")
            .split(", ")
            .find_map(|part| part.strip_suffix(name)?.trim().parse().ok())
    };
    match (count("succeeded"), count("failed")) {
        (Some(succeeded), Some(failed)) if succeeded > 0.0 => Ok((succeeded, failed)),
        _ => bail!("h2load had no success:\n{said}"),
    }
}

/// The third column of h2load's log: microseconds, sorted.
fn latencies(log: &str) -> Vec<f64> {
    let mut list: Vec<f64> =
        log.lines().filter_map(|line| line.split('\t').nth(2)?.trim().parse().ok()).collect();
    list.sort_by(f64::total_cmp);
    list
}

fn percentile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1) as f64;
    sorted.get((last * share) as usize).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_h2load_are_found_in_its_summary() {
        let said = "finished in 1.00s\nrequests: 120 total, 120 started, 119 done, 117 succeeded, 2 failed, 1 errored, 0 timeout\nstatus codes: …";
        assert_eq!(understand(said).unwrap(), (117.0, 2.0));
        assert!(
            understand("requests: 0 total, 0 started, 0 done, 0 succeeded, 0 failed, 0 errored")
                .is_err()
        );
    }
}
