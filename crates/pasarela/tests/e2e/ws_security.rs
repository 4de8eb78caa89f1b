//! WS-Security that ends at the gateway: whose a message is, what it may, and what the service sees of it.

use std::time::{SystemTime, UNIX_EPOCH};

use pasarela_testkit::{Builder, Gateway, H2Client, Request, Response, Upstream, seconds};

use self::signer::{Signer, WSSE, base64, digest_user, message, text_user, timestamp};
use crate::{KEY, gateway, soap::WSDL};

#[path = "../../../soap/tests/soap/signer.rs"]
pub(crate) mod signer;

const TEXT: &str = "Content-Type: text/xml; charset=utf-8";
const USERS: &str = "ws_security: { terminate: { username: any } }";
const SIGNED: &str = "ws_security: { terminate: { x509: {} } }";

/// An instant so many seconds from now, in UTC.
fn instant(from_now: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let at = now.checked_add_signed(from_now).unwrap();
    let (days, second) = (at / 86_400, at % 86_400);
    // The days of 400 years from the first of March (Hinnant, days_from_civil).
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// A gateway whose API `t` is as told, and whose applications are `alice`, with a user, and `signer`, with a certificate. The
/// API is offered under a plan where these have one.
fn builder(upstream: &Upstream, api: &str, signer: &Signer, rate: &str) -> Builder {
    let faces = "contract: parcels.wsdl\nfaces: [soap]";
    let subscribes =
        if rate.is_empty() { "" } else { ", subscriptions: [{ api: t, plan: small }]" };
    let plan = if rate.is_empty() {
        String::new()
    } else {
        format!("plans: [{{ name: small, rate: {rate} }}]\n")
    };
    let plans = if rate.is_empty() { "" } else { "\nplans: [small]" };
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        base64(&signer.der)
    );
    gateway()
        .file("parcels.wsdl", WSDL)
        .file("alice.password", "open sesame\n")
        .file("signer.pem", pem)
        .file("app.key", KEY)
        .api_with("t", &[&upstream.url()], &format!("{faces}{plans}\n{api}"))
        .top(&format!(
            "{plan}applications: [{{ name: alice, users: [{{ name: alice, password: {{ file: alice.password }} }}]{subscribes} }}, \
             {{ name: signer, certificates: [{{ file: signer.pem }}], keys: [{{ file: app.key }}]{subscribes} }}, \
             {{ name: stranger, users: [{{ name: mallory, password: {{ file: alice.password }} }}] }}]\n"
        ))
}

fn start(upstream: &Upstream, api: &str) -> Gateway {
    builder(upstream, api, &Signer::new(), "").start()
}

