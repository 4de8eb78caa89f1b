//! `bench-tool`: the far ends of the proxy benchmark (clients, origin) and its floor.
//!
//! `cargo xtask bench proxy` builds this program, pins it to a core and reads the one JSON line
//! that each measuring subcommand prints. Nothing here is part of the product.
#![expect(clippy::print_stdout, reason = "the result of a measurement is a line on stdout")]

mod big;
mod floor;
mod idle;
mod load;
mod options;
mod origin;
mod response;
#[path = "../usage.rs"]
mod usage;
mod wire;

use anyhow::{Context, Result, bail};
use options::Options;

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let command =
        words.next().context("usage: bench-tool load|idle|big|origin|floor|certificate")?;
    let options = Options::parse(words)?;
    match command.as_str() {
        "load" => println!("{}", load::run(&options)?),
        "idle" => println!("{}", idle::run(&options)?),
        "big" => println!("{}", big::run(&options)?),
        "origin" => origin::run(&options)?,
        "floor" => floor::run(&options)?,
        "certificate" => certificate(&options)?,
        other => bail!("there is no subcommand {other}"),
    }
    Ok(())
}

/// Writes `cert.pem`, `key.pem` and `both.pem`: a P-256 certificate for `localhost` that signs itself.
fn certificate(options: &Options) -> Result<()> {
    let directory = std::path::PathBuf::from(options.text("directory")?);
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    std::fs::write(directory.join("both.pem"), format!("{cert}{key}"))?;
    std::fs::write(directory.join("cert.pem"), cert)?;
    std::fs::write(directory.join("key.pem"), key)?;
    Ok(())
}
