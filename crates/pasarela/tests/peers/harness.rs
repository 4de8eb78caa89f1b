//! Starting and stopping: the gateway, foreign programs, certificates, folders.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long anything may take to start; generous, because the machine runs other tests too.
const START: Duration = Duration::from_secs(30);

/// Whether every one of these programs is there. When one is not, says so; in CI that is a failure.
pub(crate) fn have(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs.iter().filter(|name| find(name).is_none()).collect();
    if missing.is_empty() {
        return true;
    }
    let reason =
        format!("skipped: {missing:?} not installed (cargo xtask test installs the peers)");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{reason}");
    eprintln!("{reason}");
    false
}

/// Where a program is: in `.peers` where the name begins so, else on `PATH` or in `/usr/sbin`.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    if name.starts_with(".peers") {
        return Some(workspace().join(name)).filter(|path| path.exists());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/bin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

/// A command of a program that [`have`] has seen.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(find(name).unwrap_or_else(|| panic!("{name} is gone")));
    // Whatever proxy this machine uses, traffic of these tests stays on loopback.
    for variable in
        ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    {
        command.env_remove(variable);
    }
    command
}

/// The workspace's folder.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A file of `peers/scripts`.
pub(crate) fn script(name: &str) -> PathBuf {
    workspace().join("peers/scripts").join(name)
}

/// The npm package `ws`.
pub(crate) const WS: &str = ".peers/node/node_modules/ws";
/// Python of the virtual environment.
pub(crate) const PYTHON: &str = ".peers/venv/bin/python";

/// A port that was free a moment ago, for programs that cannot choose one themselves.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Lines that a program has printed, as they come.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>, Arc<AtomicBool>);

