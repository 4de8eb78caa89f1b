//! The proxies: how each is configured, started on its core, and stopped.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::command::{capture, find_program, root, target_directory};
use crate::peers::Peer;

use super::samples::SMOKE;

/// The key that callers send. It opens nothing but the benchmark.
pub(crate) const KEY: &str = "bench-5f0e1c7a93d84b62";

/// A proxy program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Pasarela,
    Nginx,
    Haproxy,
    Envoy,
    Floor,
}

/// How much it does for each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Relays.
    Plain,
    /// API key, rate limit and access log as well.
    Everything,
}

impl Mode {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Everything => "everything",
        }
    }
}

/// A proxy with a configuration, under the name it has in the tables.
#[derive(Debug, Clone)]
pub(crate) struct Contestant {
    pub(crate) kind: Kind,
    pub(crate) mode: Mode,
    pub(crate) apis: u32,
    pub(crate) label: String,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] =
        [Self::Pasarela, Self::Nginx, Self::Haproxy, Self::Envoy, Self::Floor];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pasarela => "pasarela",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Envoy => "envoy",
            Self::Floor => "floor",
        }
    }

    pub(crate) fn parse(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .with_context(|| format!("{name} is no proxy we know"))
    }

    pub(crate) fn peer(self) -> Option<Peer> {
        match self {
            Self::Pasarela | Self::Floor => None,
            Self::Nginx => Some(Peer::Nginx),
            Self::Haproxy => Some(Peer::Haproxy),
            Self::Envoy => Some(Peer::Envoy),
        }
    }

    /// Where a foreign proxy is installed. Our own are found by [`Lab`], which knows the profile.
    pub(crate) fn program(self) -> Result<PathBuf> {
        match self {
            Self::Pasarela | Self::Floor => Ok(PathBuf::new()),
            Self::Nginx => find_program("nginx"),
            Self::Haproxy => find_program("haproxy"),
            Self::Envoy => envoy(),
        }
    }
}

/// The bench: cores, folder, certificates, and the origin that runs for the whole time.
pub(crate) struct Lab {
    directory: PathBuf,
    pub(crate) smoke: bool,
    cores: Option<(usize, usize)>,
    origin: SocketAddr,
    big: SocketAddr,
    _origin: Stopper,
}

/// A started contestant; it stops when this value goes.
pub(crate) struct Running {
    pub(crate) contestant: Contestant,
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
    pub(crate) h2c: SocketAddr,
    process: Stopper,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }
}

