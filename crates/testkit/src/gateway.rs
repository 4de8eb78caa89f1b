//! The gateway under test: the real binary, on port 0, in a folder of its own.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ChildStderr, ChildStdout, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    H2Client, RawClient, eventually, message::Response, process::Process, tls::ClientTls,
    upstream::Upstream,
};

/// What a gateway is started with.
pub struct Builder {
    binary: PathBuf,
    folder: TempDir,
    whole: Option<String>,
    listen: Vec<String>,
    limits: Vec<String>,
    top: Vec<String>,
    apis: Vec<String>,
    workers: u32,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
    files: Option<u64>,
    deaf: bool,
}

impl Builder {
    /// The whole configuration file, instead of the one put together from the other calls.
    pub fn config(mut self, yaml: impl Into<String>) -> Self {
        self.whole = Some(yaml.into());
        self
    }

    /// A public API `name` under `/name` with one upstream.
    pub fn api(self, name: &str, upstream: &Upstream) -> Self {
        self.api_with(name, &[&upstream.url()], "")
    }

    /// A public API `name` under `/name`, with more lines of YAML (`body_bytes: 1KiB`). A line
    /// for `path` or `visibility` replaces the default.
    pub fn api_with(mut self, name: &str, upstreams: &[&str], more: &str) -> Self {
        self.apis.push(Self::api_yaml(name, upstreams, more));
        self
    }

    /// The YAML of [`Self::api_with`], for tests that write the file anew.
    pub fn api_yaml(name: &str, upstreams: &[&str], more: &str) -> String {
        let mut yaml = format!("  - name: {name}\n    version: 1\n");
        let more: Vec<&str> = more.lines().filter(|line| !line.trim().is_empty()).collect();
        let indent = more.iter().map(|line| line.len() - line.trim_start().len()).min();
        for (key, value) in [("path", format!("/{name}")), ("visibility", "public".to_owned())] {
            if !more.iter().any(|line| line.trim_start().starts_with(&format!("{key}:"))) {
                yaml.push_str(&format!("    {key}: {value}\n"));
            }
        }
        yaml.push_str("    upstreams:\n");
        for upstream in upstreams {
            yaml.push_str(&format!("      - {upstream}\n"));
        }
        for line in more {
            yaml.push_str(&format!("    {}\n", &line[indent.unwrap_or(0)..]));
        }
        yaml
    }

    /// A further listener: `tls: 127.0.0.1:0`.
    pub fn listen(mut self, line: &str) -> Self {
        self.listen.push(line.to_owned());
        self
    }

    /// A limit: `header_time: 1s`.
    pub fn limit(mut self, line: &str) -> Self {
        self.limits.push(line.to_owned());
        self
    }

    /// Lines of YAML at the top level.
    pub fn top(mut self, yaml: &str) -> Self {
        self.top.push(yaml.to_owned());
        self
    }