fn post(gateway: &Gateway, fields: &str, body: &str) -> Response {
    gateway.connect().ask(format!(
        "POST /t/soap HTTP/1.1\r\nHost: test\r\n{fields}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// A message as the service gets it: without its security header.
fn without_header(message: &str) -> String {
    let start = message.find("<wsse:Security").unwrap();
    let end = message.find("</wsse:Security>").unwrap() + "</wsse:Security>".len();
    [&message[..start], &message[end..]].concat()
}

fn body_of(request: &Request) -> String {
    String::from_utf8(request.body.clone()).unwrap()
}

fn user(nonce: &str) -> String {
    message(&digest_user("alice", "open sesame", nonce.as_bytes(), &instant(0)))
}

fn refused(answer: &Response, code: &str, name: &str) {
    let text = answer.text();
    assert!(text.contains(code) && text.contains(&format!(">wsse:{name}<")), "{}", answer.brief());
    assert!(text.contains(WSSE), "{}", answer.brief());
}

#[test]
fn a_user_s_message_reaches_the_service_without_what_named_him() {
    let upstream = Upstream::ok("<done/>");
    let gateway = start(&upstream, USERS);
    let digest = user("nonce of sixteen");
    let plain = message(&text_user("alice", "open sesame"));
    for body in [&digest, &plain] {
        let fields = format!(
            "{TEXT}\r\nSOAPAction: \"urn:track\"\r\nAuthorization: Basic x\r\nContent-MD5: y"
        );
        assert_eq!(post(&gateway, &fields, body).status, 200);
        let request = upstream.requests().pop().unwrap();
        assert_eq!(body_of(&request), without_header(body));
        assert_eq!(request.get("content-length"), Some(&*request.length.to_string()));
        assert_eq!(request.get("x-pasarela-application"), Some("alice"));
        // It is no key of ours, so it is the service's.
        assert_eq!(request.get("authorization"), Some("Basic x"));
        assert_eq!(request.get("content-md5"), None, "the bytes are others now");
    }
    let lines = gateway.access_lines(2);
    for line in lines {
        assert_eq!((&line["application"], &line["operation"]), (&"alice".into(), &"Track".into()));
    }
}

#[test]
fn what_is_passed_is_passed_as_it_came() {
    let upstream = Upstream::ok("<done/>");
    for setting in ["", "ws_security: pass"] {
        let gateway = start(&upstream, setting);
        let body = message(&text_user("nobody", "knows"));
        assert_eq!(post(&gateway, TEXT, &body).status, 200);
        let request = upstream.requests().pop().unwrap();
        assert_eq!((body_of(&request), request.get("x-pasarela-application")), (body, None));
    }
}

#[test]
fn whoever_is_not_known_is_refused_in_the_words_of_ws_security() {
    let upstream = Upstream::ok("<done/>");
    let gateway = start(&upstream, USERS);
    let ask = |security: &str| post(&gateway, TEXT, &message(security));
    let now = instant(0);
    let wrong = digest_user("alice", "open barley", b"n", &now);
    let answer = ask(&wrong);
    assert_eq!(answer.status, 500);
    refused(&answer, "GW0045", "FailedAuthentication");
    // Nothing tells a user who is not there from a password that is wrong.
    let stranger = ask(&digest_user("nobody", "open sesame", b"n", &now));
    let words = |answer: &Response| {
        let text = answer.text();
        text[text.find("<faultstring>").unwrap()..text.find("</faultstring>").unwrap()].to_owned()
    };
    assert_eq!(words(&answer), words(&stranger));
    refused(
        &ask(&digest_user("alice", "open sesame", b"n", &instant(-400))),
        "GW0048",
        "MessageExpired",
    );
    refused(&ask(&timestamp(&now, "")), "GW0041", "InvalidSecurity");
    refused(&ask("<wsse:UsernameToken/>"), "GW0042", "InvalidSecurity");
    refused(&ask("<x:Token xmlns:x=\"urn:x\"/>"), "GW0043", "UnsupportedSecurityToken");
    let signer = Signer::new();
    let signed = signer.sign(&message(&format!("{}{{}}", timestamp(&now, ""))), &["T", "B"]);
    refused(&post(&gateway, TEXT, &signed), "GW0043", "UnsupportedSecurityToken");
    let without = without_header(&message(""));
    refused(&post(&gateway, TEXT, &without), "GW0041", "InvalidSecurity");
    let soap12 = message(&wrong).replace(
        "http://schemas.xmlsoap.org/soap/envelope/",
        "http://www.w3.org/2003/05/soap-envelope",
    );
    let answer = post(&gateway, "Content-Type: application/soap+xml", &soap12);
    assert_eq!(answer.status, 400);
    refused(&answer, "GW0045", "FailedAuthentication");
    assert!(answer.text().contains("<soap:Value>soap:Sender</soap:Value><soap:Subcode>"));
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn t17_l34_whoever_guesses_is_not_told_when_it_is_right() {
    let upstream = Upstream::ok("<done/>");
    let gateway = start(&upstream, USERS);
    let guess =
        |user: &str, password: &str| post(&gateway, TEXT, &message(&text_user(user, password)));
    for user in ["alice", "nobody"] {
        for number in 0..10 {
            let answer = guess(user, &format!("guess {number}"));
            refused(&answer, "GW0045", "FailedAuthentication");
            assert_eq!(answer.get("retry-after").is_some(), number == 9, "{user} {number}");
        }
    }
    let right = guess("alice", "open sesame");
    refused(&right, "GW0045", "FailedAuthentication");
    let wait: u64 = right.get("retry-after").unwrap().parse().unwrap();
    assert!((1..=900).contains(&wait), "{wait}");
    refused(&post(&gateway, TEXT, &user("n")), "GW0045", "FailedAuthentication");
    gateway.reload(&format!("{}\n# again\n", gateway.yaml()));
    refused(&guess("alice", "open sesame"), "GW0045", "FailedAuthentication");
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn a_message_comes_once_however_often_the_configuration_is_read_again() {
    let upstream = Upstream::ok("<done/>");
    let signer = Signer::new();
    let both = "ws_security: { terminate: { username: digest, x509: {} } }";
    let gateway = builder(&upstream, both, &signer, "").workers(2).start();
    let signed = signer.sign(&message(&format!("{}{{}}", timestamp(&instant(0), ""))), &["T", "B"]);
    for body in [user("once"), signed] {
        assert_eq!(post(&gateway, TEXT, &body).status, 200);
        refused(&post(&gateway, TEXT, &body), "GW0049", "FailedAuthentication");
        gateway.reload(&format!("{}\n# again\n", gateway.yaml()));
        refused(&post(&gateway, TEXT, &body), "GW0049", "FailedAuthentication");
    }
    assert_eq!(post(&gateway, TEXT, &user("twice")).status, 200);
    assert_eq!(upstream.requests().len(), 3);
}

#[test]
fn what_was_signed_is_what_the_service_gets_however_it_arrives() {
    let upstream = Upstream::ok("<done/>");
    let signer = Signer::new();
    let gateway = builder(&upstream, SIGNED, &signer, "").start();
    let created = instant(0);
    let text = message(&format!("{}{{}}", timestamp(&created, &instant(60))));
    let long = text.replace(">42<", &format!(">{}<", "parcel ".repeat(8_000)));
    let sign = || signer.sign(&long, &["T", "B"]);
    let first = sign();
    let mut client = gateway.connect();
    client.send(format!(
        "POST /t/soap HTTP/1.1\r\nHost: test\r\n{TEXT}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ));
    for piece in first.as_bytes().chunks(7_000) {
        client.send(format!("{:x}\r\n", piece.len())).send(piece).send("\r\n");
    }
    assert_eq!(client.send("0\r\n\r\n").response().status, 200);
    let request = upstream.only_request();
    assert_eq!(body_of(&request), without_header(&first));
    assert_eq!(request.get("x-pasarela-application"), Some("signer"));
    // The same again is a repetition; another time makes another message.
    let later = long.replace(&created, &instant(-30));
    let second = signer.sign(&later, &["T", "B"]);
    let altered = second.replace("parcel parcel", "parcel  parcel");
    refused(&post(&gateway, TEXT, &altered), "GW0047", "FailedCheck");
    let half = signer.sign(&later, &["T"]);
    refused(&post(&gateway, TEXT, &half), "GW0047", "FailedCheck");
    let other = Signer::new().sign(&later, &["T", "B"]);
    refused(&post(&gateway, TEXT, &other), "GW0046", "InvalidSecurityToken");
    let weak = second.replace(
        "http://www.w3.org/2001/04/xmlenc#sha256",
        "http://www.w3.org/2000/09/xmldsig#sha1",
    );
    refused(&post(&gateway, TEXT, &weak), "GW0044", "UnsupportedAlgorithm");
    let mut h2 = gateway.connect_h2();
    let stream = h2.next_stream();
    let block = H2Client::block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "test"),
        (":path", "/t/soap"),
        ("content-type", "text/xml"),
    ]);
    h2.headers(stream, &block, false).expect("a request");
    for (index, piece) in second.as_bytes().chunks(16_000).enumerate() {
        h2.pump(seconds(1), |_| index < 4);
        h2.data(stream, piece, false).expect("a piece");
    }
    h2.data(stream, b"", true).expect("the end");
    assert_eq!(h2.outcome(stream, seconds(10)).status, 200);
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn t49_a_wrapped_body_does_not_reach_the_service() {
    let upstream = Upstream::ok("<done/>");
    let signer = Signer::new();
    let gateway = builder(&upstream, SIGNED, &signer, "").start();
    let good = signer.sign(&message(&format!("{}{{}}", timestamp(&instant(0), ""))), &["T", "B"]);
    let start = good.find("<s:Body").unwrap();
    let end = good.find("</s:Body>").unwrap() + "</s:Body>".len();
    let (body, evil) = (
        &good[start..end],
        "<s:Body wsu:Id=\"C\"><t:Cancel xmlns:t=\"urn:t\">1</t:Cancel></s:Body>",
    );
    let wrapped = good
        .replace(body, evil)
        .replace("</s:Header>", &format!("<w:W xmlns:w=\"urn:w\">{body}</w:W></s:Header>"));
    refused(&post(&gateway, TEXT, &wrapped), "GW0047", "FailedCheck");
    let block = good.replace(body, evil).replace("</s:Header>", &format!("{body}</s:Header>"));
    refused(&post(&gateway, TEXT, &block), "GW0047", "FailedCheck");
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn a_plan_counts_for_whom_the_message_names() {
    let upstream = Upstream::ok("<done/>");
    let gateway = builder(&upstream, USERS, &Signer::new(), "2/day burst 2").start();
    for number in 0..2 {
        let answer = post(&gateway, TEXT, &user(&format!("n{number}")));
        assert_eq!(answer.status, 200);
        assert!(answer.get("ratelimit").is_some());
    }
    assert!(post(&gateway, TEXT, &user("n2")).text().contains("GW0007"));
    let stranger = message(&text_user("mallory", "open sesame"));
    assert!(post(&gateway, TEXT, &stranger).text().contains("GW0006"));
    assert_eq!(upstream.requests().len(), 2);
    let lines = gateway.access_lines(4);
    let limited = lines.iter().find(|line| line["problem"] == "rate_limited").unwrap();
    assert_eq!((&limited["application"], &limited["plan"]), (&"alice".into(), &"small".into()));
}

#[test]
fn a_key_beside_the_message_is_of_the_same_application() {
    let upstream = Upstream::ok("<done/>");
    let signer = Signer::new();
    let gateway = builder(
        &upstream,
        "ws_security: { terminate: { username: any, x509: {} } }",
        &signer,
        "100/s",
    )
    .start();
    let with_key = format!("{TEXT}\r\nX-API-Key: {KEY}");
    refused(&post(&gateway, &with_key, &user("n")), "GW0045", "FailedAuthentication");
    let signed = signer.sign(&message(&format!("{}{{}}", timestamp(&instant(0), ""))), &["T", "B"]);
    assert_eq!(post(&gateway, &with_key, &signed).status, 200);
    assert_eq!(upstream.only_request().get("x-api-key"), None);
    let wrong = format!("{TEXT}\r\nX-API-Key: {KEY}x");
    assert!(post(&gateway, &wrong, &user("m")).text().contains("GW0005"));
}

#[test]
fn a_partner_s_api_is_not_there_for_whoever_does_not_prove_himself() {
    let upstream = Upstream::ok("<done/>");
    let setting = format!("visibility: partner\n{USERS}");
    let gateway = builder(&upstream, &setting, &Signer::new(), "100/s").start();
    assert_eq!(post(&gateway, TEXT, &user("n")).status, 200);
    let elsewhere = |body: &str, fields: &str| {
        gateway.connect().ask(format!(
            "POST /nothing/soap HTTP/1.1\r\nHost: test\r\n{fields}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    };
    let soap12 = "Content-Type: application/soap+xml";
    for body in [
        message(&text_user("alice", "wrong")),
        message(&text_user("mallory", "open sesame")),
        message(""),
        "<no message".to_owned(),
        user("n"),
    ] {
        for fields in [TEXT, soap12] {
            let (there, nowhere) = (post(&gateway, fields, &body), elsewhere(&body, fields));
            assert_eq!(there.status, nowhere.status, "{body}");
            assert_eq!(there.get("content-type"), nowhere.get("content-type"));
            assert!(there.text().contains("GW0001"), "{}", there.brief());
        }
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_user_may_send_parts_beside_the_message_and_a_signature_does_not_cover_them() {
    let upstream = Upstream::ok("<done/>");
    let signer = Signer::new();
    let both = "ws_security: { terminate: { username: any, x509: {} } }";
    let gateway = builder(&upstream, both, &signer, "").start();
    let related =
        "Content-Type: multipart/related; type=\"text/xml\"; start=\"<root@x>\"; boundary=b";
    let parts = |more: &str, root: &str| {
        format!(
            "--b\r\nContent-ID: <1@x>\r\n\r\n\u{0}<binary/>\r\n--b\r\nContent-Type: text/xml\r\nContent-ID: <root@x>\r\n{more}\r\n{root}\r\n--b--\r\n"
        )
    };
    let by_user = user("n");
    assert_eq!(post(&gateway, related, &parts("", &by_user)).status, 200);
    let request = upstream.only_request();
    assert_eq!(body_of(&request), parts("", &without_header(&by_user)));
    assert_eq!(request.get("content-length"), Some(&*request.length.to_string()));
    let signed = signer.sign(&message(&format!("{}{{}}", timestamp(&instant(0), ""))), &["T", "B"]);
    refused(&post(&gateway, related, &parts("", &signed)), "GW0043", "UnsupportedSecurityToken");
    let encoded = parts("Content-Transfer-Encoding: base64\r\n", &base64(user("m").as_bytes()));
    assert!(post(&gateway, related, &encoded).text().contains("GW0030"));
    let decoy = user("o");
    let decoy = parts("", &decoy).replace("\u{0}<binary/>", &decoy);
    assert!(post(&gateway, related, &decoy).text().contains("GW0030"));
    let twice = parts("", &user("p")).replace("<1@x>", "<root@x>");
    assert_ne!(post(&gateway, related, &twice).status, 200);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_message_that_cannot_be_verified_as_a_whole_is_not_taken() {
    let upstream = Upstream::ok("<done/>");
    let gateway = start(&upstream, USERS);
    let units: Vec<u8> = std::iter::once(0xfeff)
        .chain(user("m").encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let mut client = gateway.connect();
    client.send(format!(
        "POST /t/soap HTTP/1.1\r\nHost: test\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n",
        units.len()
    ));
    assert!(client.send(&units).response().text().contains("GW0042"));
    let large = user("l").replace("</s:Body>", &format!("<!--{}--></s:Body>", "x".repeat(900_000)));
    assert_eq!(post(&gateway, TEXT, &large).status, 200);
    let mut client = gateway.connect();
    client.send(format!(
        "POST /t/soap HTTP/1.1\r\nHost: test\r\n{TEXT}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ));
    let start = user("e");
    let (beginning, _) = start.split_at(start.find("</t:Track>").unwrap());
    client.send(format!("{:x}\r\n{beginning}\r\n", beginning.len()));
    let piece = "y".repeat(1 << 20);
    for _ in 0..11 {
        if client.try_send(format!("{:x}\r\n{piece}\r\n", piece.len())).is_err() {
            break;
        }
    }
    let answer = client.response();
    assert!(answer.text().contains("GW0013"), "{}", answer.brief());
    assert_eq!(upstream.requests().len(), 1);
}
