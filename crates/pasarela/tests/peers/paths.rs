//! Path confusion against the zoo (T8): whatever way the path of a guarded resource is written, a
//! server behind the gateway serves it only to who holds a key.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use sha2::{Digest as _, Sha256};

use crate::{
    harness::Gateway,
    http1::{Connection, show},
    zoo_servers::{Kind, SECRET, Server},
};

const KEY: &str = "a-key-of-the-zoo";
const PATIENCE: Duration = Duration::from_secs(5);

/// Ways to write `/admin/secret.txt`, more than two thousand.
fn spellings() -> Vec<Vec<u8>> {
    let mut list: BTreeSet<Vec<u8>> = BTreeSet::new();
    let target = "/admin/secret.txt";
    let mut add = |text: &[u8]| {
        list.insert(text.to_vec());
    };
    add(target.as_bytes());

    // Ways to write a slash, and a dot segment, as one parser or another may take it for one.
    let slashes: &[&[u8]] = &[
        b"/",
        b"//",
        b"///",
        b"/./",
        b"/././",
        b"%2f",
        b"%2F",
        b"/%2f",
        b"%2f/",
        b"%252f",
        b"%25252f",
        b"\\",
        b"%5c",
        b"%5C",
        b"/\\",
        b"\\/",
        b"%c0%af",
        b"%c0%2f",
        b"%e0%80%af",
        b"%f0%80%80%af",
        b"\xc0\xaf",
        b"/;/",
        b";/",
        b"/;x=y/",
        b"/%2e/",
        b"/%2E/",
        b"/%20/",
        b"%00/",
        b"/%00",
        b"%09/",
        b"/%0a",
        b"/%0d%0a/",
        b"/.;/",
        b"/%3b/",
        b"%3f/",
        b"%23/",
        b"/?/",
        b"/#/",
        b"\t/",
        b"/\t",
        b" /",
        b"/ ",
        b"/x/../",
        b"/x/%2e%2e/",
        b"/x/.%2e/",
        b"/x/%2e./",
        b"/x/..;/",
        b"/x//../",
        b"/x/%252e%252e/",
        b"/x/..%2f",
        b"/x%2f..%2f",
        b"/x/..\\",
        b"/x\\..\\",
        b"/x/..%5c",
        b"/x/..%00/",
        b"/x/.../",
        b"/x/..%ff/",
        b"/%ef%bc%8f/",
        b"/x/%c0%ae%c0%ae/",
        b"/x/%e0%80%ae%e0%80%ae/",
        b"/x/.%00./",
        b"/../",
        b"/%2e%2e/",
        b"/..%2f",
        b"/..;/",
        b"/..;x/",
        b"/static/../",
        b"/static/..//",
        b"/static/%2e%2e/",
        b"/static/..%2f",
        b"/static/..;/",
        b"/static/./../",
        b"/static//../",
        b"/static/file.txt/../../",
        b"/static/%2e%2e%2f",
        b"/static/x/../../",
        b"/echo/../",
        b"/echo/%2e%2e/",
        b"/echo/..;/",
    ];
    for first in slashes {
        for second in slashes {
            add(&[*first, b"admin", second, b"secret.txt"].concat());
        }
    }
    // Each letter, and several at once, encoded once, twice and in ways that are not UTF-8.
    let letters: Vec<char> = target.chars().collect();
    for (at, letter) in letters.iter().enumerate() {
        for form in [
            format!("%{:02x}", *letter as u32),
            format!("%{:02X}", *letter as u32),
            format!("%25{:02x}", *letter as u32),
            format!("%u00{:02x}", *letter as u32),
            format!("&#{};", *letter as u32),
            format!("%{:02x}%00", *letter as u32),
            letter.to_uppercase().to_string(),
            format!("{letter}%08"),
            format!("{letter}%"),
            format!("{letter}%7f"),
        ] {
            let mut text: String = letters[..at].iter().collect();
            text += &form;
            text.extend(&letters[at + 1..]);
            add(text.as_bytes());
        }
    }
    for mask in 1_u32..64 {
        let text: String = letters
            .iter()
            .enumerate()
            .map(|(at, letter)| {
                if mask >> (at % 6) & 1 == 1 {
                    format!("%{:02x}", *letter as u32)
                } else {
                    letter.to_string()
                }
            })
            .collect();
        add(format!("/{}", text.trim_start_matches("%2f")).as_bytes());
    }
    // Tails, and forms of the whole target.
    for tail in [
        "/",
        "//",
        "/.",
        "/..",
        "/../secret.txt",
        ".",
        "..",
        "%20",
        "%00",
        "%00.html",
        ";",
        ";x",
        "?",
        "?x",
        "??",
        "#",
        "#x",
        "%3f",
        "%23",
        "%2e",
        "%09",
        "~",
        "%0a",
        "%0d%0aX: y",
        "::$DATA",
        "/x/..",
        "/%2e",
        "%5c",
        "\\",
        "*",
        "&",
        "%26",
    ] {
        add(format!("{target}{tail}").as_bytes());
        add(format!("/x/..{target}{tail}").as_bytes());
        add(format!("/static/../{}{tail}", &target[1..]).as_bytes());
    }
    for front in [
        "http://zoo.example",
        "HTTP://zoo.example",
        "http://zoo.example:80",
        "http://user@zoo.example",
        "https://zoo.example",
        "http:/",
        "http:",
        "//zoo.example",
        "///zoo.example",
        "zoo.example",
        "*",
        "http://zoo.example/x/..",
        "http://zoo.example/%2e%2e",
        "/http://zoo.example",
        "/zoo.example:80",
        "/static?/..",
        "/static#/..",
        "/static;/..",
        "/static%3f/..",
        "/~/..",
        "/-/..",
    ] {
        add(format!("{front}{target}").as_bytes());
    }
    for (at, _) in target.char_indices() {
        for extra in [
            "/",
            "./",
            "%2e/",
            ";",
            "%00",
            "\\",
            "%2f",
            "..%2f",
            "\t",
            " ",
            "%20",
            "%09",
            "%ad",
            "%e2%80%8b",
            "%c2%a0",
        ] {
            let (before, after) = target.split_at(at);
            add(format!("{before}{extra}{after}").as_bytes());
        }
    }
    // A fragment or a bare line end would end the request line: not a target.
    list.into_iter().filter(|text| !text.is_empty() && !text.contains(&b'\n')).collect()
}