    /// Worker threads; two unless set.
    pub fn workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }

    /// A file beside the configuration.
    pub fn file(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.folder.path().join(name), bytes).expect("writing beside the config");
        self
    }

    /// An environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A further command line argument.
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Limits the file descriptors of the process.
    pub fn open_files(mut self, most: u64) -> Self {
        self.files = Some(most);
        self
    }

    /// Never reads the gateway's standard output, so that its pipe fills.
    pub fn deaf(mut self) -> Self {
        self.deaf = true;
        self
    }

    /// The folder of the configuration.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration as it will be written.
    pub fn yaml(&self) -> String {
        if let Some(whole) = &self.whole {
            return whole.clone();
        }
        let mut yaml = format!("version: 1\nworkers: {}\n", self.workers);
        yaml.push_str("listen:\n  gateway: 127.0.0.1:0\n  console: 127.0.0.1:0\n");
        for line in &self.listen {
            yaml.push_str(&format!("  {line}\n"));
        }
        if !self.limits.is_empty() {
            yaml.push_str("limits:\n");
            for line in &self.limits {
                yaml.push_str(&format!("  {line}\n"));
            }
        }
        for lines in &self.top {
            yaml.push_str(lines.trim_start_matches('\n'));
            yaml.push('\n');
        }
        if !self.apis.is_empty() {
            yaml.push_str("apis:\n");
            for api in &self.apis {
                yaml.push_str(api);
            }
        }
        yaml
    }

    fn command(&self, config: &Path, more: &[&str]) -> Command {
        let mut command = match self.files {
            None => Command::new(&self.binary),
            Some(most) => {
                let mut shell = Command::new("sh");
                shell.arg("-c").arg(format!("ulimit -n {most} && exec \"$0\" \"$@\""));
                shell.arg(&self.binary);
                shell
            }
        };
        command.arg("serve").arg("--config").arg(config);
        command.arg("--data").arg(self.folder.path().join("data"));
        command.args(["--log-format", "json"]).args(more).args(&self.arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts the gateway and waits until it serves.
    #[track_caller]
    pub fn start(self) -> Gateway {
        match self.try_start() {
            Ok(gateway) => gateway,
            Err(log) => panic!("the gateway did not start:\n{log}"),
        }
    }

    /// Starts the gateway; its whole log when it does not come to serve.
    pub fn try_start(self) -> Result<Gateway, String> {
        let config = self.folder.path().join("pasarela.yaml");
        std::fs::write(&config, self.yaml()).expect("writing the config");
        let mut gateway = Gateway {
            process: Process::new(self.command(&config, &[]).spawn().expect("spawning")),
            previous: Vec::new(),
            logs: Arc::default(),
            access: Arc::default(),
            unread: Vec::new(),
            config,
            builder: self,
        };
        gateway.watch_output();
        gateway.await_serving(0)?;
        Ok(gateway)
    }
}

/// Lines that arrive on a thread of their own.
#[derive(Default)]
struct Lines {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Lines {
    fn collect(self: &Arc<Self>, from: impl std::io::Read + Send + 'static) {
        let lines = Arc::clone(self);
        std::thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while let Ok(1..) = from.read_until(b'\n', &mut line) {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                lines.lines.lock().expect("no panic under the lock").push(text);
                lines.more.notify_all();
                line.clear();
            }
        });
    }

    fn all(&self) -> Vec<String> {
        self.lines.lock().expect("no panic under the lock").clone()
    }

    fn len(&self) -> usize {
        self.lines.lock().expect("no panic under the lock").len()
    }

    /// The first line from index `from` on that `pick` makes something of.
    fn find<T>(
        &self,
        from: usize,
        limit: Duration,
        mut pick: impl FnMut(&str) -> Option<T>,
    ) -> Option<T> {
        let end = Instant::now() + limit;
        let mut lines = self.lines.lock().expect("no panic under the lock");
        let mut seen = from;
        loop {
            while seen < lines.len() {
                if let Some(found) = pick(&lines[seen]) {
                    return Some(found);
                }
                seen += 1;
            }
            let left = end.checked_duration_since(Instant::now())?;
            lines = self.more.wait_timeout(lines, left).expect("no panic under the lock").0;
        }
    }
}

/// What became of a changed configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is served now; the log line.
    Reloaded(String),
    /// The old one goes on being served; the log line.
    Refused(String),
}

/// A running gateway. It is killed when it goes out of scope, and its log is printed when that
/// happens because a test panics.
pub struct Gateway {
    process: Process,
    /// Processes that a binary upgrade has replaced; they drain.
    previous: Vec<Process>,
    logs: Arc<Lines>,
    access: Arc<Lines>,
    unread: Vec<ChildStdout>,
    config: PathBuf,
    builder: Builder,
}

impl Gateway {
    /// Begins with the path of the binary: `env!("CARGO_BIN_EXE_pasarela")`.
    pub fn builder(binary: impl Into<PathBuf>) -> Builder {
        Builder {
            binary: binary.into(),
            folder: TempDir::with_prefix("pasarela-e2e-").expect("a temporary folder"),
            whole: None,
            listen: Vec::new(),
            limits: Vec::new(),
            top: Vec::new(),
            apis: Vec::new(),
            workers: 2,
            environment: Vec::new(),
            arguments: Vec::new(),
            files: None,
            deaf: false,
        }
    }

