//! The demo tells the truth: every line it prints is run, and so is every line of the README.
//!
//! `curl` runs the lines where there is one. Elsewhere a small client of our own reads what the
//! lines ask for, so that the test needs nothing but the binary.

#![allow(clippy::print_stderr, missing_docs, reason = "tests tell what they do")]

mod curl;
mod guide;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use pasarela::demo::{Ports, Step, transcript};

/// A running demo; ended with the test.
struct Demo {
    child: Child,
    out: BufReader<ChildStdout>,
    page: Vec<String>,
}

impl Demo {
    fn start(port: u16) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pasarela"))
            .args(["demo", "--port", &port.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut demo = Self { child, out, page: Vec::new() };
        while !demo.page.last().is_some_and(|line: &String| line.starts_with("Ctrl-C ends")) {
            let mut line = String::new();
            let read = demo.out.read_line(&mut line).unwrap();
            assert!(read > 0, "the demo ended early: {:?}", demo.page);
            demo.page.push(line.trim_end().to_owned());
        }
        demo
    }

    fn port(&self, name: &str) -> u16 {
        let line = self.page.iter().find(|line| line.trim_start().starts_with(name)).unwrap();
        let (_, rest) = line.split_once("127.0.0.1:").unwrap();
        rest.split_whitespace().next().unwrap().parse().unwrap()
    }

    fn folder(&self) -> PathBuf {
        let line = self.page.iter().find(|line| line.trim_start().starts_with("files")).unwrap();
        PathBuf::from(line.trim_start().trim_start_matches("files").trim())
    }

    /// As Ctrl-C does.
    fn interrupt(&mut self) -> bool {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let deadline = Instant::now() + Duration::from_secs(40);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let mut rest = String::new();
        let _ = std::io::Read::read_to_string(&mut self.out, &mut rest);
    }
}

/// Asserts that the pieces stand in the text, one after the other.
fn assert_pieces(answer: &str, text: &str, about: &str) {
    let mut rest = text;
    for piece in answer.split(" … ") {
        let at = rest.find(piece).unwrap_or_else(|| panic!("{about}\n→ {piece}\nnot in: {text}"));
        rest = &rest[at + piece.len()..];
    }
}

#[test]
fn every_line_the_demo_prints_does_what_it_says() {
    let mut demo = Demo::start(0);
    let folder = demo.folder();
    assert!(folder.join("pasarela.yaml").is_file());

    let mut steps = 0;
    for (at, line) in demo.page.iter().enumerate() {
        let Some(answer) = line.strip_prefix("#   → ") else { continue };
        let command = &demo.page[at - 1];
        assert_pieces(answer, &curl::run(command), command);
        steps += 1;
    }
    let ports = Ports {
        gateway: demo.port("gateway"),
        console: demo.port("console"),
        internal: demo.port("internal"),
    };
    assert_eq!(steps, transcript(ports).len());
    assert!(demo.page.iter().all(|line| !line.contains("is taken")), "{:?}", demo.page);

    assert!(demo.interrupt(), "Ctrl-C did not end it well");
    assert!(!folder.exists(), "the throw-away folder is still there");
}

#[test]
fn a_taken_port_is_no_reason_not_to_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let demo = Demo::start(port);
    assert_ne!(demo.port("gateway"), port);
    assert!(demo.page.iter().any(|line| line.contains("is taken")), "{:?}", demo.page);
    let health = format!("curl -s http://127.0.0.1:{}/healthz", demo.port("console"));
    assert_pieces("\"ok\"", &curl::run(&health), "health");
}

#[test]
fn the_first_pages_show_what_the_demo_does() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for page in ["README.md", "README.es.md", "docs/guide/getting-started.md"] {
        let text = fs::read_to_string(root.join(page)).unwrap();
        let shown = shown(&text);
        assert!(!shown.is_empty(), "{page} shows no call");
        for (command, output) in shown {
            let steps = transcript(Ports::default());
            let Some(Step { answer, .. }) = steps.iter().find(|step| step.command == command)
            else {
                panic!("{page} shows a line that the demo does not: {command}");
            };
            assert_pieces(answer, &output, page);
        }
    }
}

/// The `$ curl …` lines of a page's console blocks, each with what stands under it.
fn shown(text: &str) -> Vec<(String, String)> {
    let mut list: Vec<(String, String)> = Vec::new();
    let (mut inside, mut ours) = (false, false);
    for line in text.lines() {
        if line.starts_with("```") {
            (inside, ours) = (line == "```console", false);
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| inside) {
            ours = command.starts_with("curl") || command.starts_with("for n");
            if ours {
                list.push((command.to_owned(), String::new()));
            }
        } else if let Some((_, output)) = list.last_mut().filter(|_| ours) {
            output.push_str(line);
            output.push('\n');
        }
    }
    list
}