impl Lab {
    pub(crate) fn new(smoke: bool) -> Result<Self> {
        let directory = target_directory().join("bench").join("lab");
        // What an earlier run left may be anything; what matters is that the folder is new.
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory)?;
        let tool = bench_tool(smoke)?;
        capture(Command::new(&tool).arg("certificate").arg("--directory").arg(&directory))?;
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let cores = (count >= 2 && find_program("taskset").is_ok()).then(|| (count - 1, count - 2));
        let [origin, big] = free_addresses()?;
        let mut command = pinned(cores.map(|(_, ours)| ours), &tool);
        command.arg("origin").args(["--listen", &origin.to_string()]);
        command.args(["--big", &big.to_string()]);
        let mut process = Stopper(command.spawn().context("starting the origin")?);
        for address in [origin, big] {
            await_listener(&mut process, address, &directory.join("origin.log"))?;
        }
        Ok(Self { directory, smoke, cores, origin, big, _origin: process })
    }

    /// Machine, versions and arrangement, for the head of the table.
    pub(crate) fn describe(&self, proxies: &[Kind]) -> Vec<String> {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu
            .lines()
            .find_map(|line| line.strip_prefix("model name"))
            .unwrap_or(": unknown processor");
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut about = vec![format!(
            "{}, {cores} cores, Linux {}",
            model.trim_start_matches([' ', '\t', ':']),
            kernel.trim()
        )];
        about.push(match self.cores {
            Some(_) => {
                "Each proxy alone on one core; load generator and origin together on another."
                    .to_owned()
            }
            None => "Nothing is pinned: the machine has one core, or no `taskset`.".to_owned(),
        });
        about.extend(proxies.iter().filter_map(|kind| version(*kind)));
        if self.smoke {
            about.push(SMOKE.to_owned());
        }
        about
    }

    /// Our program for the far ends, on the core that is not the proxy's.
    pub(crate) fn tool(&self, subcommand: &str) -> Result<Command> {
        let mut command = pinned(self.cores.map(|(_, ours)| ours), &bench_tool(self.smoke)?);
        command.arg(subcommand);
        Ok(command)
    }

    /// Any program, on that same core.
    pub(crate) fn beside(&self, program: &Path) -> Command {
        pinned(self.cores.map(|(_, ours)| ours), program)
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.directory.join("cert.pem")
    }

    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Starts a contestant and waits until it listens.
    pub(crate) fn start(&self, contestant: &Contestant) -> Result<Running> {
        let [http, https, h2c, console] = free_addresses()?;
        let label: String = contestant.label.chars().filter(char::is_ascii_alphanumeric).collect();
        let directory = self.directory.join(label);
        // Logs of the scenario before would only fill the disk.
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory)?;
        let template =
            Template { lab: self, contestant, directory: &directory, http, https, h2c, console };
        let mut command = self.command(&template)?;
        let log = directory.join("output.log");
        let output = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let mut process =
            Stopper(command.spawn().with_context(|| format!("starting {}", contestant.label))?);
        let h2c = if contestant.kind == Kind::Nginx || contestant.kind == Kind::Haproxy {
            h2c
        } else {
            http
        };
        let listens: &[SocketAddr] =
            if contestant.kind == Kind::Floor { &[http] } else { &[http, https, h2c] };
        for address in listens {
            await_listener(&mut process, *address, &log)
                .with_context(|| contestant.label.clone())?;
        }
        Ok(Running { contestant: contestant.clone(), http, https, h2c, process })
    }

    fn command(&self, template: &Template<'_>) -> Result<Command> {
        let kind = template.contestant.kind;
        let program = match kind {
            Kind::Pasarela => own_program("pasarela", if self.smoke { "debug" } else { "dist" })?,
            Kind::Floor => bench_tool(self.smoke)?,
            _ => kind.program()?,
        };
        let mut command = pinned(self.cores.map(|(proxy, _)| proxy), &program);
        match kind {
            Kind::Pasarela => {
                let file = template.write("pasarela.yaml", &template.pasarela()?)?;
                command.args(["serve", "--log-format", "json", "--config"]).arg(file);
                command.arg("--data").arg(template.directory.join("data"));
            }
            Kind::Nginx => {
                let file = template
                    .write("nginx.conf", &template.fill(include_str!("proxies/nginx.conf")))?;
                command.arg("-p").arg(template.directory).arg("-c").arg(file);
                // nginx opens its compiled-in log before it has read where the log should be.
                command.arg("-e").arg(template.directory.join("error.log"));
            }
            Kind::Haproxy => {
                template.write("keys.map", &format!("{KEY} bench\n"))?;
                let file = template
                    .write("haproxy.cfg", &template.fill(include_str!("proxies/haproxy.cfg")))?;
                command.arg("-db").arg("-f").arg(file);
            }
            Kind::Envoy => {
                let file = template
                    .write("envoy.yaml", &template.fill(include_str!("proxies/envoy.yaml")))?;
                command.args([
                    "--concurrency",
                    "1",
                    "--disable-hot-restart",
                    "--log-level",
                    "error",
                ]);
                command.args(["--file-flush-interval-msec", "1000", "-c"]).arg(file);
            }
            Kind::Floor => {
                command.args([
                    "floor",
                    "--listen",
                    &template.http.to_string(),
                    "--origin",
                    &self.origin.to_string(),
                ]);
            }
        }
        Ok(command)
    }
}

/// What a configuration is filled in with.
struct Template<'a> {
    lab: &'a Lab,
    contestant: &'a Contestant,
    directory: &'a Path,
    http: SocketAddr,
    https: SocketAddr,
    h2c: SocketAddr,
    console: SocketAddr,
}

impl Template<'_> {
    /// Keeps the lines of this mode and puts values in for `@NAMES@`.
    fn fill(&self, text: &str) -> String {
        let mut filled = for_mode(text, self.contestant.mode);
        let addresses = [
            ("HTTP", self.http),
            ("HTTPS", self.https),
            ("H2C", self.h2c),
            ("CONSOLE", self.console),
            ("ORIGIN", self.lab.origin),
            ("BIG", self.lab.big),
        ];
        for (name, address) in addresses {
            filled = filled.replace(&format!("@{name}@"), &address.to_string());
            filled = filled.replace(&format!("@{name}_PORT@"), &address.port().to_string());
        }
        filled = filled.replace("@DIR@", &self.directory.display().to_string());
        filled = filled.replace("@CERTS@", &self.lab.directory.display().to_string());
        filled.replace("@KEY@", KEY)
    }

    /// Our own file: the template, and as many APIs as the scenario asks for.
    fn pasarela(&self) -> Result<String> {
        use std::fmt::Write;
        let mut text = self.fill(include_str!("proxies/pasarela.yaml"));
        let (origin, big, apis) = (self.lab.origin, self.lab.big, self.contestant.apis);
        let everything = self.contestant.mode == Mode::Everything;
        let plans = if everything { ", plans: [bench]" } else { "" };
        writeln!(text, "apis:")?;
        for n in 0..apis {
            writeln!(
                text,
                r#"  - {{ name: a{n}, version: 1, visibility: public, upstreams: ["http://{origin}"]{plans} }}"#
            )?;
        }
        writeln!(
            text,
            r#"  - {{ name: big, version: 1, visibility: public, path: /big, upstreams: ["http://{big}"] }}"#
        )?;
        if everything {
            self.write("key", KEY)?;
            writeln!(
                text,
                "applications:\n  - name: bench\n    organisation: bench\n    keys: [{{ file: key }}]"
            )?;
            writeln!(text, "    subscriptions:")?;
            for n in 0..apis {
                writeln!(text, "      - {{ api: a{n}, plan: bench }}")?;
            }
        }
        Ok(text)
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let file = self.directory.join(name);
        fs::write(&file, text).with_context(|| file.display().to_string())?;
        Ok(file)
    }
}