    fn watch_output(&mut self) {
        let (stdout, stderr): (ChildStdout, ChildStderr) = self.process.take_pipes();
        self.logs.collect(stderr);
        if self.builder.deaf {
            self.unread.push(stdout);
        } else {
            self.access.collect(stdout);
        }
    }

    fn await_serving(&mut self, from: usize) -> Result<(), String> {
        let end = Instant::now() + Duration::from_secs(15);
        loop {
            let pick = |line: &str| (member(line, "message")? == "serving").then_some(());
            if self.logs.find(from, Duration::from_millis(50), pick).is_some() {
                return Ok(());
            }
            if !self.process.runs() || Instant::now() > end {
                // What it said last may still be on its way.
                std::thread::sleep(Duration::from_millis(50));
                return Err(self.log());
            }
        }
    }

    /// The last address announced for a listener (`gateway`, `tls`, `console`, `internal`).
    #[track_caller]
    pub fn address_of(&self, listener: &str) -> SocketAddr {
        let pick = |line: &String| {
            let mine =
                member(line, "message")? == "listening" && member(line, "listener")? == listener;
            mine.then(|| member(line, "address")?.parse().ok())?
        };
        let all = self.logs.all();
        all.iter().rev().find_map(pick).unwrap_or_else(|| panic!("no {listener} listener"))
    }

