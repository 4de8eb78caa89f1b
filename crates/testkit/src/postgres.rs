//! A PostgreSQL database for one test, on the server that `cargo xtask test` (or `cargo xtask postgres …`) has started.

use std::{
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

/// Where that server is, without a database: `postgres://user@127.0.0.1:5433`.
const SERVER: &str = "PASARELA_POSTGRES";
/// The folder of its programs.
const PROGRAMS: &str = "PASARELA_POSTGRES_BIN";

/// An empty database of its own; `None`, with a word on standard error, where there is no server.
///
/// # Panics
/// When there is a server that makes no database, or in CI none at all.
pub fn postgres_database() -> Option<String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (Ok(server), Ok(programs)) = (std::env::var(SERVER), std::env::var(PROGRAMS)) else {
        assert!(std::env::var_os("CI").is_none(), "CI has to set {SERVER}: run `cargo xtask test`");
        eprintln!("left out: no PostgreSQL ({SERVER} is not set; see `cargo xtask postgres`)");
        return None;
    };
    let name = format!("t{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let made = Command::new(format!("{programs}/createdb"))
        .args(["--maintenance-db", &format!("{server}/postgres"), &name])
        .output()
        .expect("createdb can be run");
    assert!(made.status.success(), "createdb: {}", String::from_utf8_lossy(&made.stderr));
    Some(format!("{server}/{name}"))
}
