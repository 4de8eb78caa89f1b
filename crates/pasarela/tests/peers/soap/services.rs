//! The foreign SOAP services, each with the contracts that it can serve.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::harness::{PYTHON, Running, free_port, have, program, succeed, workspace};

/// A service by its toolkit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Spyne,
    Php,
    Node,
    Gsoap,
    Lite,
}

/// The npm package `soap`.
pub(crate) const NODE_SOAP: &str = ".peers/node/node_modules/soap";
/// What makes and compiles gSOAP's programs.
pub(crate) const GSOAP: [&str; 3] = ["wsdl2h", "soapcpp2", "gcc"];
/// SOAP::Lite's one file that everything else hangs on.
pub(crate) const SOAP_LITE: &str = "/usr/share/perl5/SOAP/Lite.pm";
/// By this file Debian's PHP knows SOAP.
pub(crate) const PHP_SOAP: &str = "/usr/share/doc/php-soap";

impl Kind {
    /// The contracts it serves, by the names of their files.
    pub(crate) fn contracts(self) -> &'static [&'static str] {
        match self {
            // spyne knows documents only, node-soap no encoding, SOAP::Lite procedures only.
            Self::Spyne => &["orders", "bare"],
            Self::Node => &["orders", "bare", "rpc"],
            Self::Php | Self::Gsoap => &["orders", "bare", "rpc", "encoded"],
            Self::Lite => &["rpc", "encoded"],
        }
    }

    /// Whether it also speaks SOAP 1.2, where the contract does.
    pub(crate) fn speaks_soap12(self) -> bool {
        matches!(self, Self::Spyne | Self::Php | Self::Gsoap)
    }

    fn is_there(self) -> bool {
        match self {
            Self::Spyne => have(&[PYTHON]),
            Self::Php => have(&["php"]) && have_file(PHP_SOAP),
            Self::Node => have(&["node", NODE_SOAP]),
            Self::Gsoap => have(&GSOAP),
            Self::Lite => have(&["perl"]) && have_file(SOAP_LITE),
        }
    }
}

/// A service that runs.
pub(crate) struct Service {
    pub(crate) kind: Kind,
    pub(crate) port: u16,
    running: Running,
}

impl Service {
    /// Starts one; `None` when it is not installed.
    pub(crate) fn start(kind: Kind) -> Option<Self> {
        if !kind.is_there() {
            return None;
        }
        let script = |name: &str| workspace().join("peers/soap/servers").join(name);
        let mut command = match kind {
            Kind::Spyne => {
                let mut command = program(PYTHON);
                command.arg(script("spyne_server.py")).env("PYTHONDONTWRITEBYTECODE", "1");
                command
            }
            Kind::Php => {
                let mut command = program("php");
                command.arg(script("php_server.php"));
                command
            }
            Kind::Node => {
                let mut command = program("node");
                command.arg(script("node_server.js"));
                command
            }
            Kind::Gsoap => std::process::Command::new(gsoap().join("server")),
            Kind::Lite => {
                let mut command = program("perl");
                command.arg(script("lite_server.pl"));
                command
            }
        };
        let port = free_port();
        let mut running = Running::start(command.arg(port.to_string()));
        running.accepting(port);
        Some(Self { kind, port, running })
    }

    /// How many one-way messages reached it.
    pub(crate) fn notices(&self) -> usize {
        self.running.out.all().iter().filter(|line| *line == "notified 7 paid").count()
    }
}

/// A contract's file.
pub(crate) fn contract(name: &str) -> PathBuf {
    workspace().join("peers/soap/wsdl").join(format!("{name}.wsdl"))
}

/// Like [`have`], for a file that is no program.
pub(crate) fn have_file(path: &str) -> bool {
    if Path::new(path).exists() {
        return true;
    }
    // Says so and, in CI, fails.
    have(&[path])
}

/// The folder with gSOAP's server and client, made when they are first needed. Tests are processes of their
/// own: the first one compiles, the others wait for it.
pub(crate) fn gsoap() -> PathBuf {
    let sources = workspace().join("peers/soap");
    let mut state = DefaultHasher::new();
    for folder in ["gsoap", "wsdl"] {
        let mut files: Vec<_> = fs::read_dir(sources.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files.iter().for_each(|file| fs::read(file).unwrap().hash(&mut state));
    }
    let made =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("gsoap-{:016x}", state.finish()));
    fs::create_dir_all(&made).unwrap();
    let lock = fs::File::create(made.join("lock")).unwrap();
    lock.lock().unwrap();
    if !made.join("done").exists() {
        let mut build = program("sh");
        build.arg(sources.join("gsoap/build.sh")).arg(&made);
        succeed(&mut build, Duration::from_secs(120));
        fs::write(made.join("done"), "").unwrap();
    }
    made
}