    /// Where callers connect.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        self.address_of("gateway")
    }

    /// A connection to the gateway listener.
    #[track_caller]
    pub fn connect(&self) -> RawClient {
        RawClient::connect(self.address())
    }

    /// An HTTP/2 connection with prior knowledge.
    #[track_caller]
    pub fn connect_h2(&self) -> H2Client {
        H2Client::connect(self.address())
    }

    /// A TLS connection to the `tls` listener.
    #[track_caller]
    pub fn connect_tls(&self, settings: &ClientTls) -> RawClient {
        let address = self.address_of("tls");
        RawClient::tls(address, settings).unwrap_or_else(|error| panic!("TLS: {error}"))
    }

    /// One `GET` on a connection of its own.
    #[track_caller]
    pub fn get(&self, target: &str) -> Response {
        self.connect().get(target)
    }

    /// One `GET` at the console listener.
    #[track_caller]
    pub fn console(&self, target: &str) -> Response {
        let mut client = RawClient::connect(self.address_of("console"));
        client.ask(format!("GET {target} HTTP/1.1\r\nHost: console\r\nConnection: close\r\n\r\n"))
    }

    /// The value of one metric: the sum over all lines that begin with `series`.
    #[track_caller]
    pub fn metric(&self, series: &str) -> f64 {
        let text = self.console("/metrics").text();
        let mine = text.lines().filter(|line| line.starts_with(series));
        mine.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// The folder of the configuration.
    pub fn folder(&self) -> &Path {
        self.builder.folder()
    }

    /// The configuration it was started with.
    pub fn yaml(&self) -> String {
        self.builder.yaml()
    }

    /// The running process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Anonymous memory of the process, bytes.
    pub fn rss(&self) -> u64 {
        self.process.rss()
    }

    /// Processor time of the process.
    pub fn cpu(&self) -> Duration {
        self.process.cpu()
    }

    /// Open file descriptors of the process.
    pub fn fds(&self) -> usize {
        self.process.fds()
    }

    /// Everything on standard error.
    pub fn log(&self) -> String {
        self.logs.all().join("\n")
    }

    /// Waits for a log line that contains this text.
    #[track_caller]
    pub fn await_log(&self, text: &str) -> String {
        let pick = |line: &str| line.contains(text).then(|| line.to_owned());
        self.logs
            .find(0, Duration::from_secs(10), pick)
            .unwrap_or_else(|| panic!("no log line with {text:?}"))
    }

    /// Everything on standard output, line by line.
    pub fn stdout(&self) -> Vec<String> {
        self.access.all()
    }

    /// Waits until at least `count` access lines are there; all of them, parsed.
    #[track_caller]
    pub fn access_lines(&self, count: usize) -> Vec<Value> {
        eventually(Duration::from_secs(5), || self.access.len() >= count);
        let lines = self.access.all();
        assert!(lines.len() >= count, "{} access lines, not {count}", lines.len());
        let parse = |line: &String| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        };
        lines.iter().map(parse).collect()
    }

    /// Replaces the configuration file in one step; says nothing to the gateway.
    pub fn write_config(&self, yaml: &str) {
        let beside = self.config.with_extension("new");
        std::fs::write(&beside, yaml).expect("writing the config");
        std::fs::rename(&beside, &self.config).expect("replacing the config");
    }

    /// Replaces the configuration file, sends SIGHUP and waits for the verdict.
    #[track_caller]
    pub fn reload(&self, yaml: &str) -> Outcome {
        let from = self.logs.len();
        self.write_config(yaml);
        self.sighup();
        self.verdict(from)
    }

    /// Replaces the configuration file and waits for the gateway to notice.
    #[track_caller]
    pub fn reload_by_change(&self, yaml: &str) -> Outcome {
        let from = self.logs.len();
        self.write_config(yaml);
        self.verdict(from)
    }

    #[track_caller]
    fn verdict(&self, from: usize) -> Outcome {
        let pick = |line: &str| match member(line, "message")?.as_str() {
            "configuration reloaded" => Some(Outcome::Reloaded(line.to_owned())),
            "configuration refused" => Some(Outcome::Refused(line.to_owned())),
            _ => None,
        };
        let verdict = self.logs.find(from, Duration::from_secs(10), pick);
        verdict.expect("a verdict on the configuration within ten seconds")
    }

    /// Asks for a reload.
    pub fn sighup(&self) {
        self.process.signal(Signal::HUP);
    }

    /// Asks for a drain.
    pub fn sigterm(&self) {
        self.process.signal(Signal::TERM);
    }

    /// Starts a second process that takes the sockets over, and waits until it serves. The first
    /// goes on draining.
    #[track_caller]
    pub fn upgrade(&mut self) {
        let from = self.logs.len();
        let mut command = self.builder.command(&self.config, &["--upgrade"]);
        let next = Process::new(command.spawn().expect("spawning"));
        self.previous.push(std::mem::replace(&mut self.process, next));
        self.watch_output();
        if let Err(log) = self.await_serving(from) {
            panic!("the upgrade does not serve:\n{log}");
        }
    }

    /// Processes that were replaced by an upgrade.
    pub fn previous(&mut self) -> &mut [Process] {
        &mut self.previous
    }

    /// Kills the process without warning and starts another on the same files and, where the
    /// configuration says port 0, on other ports. How long until it serves.
    #[track_caller]
    pub fn kill_and_restart(&mut self) -> Duration {
        self.process.kill();
        let from = self.logs.len();
        let begin = Instant::now();
        let mut command = self.builder.command(&self.config, &[]);
        self.process = Process::new(command.spawn().expect("spawning"));
        self.watch_output();
        if let Err(log) = self.await_serving(from) {
            panic!("the restart does not serve:\n{log}");
        }
        begin.elapsed()
    }
}

/// A member of a JSON log line, at the top or among `fields`.
fn member(line: &str, name: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let value = line.get(name).or_else(|| line.get("fields")?.get(name))?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let access = self.access.all();
            let last = &access[access.len().saturating_sub(20)..];
            eprintln!("--- configuration\n{}", self.builder.yaml());
            eprintln!("--- access log, the end\n{}", last.join("\n"));
            let logs = self.logs.all();
            let last = &logs[logs.len().saturating_sub(60)..];
            eprintln!("--- log, the end\n{}\n---", last.join("\n"));
            eprintln!("still running: {}", self.process.runs());
        }
    }
}