/// Sends one request and gives what came back, all of it.
fn ask(
    address: SocketAddr,
    target: &[u8],
    headers: &str,
) -> Result<crate::http1::Answer, crate::http1::NoAnswer> {
    let mut connection = Connection::open(address, PATIENCE);
    let mut bytes = b"GET ".to_vec();
    bytes.extend(target);
    bytes.extend(
        format!(" HTTP/1.1\r\nHost: zoo.example\r\n{headers}Connection: close\r\n\r\n").bytes(),
    );
    connection.send(&bytes);
    connection.answer("GET")
}

fn tells_the_secret(body: &[u8]) -> bool {
    body.windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
}

fn only_with_a_key(kind: Kind) {
    let Some(server) = Server::start(kind) else { return };
    let digest: String = Sha256::digest(KEY).iter().map(|byte| format!("{byte:02x}")).collect();
    let gateway = Gateway::start(&format!(
        "workers: 1
logs: {{ access: off }}
apis:
  - {{ name: open, version: 1, path: /, visibility: public, preserve_host: true, upstreams: [\"http://127.0.0.1:{0}\"] }}
  - {{ name: guarded, version: 1, path: /admin, visibility: public, preserve_host: true, upstreams: [\"http://127.0.0.1:{0}/admin\"], plans: [staff] }}
plans:
  - {{ name: staff }}
applications:
  - name: console
    subscriptions: [{{ api: guarded, plan: staff }}]
    keys: [{{ sha256: \"{digest}\" }}]
",
        server.port
    ));
    let direct = SocketAddr::from(([127, 0, 0, 1], server.port));
    let spellings = spellings();
    assert!(spellings.len() >= 2_000, "{} spellings", spellings.len());

    let allowed =
        ask(gateway.address, b"/admin/secret.txt", &format!("X-API-Key: {KEY}\r\n")).unwrap();
    assert!(tells_the_secret(&allowed.body), "not even with a key: {allowed:?}\n{}", gateway.log());
    let refused = ask(gateway.address, b"/admin/secret.txt", "").unwrap();
    assert_eq!(refused.status, 401, "{refused:?}");

    let (mut ways_in, mut wrong) = (0, Vec::new());
    for target in &spellings {
        let on_its_own = ask(direct, target, "").is_ok_and(|answer| tells_the_secret(&answer.body));
        ways_in += usize::from(on_its_own);
        match ask(gateway.address, target, "") {
            Ok(answer) if tells_the_secret(&answer.body) => {
                wrong.push(format!("SERVED {}", show(target)))
            }
            Ok(_) => {}
            Err(error) => wrong.push(format!("no answer ({error:?}) to {}", show(target))),
        }
    }
    // Headers by which some frameworks take another path than the request line's.
    for name in [
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Forwarded-Prefix",
        "X-Forwarded-Path",
        "X-Original-URI",
    ] {
        let answer = ask(gateway.address, b"/echo", &format!("{name}: /admin/secret.txt\r\n"));
        assert!(!answer.is_ok_and(|answer| tells_the_secret(&answer.body)), "{name}");
    }
    assert!(
        wrong.is_empty(),
        "{kind:?}: {}:\n{}\n{}",
        wrong.len(),
        wrong.join("\n"),
        gateway.log()
    );
    // Otherwise the spellings prove nothing.
    assert!(ways_in >= 3, "{kind:?} alone understood only {ways_in} spellings");
}

#[test]
fn t08_path_confusion_zoo_apache() {
    only_with_a_key(Kind::Apache);
}

#[test]
fn t08_path_confusion_zoo_gunicorn() {
    only_with_a_key(Kind::Gunicorn);
}

#[test]
fn t08_path_confusion_zoo_haproxy() {
    only_with_a_key(Kind::Haproxy);
}

#[test]
fn t08_path_confusion_zoo_lighttpd() {
    only_with_a_key(Kind::Lighttpd);
}

#[test]
fn t08_path_confusion_zoo_nginx() {
    only_with_a_key(Kind::Nginx);
}

#[test]
fn t08_path_confusion_zoo_node() {
    only_with_a_key(Kind::Node);
}

#[test]
fn t08_path_confusion_zoo_uvicorn() {
    only_with_a_key(Kind::Uvicorn);
}