impl Lines {
    fn follow(source: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let sink = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(source).split(b'\n') {
                let Ok(line) = line else { break };
                sink.0.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
            }
            sink.1.store(true, Ordering::Release);
        });
        lines
    }

    /// Waits until nobody can print any more; not for ever, because a grandchild may hold the pipe.
    fn end(&self) {
        let start = Instant::now();
        while !self.1.load(Ordering::Acquire) && start.elapsed() < Duration::from_secs(2) {
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// All so far.
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// The first line that `wanted` makes something of, waiting for it.
    pub(crate) fn wait<T>(
        &self,
        patience: Duration,
        wanted: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let start = Instant::now();
        loop {
            if let Some(found) = self.0.lock().unwrap().iter().find_map(|line| wanted(line)) {
                return Some(found);
            }
            if start.elapsed() > patience {
                return None;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A running program; ended, with the processes it started, when dropped.
pub(crate) struct Running {
    child: Child,
    /// What it printed on standard output.
    pub(crate) out: Lines,
    /// What it printed on standard error.
    pub(crate) err: Lines,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        use std::os::unix::process::CommandExt as _;
        let name = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own, so that workers of a server end with it.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let out = Lines::follow(child.stdout.take().unwrap());
        let err = Lines::follow(child.stderr.take().unwrap());
        Self { child, out, err }
    }

    /// Waits for the line `listening PORT` that our scripts print.
    pub(crate) fn listening(&self) -> u16 {
        self.out
            .wait(START, |line| line.strip_prefix("listening ")?.trim().parse().ok())
            .unwrap_or_else(|| panic!("did not start: {:?}", self.err.all()))
    }

    /// Waits until somebody accepts connections on a port.
    pub(crate) fn accepting(&mut self, port: u16) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && start.elapsed() < START,
                "did not start ({ended:?}): {:?} {:?}",
                self.out.all(),
                self.err.all()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-TERM", "--", &group]).stderr(Stdio::null()).status();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(3) {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

/// Runs a program to its end, for at most so long; panics when it takes longer.
pub(crate) fn finish(command: &mut Command, patience: Duration) -> Output {
    let name = format!("{command:?}");
    let mut running = Running::start(command);
    let start = Instant::now();
    let status = loop {
        if let Some(status) = running.child.try_wait().unwrap() {
            break status;
        }
        assert!(
            start.elapsed() < patience,
            "{name} took longer than {patience:?}: {:?} {:?}",
            running.out.all(),
            running.err.all()
        );
        thread::sleep(Duration::from_millis(5));
    };
    // The readers see the end of the pipes a moment after the process ends.
    running.out.end();
    running.err.end();
    let join = |lines: &Lines| lines.all().join("\n").into_bytes();
    Output { status, stdout: join(&running.out), stderr: join(&running.err) }
}

/// Standard output of a program that must succeed.
pub(crate) fn succeed(command: &mut Command, patience: Duration) -> String {
    let name = format!("{command:?}");
    let output = finish(command, patience);
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {}\n{out}\n{err}", output.status);
    out.into_owned()
}

/// A certificate for `localhost` and `127.0.0.1`, good for thirty days, of an authority of its own; made
/// by openssl.
pub(crate) struct Certificate {
    pub(crate) authority: PathBuf,
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificate {
    pub(crate) fn new(folder: &Path) -> Self {
        let make =
            |name: &str, subject: &str, extensions: &[&str], signer: Option<(&Path, &Path)>| {
                let (cert, key) =
                    (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
                let mut command = program("openssl");
                command
                    .args([
                        "req",
                        "-x509",
                        "-newkey",
                        "ec",
                        "-pkeyopt",
                        "ec_paramgen_curve:P-256",
                        "-nodes",
                    ])
                    .args(["-sha256", "-days", "30", "-subj", subject])
                    .args(extensions.iter().flat_map(|extension| ["-addext", extension]))
                    .arg("-out")
                    .arg(&cert)
                    .arg("-keyout")
                    .arg(&key);
                if let Some((cert, key)) = signer {
                    command.arg("-CA").arg(cert).arg("-CAkey").arg(key);
                }
                succeed(&mut command, START);
                (cert, key)
            };
        let (authority, authority_key) = make(
            "authority",
            "/CN=Authority of a test",
            &["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"],
            None,
        );
        let (cert, key) = make(
            "cert",
            "/CN=localhost",
            &[
                "subjectAltName=DNS:localhost,IP:127.0.0.1",
                "basicConstraints=critical,CA:FALSE",
                "keyUsage=critical,digitalSignature",
                "extendedKeyUsage=serverAuth",
            ],
            Some((&authority, &authority_key)),
        );
        Self { authority, cert, key }
    }
}

/// `pasarela serve` with a configuration of the test's.
pub(crate) struct Gateway {
    /// The plain listener.
    pub(crate) address: SocketAddr,
    /// The console, with `/metrics`.
    pub(crate) console: SocketAddr,
    /// The TLS listener, where there is one.
    pub(crate) tls: Option<SocketAddr>,
    /// Whom to trust there.
    pub(crate) authority: PathBuf,
    running: Running,
    folder: tempfile::TempDir,
}

impl Gateway {
    /// Starts one on plain HTTP. `rest` is the configuration but for `version` and `listen`.
    pub(crate) fn start(rest: &str) -> Self {
        Self::start_with(rest, false)
    }

    /// Starts one on HTTP and HTTPS.
    pub(crate) fn start_tls(rest: &str) -> Self {
        Self::start_with(rest, true)
    }

    fn start_with(rest: &str, with_tls: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut text =
            String::from("version: 1\nlisten:\n  gateway: 127.0.0.1:0\n  console: 127.0.0.1:0\n");
        let mut authority = PathBuf::new();
        if with_tls {
            let made = Certificate::new(folder.path());
            text += &format!(
                "  tls: 127.0.0.1:0\ntls:\n  certificates:\n    - cert: {}\n      key: {}\n",
                made.cert.display(),
                made.key.display()
            );
            authority = made.authority;
        }
        text += rest;
        let file = folder.path().join("pasarela.yaml");
        fs::write(&file, &text).unwrap();
        let running = Running::start(
            Command::new(env!("CARGO_BIN_EXE_pasarela"))
                .args(["serve", "--log-format", "json", "--config"])
                .arg(&file)
                .arg("--data")
                .arg(folder.path().join("data")),
        );
        let serving = running.err.wait(START, |line| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["message"] == "serving").then_some(())
        });
        assert!(serving.is_some(), "the gateway did not start: {:#?}\n{text}", running.err.all());
        let listener = |name: &str| {
            running.err.all().iter().find_map(|line| {
                let line: Value = serde_json::from_str(line).ok()?;
                (line["message"] == "listening" && line["listener"] == name)
                    .then(|| line["address"].as_str()?.parse().ok())?
            })
        };
        let address = listener("gateway").expect("no line says where the gateway listens");
        let console = listener("console").expect("no line says where the console listens");
        Self { address, console, tls: listener("tls"), authority, running, folder }
    }

    /// One public API at the root, for one upstream, with further keys of the API.
    pub(crate) fn in_front_of(port: u16, keys: &str) -> Self {
        Self::start(&one_api(port, keys))
    }

    /// What it said on standard error, for the message of a failed test.
    pub(crate) fn log(&self) -> String {
        self.running.err.all().join("\n")
    }

    /// A folder that goes away with it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Configuration of one public API at the root, for one upstream on loopback; `keys` are further
/// keys of the API in YAML's flow form, `upgrade: true, http: 2`.
pub(crate) fn one_api(port: u16, keys: &str) -> String {
    let comma = if keys.is_empty() { "" } else { ", " };
    format!(
        "workers: 1\nlogs: {{ access: off }}\napis:\n  - {{ name: zoo, version: 1, path: /, visibility: public, \
         preserve_host: true, upstreams: [\"http://127.0.0.1:{port}\"]{comma}{keys} }}\n"
    )
}
