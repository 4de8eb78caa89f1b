//! One body of a gibibyte through the proxy, down or up, with its memory watched.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::options::Options;
use crate::response::header;
use crate::usage::Tree;

/// Moves the body while another thread samples the proxy's resident set.
pub(crate) fn run(options: &Options) -> Result<Value> {
    let tree = Tree::of(options.get("pid", std::process::id())?);
    let bytes: u64 = options.get("bytes", 1 << 30)?;
    let (before, cpu, from) = (tree.resident(), tree.cpu(), Instant::now());
    let done = Arc::new(AtomicBool::new(false));
    let (peak, outcome, tree) = std::thread::scope(|scope| {
        let watched = Arc::clone(&done);
        let watcher = scope.spawn(move || {
            let mut peak = 0;
            while !watched.load(Ordering::Relaxed) {
                peak = tree.resident().max(peak);
                std::thread::sleep(Duration::from_millis(10));
            }
            (peak, tree)
        });
        let outcome = transfer(options, bytes);
        done.store(true, Ordering::Relaxed);
        let (peak, tree) = watcher.join().expect("the watcher only reads files");
        (peak, outcome, tree)
    });
    outcome?;
    Ok(json!({
        "bytes": bytes,
        "seconds": from.elapsed().as_secs_f64(),
        "cpu_seconds": (tree.cpu() - cpu).as_secs_f64(),
        "memory_before": before,
        "memory_peak": peak,
    }))
}

fn transfer(options: &Options, bytes: u64) -> Result<()> {
    let mut stream = TcpStream::connect(options.text("address")?)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.set_write_timeout(Some(Duration::from_secs(30)))?;
    let path = options.text("path")?;
    match options.text("direction")? {
        "down" => {
            write!(stream, "GET {path}/bytes/{bytes} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
            let mut reader = BufReader::with_capacity(256 << 10, stream);
            let length = read_head(&mut reader)?;
            ensure!(length == bytes, "the answer says {length} bytes");
            let copied = std::io::copy(&mut reader.take(bytes), &mut std::io::sink())?;
            ensure!(copied == bytes, "{copied} of {bytes} bytes arrived");
        }
        "up" => {
            write!(
                stream,
                "POST {path}/sink HTTP/1.1\r\nHost: localhost\r\nContent-Length: {bytes}\r\n\r\n"
            )?;
            let block = vec![b'x'; 256 << 10];
            let mut left = bytes;
            while left > 0 {
                let part = left.min(block.len() as u64) as usize;
                stream.write_all(&block[..part])?;
                left -= part as u64;
            }
            let mut reader = BufReader::new(stream);
            let length = read_head(&mut reader)?;
            let mut answer = String::new();
            reader.take(length).read_to_string(&mut answer)?;
            ensure!(
                answer.trim() == bytes.to_string(),
                "the origin received {answer} of {bytes} bytes"
            );
        }
        other => bail!("--direction is up or down, not {other}"),
    }
    Ok(())
}

/// Reads a header section that must be a 200 with a length; returns that length.
fn read_head(reader: &mut impl BufRead) -> Result<u64> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        ensure!(reader.read_line(&mut head)? > 0, "the connection ended inside the header: {head}");
    }
    ensure!(head.get(9..12) == Some("200"), "{head}");
    Ok(header(&head, "content-length").context("the answer has no Content-Length")?.parse()?)
}
