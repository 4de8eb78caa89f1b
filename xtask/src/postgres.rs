//! A PostgreSQL server of our own, for as long as the tests run: fresh, on loopback, of no use afterwards.
//!
//! The server refuses to run as root, so root starts it as the user `postgres` of Debian's package.
//! It ends with us, whatever becomes of us.

use std::{
    fs,
    net::TcpListener,
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::command::{Cargo, capture, find_program};

const USER: &str = "pasarela";
const START_MAX: Duration = Duration::from_secs(30);

/// A running server. It is stopped, and its folder removed, when this is dropped.
pub(crate) struct Server {
    process: Child,
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
}

impl Server {
    /// Makes a cluster and starts it. Nothing in it outlives a loss of power: it is for tests.
    pub(crate) fn start() -> Result<Self> {
        let programs = programs()?;
        let folder = std::env::temp_dir().join(format!("pasarela-postgres-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        match Self::start_in(&folder, programs) {
            Ok(server) => Ok(server),
            Err(error) => {
                let _ = fs::remove_dir_all(&folder);
                Err(error)
            }
        }
    }

    fn start_in(folder: &Path, programs: PathBuf) -> Result<Self> {
        let user = unprivileged(folder)?;
        let data = folder.join("data");
        capture(
            as_user(&programs.join("initdb"), user)
                .args(["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"])
                .arg(format!("--username={USER}"))
                .arg("--pgdata")
                .arg(&data),
        )?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut process = as_user(&programs.join("postgres"), user)
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder)
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-c", "fsync=off"])
            .args(["-c", "max_connections=400", "-c", "log_min_messages=fatal"])
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start postgres")?;
        let deadline = Instant::now() + START_MAX;
        while !answers(&programs, port) {
            if process.try_wait()?.is_some() || Instant::now() > deadline {
                let _ = process.kill();
                let _ = process.wait();
                bail!("postgres does not come up");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(Self { process, folder: folder.to_owned(), programs, port })
    }

    fn variables(&self) -> [(&'static str, String); 2] {
        [
            ("PASARELA_POSTGRES", format!("postgres://{USER}@127.0.0.1:{}", self.port)),
            ("PASARELA_POSTGRES_BIN", self.programs.display().to_string()),
        ]
    }

    /// The same command, told where the server is.
    pub(crate) fn known_to(&self, cargo: Cargo) -> Cargo {
        self.variables().iter().fold(cargo, |cargo, (name, value)| cargo.env(name, value))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // "Immediately": what is in it is thrown away.
        let stopped = Command::new("kill").arg("-QUIT").arg(self.process.id().to_string()).status();
        if !stopped.is_ok_and(|status| status.success()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// `cargo xtask postgres COMMAND…`.
pub(crate) fn beside(command: &[&str]) -> Result<ExitCode> {
    let server = Server::start()?;
    let [program, arguments @ ..] = command else { bail!("which command?") };
    let status = Command::new(program)
        .args(arguments)
        .envs(server.variables())
        .status()
        .with_context(|| format!("cannot run {program}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where Debian keeps the programs of the newest version, or where `PATH` has them.
fn programs() -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .map(|version| version.path().join("bin"))
        .filter(|folder| folder.join("initdb").is_file())
        .max_by_key(|folder| {
            let version = folder.parent().and_then(Path::file_name);
            version.and_then(|version| version.to_str()?.parse::<u32>().ok())
        });
    match newest {
        Some(folder) => Ok(folder),
        None => {
            let initdb = find_program("initdb")?;
            Ok(initdb.parent().context("initdb lies nowhere")?.to_owned())
        }
    }
}

/// Whom the server runs as; `None`: as ourselves. The folder becomes theirs.
fn unprivileged(folder: &Path) -> Result<Option<(u32, u32)>> {
    if fs::metadata("/proc/self").map(|process| process.uid()).unwrap_or(1) != 0 {
        return Ok(None);
    }
    let id = |what: &str| -> Result<u32> {
        Ok(capture(Command::new("id").args([what, "postgres"]))?.trim().parse()?)
    };
    let (user, group) = (id("-u")?, id("-g")?);
    std::os::unix::fs::chown(folder, Some(user), Some(group))?;
    Ok(Some((user, group)))
}

/// A command that ends with us.
fn as_user(program: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "QUIT"]);
    if let Some((user, group)) = user {
        command.args([format!("--reuid={user}"), format!("--regid={group}")]).arg("--clear-groups");
    }
    command.arg(program).current_dir("/").process_group(0);
    command
}

fn answers(programs: &Path, port: u16) -> bool {
    let mut ready = Command::new(programs.join("pg_isready"));
    ready.args(["-q", "-h", "127.0.0.1", "-U", USER, "-d", "postgres", "-p", &port.to_string()]);
    ready.status().is_ok_and(|status| status.success())
}