/// Lines marked for the mode lose their mark, lines marked for the other mode go.
fn for_mode(text: &str, mode: Mode) -> String {
    let keep = |line: &str| -> Option<String> {
        for other in [Mode::Plain, Mode::Everything] {
            if let Some((indent, rest)) = line.split_once(&format!("#{} ", other.label()))
                && indent.trim().is_empty()
            {
                return (other == mode).then(|| format!("{indent}{rest}"));
            }
        }
        Some(line.to_owned())
    };
    text.lines().filter_map(keep).collect::<Vec<_>>().join("\n") + "\n"
}

/// Ends a process with its children when it goes out of scope.
struct Stopper(Child);

impl Drop for Stopper {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(None)) {
            return;
        }
        // TERM lets nginx's master end its worker; whoever has not gone after two seconds is killed.
        let _ = Command::new("kill").arg("-TERM").arg(self.0.id().to_string()).status();
        let deadline = Instant::now() + Duration::from_secs(2);
        while Instant::now() < deadline {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            sleep(Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn pinned(core: Option<usize>, program: &Path) -> Command {
    match core {
        None => Command::new(program),
        Some(core) => {
            let mut command = Command::new("taskset");
            command.arg("--cpu-list").arg(core.to_string()).arg(program);
            command
        }
    }
}

fn await_listener(process: &mut Stopper, address: SocketAddr, log: &Path) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(address).is_err() {
        let ended = process.0.try_wait()?;
        if ended.is_some() || Instant::now() > deadline {
            let said = fs::read_to_string(log).unwrap_or_default();
            let last: Vec<&str> = said.lines().rev().take(15).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            bail!("does not listen on {address} ({ended:?}); it said:\n{}", last.join("\n"));
        }
        sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Addresses on loopback that were free a moment ago: all are bound at once, so they differ.
fn free_addresses<const N: usize>() -> Result<[SocketAddr; N]> {
    let listeners: Vec<TcpListener> =
        (0..N).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<std::io::Result<_>>()?;
    let addresses: Vec<SocketAddr> =
        listeners.iter().map(TcpListener::local_addr).collect::<std::io::Result<_>>()?;
    addresses.try_into().map_err(|_| anyhow::anyhow!("as many addresses as listeners"))
}

/// Envoy's binary inside the Python package that carries it (its own starter would be one more
/// process), or one on the path.
fn envoy() -> Result<PathBuf> {
    let libraries = root().join(".peers/venv/lib");
    let installed = fs::read_dir(libraries).into_iter().flatten().flatten();
    installed
        .map(|python| python.path().join("site-packages/envoy/_bin/envoy"))
        .find(|program| program.is_file())
        .map_or_else(|| find_program("envoy"), Ok)
}

fn bench_tool(smoke: bool) -> Result<PathBuf> {
    own_program("bench-tool", if smoke { "debug" } else { "release" })
}

fn own_program(name: &str, profile: &str) -> Result<PathBuf> {
    let file = target_directory().join(profile).join(name);
    if !file.exists() {
        bail!("{} is not built", file.strip_prefix(root()).unwrap_or(&file).display());
    }
    Ok(file)
}

/// `nginx version: nginx/1.22.1`, or whatever the program says of itself.
fn version(kind: Kind) -> Option<String> {
    let option = match kind {
        Kind::Nginx | Kind::Haproxy => "-v",
        Kind::Envoy => "--version",
        Kind::Pasarela | Kind::Floor => return None,
    };
    let output = Command::new(kind.program().ok()?).arg(option).output().ok()?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let line = said.lines().find(|line| !line.trim().is_empty())?.trim();
    // Envoy names itself by the path it was called with.
    Some(match line.split_once("version: ") {
        Some((_, version)) => format!("{}: {version}", kind.name()),
        None => line.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_keeps_the_lines_of_its_mode_and_their_indentation() {
        let text = "a\n  #everything b: c # d\n#plain e\n";
        assert_eq!(for_mode(text, Mode::Everything), "a\n  b: c # d\n");
        assert_eq!(for_mode(text, Mode::Plain), "a\ne\n");
    }
}
