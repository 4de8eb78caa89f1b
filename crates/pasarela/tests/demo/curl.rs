//! Runs a line of the demo: with a shell and `curl`, or, where there is none, as `curl` would.

use std::{
    env,
    io::{Read as _, Write as _},
    net::TcpStream,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// What the line writes to standard output.
pub(crate) fn run(line: &str) -> String {
    let path = env::var_os("PATH").unwrap_or_default();
    let curl = env::split_paths(&path).any(|folder| folder.join("curl").is_file());
    if !curl {
        eprintln!("no curl here: the line is read by a small client of the test's own");
        return without_curl(line);
    }
    let mut shell = Command::new("sh");
    for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        shell.env_remove(proxy);
    }
    let output = shell.args(["-c", line]).stdin(Stdio::null()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn without_curl(line: &str) -> String {
    match line.split_once("; do ").zip(line.strip_suffix("; done")) {
        Some(((numbers, _), whole)) => {
            let once = &whole[numbers.len() + "; do ".len()..];
            let times = numbers.split_once(" in ").unwrap().1.split(' ').count();
            (0..times).map(|_| call(&words(once))).collect()
        }
        None => call(&words(line)),
    }
}

/// A line's words; single quotes keep one together.
fn words(line: &str) -> Vec<String> {
    let (mut list, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in line.chars().chain([' ']) {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => {
                if !word.is_empty() {
                    list.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    list
}

fn call(words: &[String]) -> String {
    let (mut fields, mut body, mut url) = (String::new(), None, String::new());
    let (mut head_too, mut discard, mut write_out) = (false, false, String::new());
    let mut time = Duration::from_secs(30);
    let mut words = words.iter().map(String::as_str);
    assert_eq!(words.next(), Some("curl"));
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap().to_owned();
        match word {
            "-s" | "-N" => {}
            "-i" => head_too = true,
            "-o" => discard = value() == "/dev/null",
            "-w" => write_out = value(),
            "-m" => time = Duration::from_secs(value().parse().unwrap()),
            "-H" => fields.push_str(&format!("{}\r\n", value())),
            "-d" => body = Some(value()),
            address => url = address.to_owned(),
        }
    }
    let (authority, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let method = if body.is_some() { "POST" } else { "GET" };
    let body = body.unwrap_or_default();
    let mut stream = TcpStream::connect(authority).unwrap();
    write!(
        stream,
        "{method} /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\
         Content-Length: {}\r\n{fields}\r\n{body}",
        body.len()
    )
    .unwrap();
    let answer = read(&mut stream, time);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap();
    let mut out = if head_too { format!("{head}\r\n\r\n") } else { String::new() };
    if !discard {
        // Chunk sizes may stay in: what is looked for stands between them.
        out.push_str(body);
    }
    out + &write_out.replace("%{http_code}", status)
}

fn read(stream: &mut TcpStream, time: Duration) -> String {
    let (mut bytes, begin) = (Vec::new(), Instant::now());
    let mut room = [0; 4096];
    while let Some(left) = time.checked_sub(begin.elapsed()).filter(|left| !left.is_zero()) {
        stream.set_read_timeout(Some(left)).unwrap();
        match stream.read(&mut room) {
            Ok(0) | Err(_) => break,
            Ok(n) => bytes.extend_from_slice(&room[..n]),
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn the_small_client_reads_lines_as_a_shell_does() {
    assert_eq!(
        words("curl -H 'a: b  c' 'http://x/?a=1&b'"),
        ["curl", "-H", "a: b  c", "http://x/?a=1&b"]
    );
}
