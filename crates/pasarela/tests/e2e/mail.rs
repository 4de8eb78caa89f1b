//! SOAP by mail: letters in, calls, letters out.

mod guide;
mod kills;
mod kit;

use std::time::Duration;

use pasarela_testkit::{Builder, Gateway, Upstream, eventually};

use self::kit::{Client, Relay};
use crate::{KEY, gateway, soap::WSDL};

const V11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const ANSWER: &str = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
                      <t:Track xmlns:t=\"urn:t\">on its way</t:Track></s:Body></s:Envelope>";

pub(crate) fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

fn envelope(body: &str) -> String {
    format!("<s:Envelope xmlns:s=\"{V11}\"><s:Body>{body}</s:Body></s:Envelope>")
}

fn track(number: &str) -> String {
    envelope(&format!("<t:Track xmlns:t=\"urn:t\">{number}</t:Track>"))
}

/// A letter that asks where a parcel is.
fn letter(id: &str, more: &str) -> String {
    format!(
        "From: Acme <robot@acme.example>\r\nTo: parcels@gw.example\r\nSubject: Where is 42?\r\n\
         Message-ID: <{id}@acme.example>\r\nContent-Type: text/xml; charset=utf-8\r\nSOAPAction: \"urn:track\"\r\n{more}\r\n{}",
        track(id)
    )
}

/// A service that answers as it should.
fn service() -> Upstream {
    Upstream::handle(|_| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: {}\r\n\r\n{ANSWER}",
            ANSWER.len()
        )
        .into_bytes()
    })
}

/// A gateway whose API `t`, on a plan, is written to at `parcels@gw.example`, and whose partner `acme` writes from
/// `robot@acme.example`.
fn post_office(upstream: &Upstream, relay: &Relay, rate: &str, mail: &str) -> Builder {
    gateway()
        .file("parcels.wsdl", WSDL)
        .file("acme.key", KEY)
        .file("acme.password", "open sesame\n")
        .listen("smtp: 127.0.0.1:0")
        .top(&format!(
            "storage: sqlite:./data\n\
             mail: {{ name: gw.example, relay: {{ url: smtp://{}, encryption: off }}{mail} }}\n\
             plans: [{{ name: small, rate: {rate} }}]\n\
             organisations: [{{ name: acme, kind: partner }}]\n\
             applications:\n  - name: acme\n    organisation: acme\n    subscriptions: [{{ api: t, plan: small }}]\n    \
             keys: [{{ file: acme.key }}]\n    users: [{{ name: robot, password: {{ file: acme.password }} }}]\n    \
             mail: [robot@acme.example, desk@partner.example]\n  - name: stranger\n    mail: [stranger@else.example]\n",
            relay.address
        ))
        .api_with(
            "t",
            &[&upstream.url()],
            "contract: parcels.wsdl\nfaces: [soap]\nplans: [small]\nmail: [parcels@gw.example, Tracking@gw.example]",
        )
}

const OPEN: &str = ", login_without_tls: [127.0.0.0/8]";
const TRUSTED: &str = ", trusted_relays: [127.0.0.0/8]";

#[test]
fn a_letter_is_a_call_and_its_answer_a_letter() {
    let (upstream, relay) = (service(), Relay::start());
    let gateway = post_office(&upstream, &relay, "100/s", OPEN).start();
    let mut client = Client::greeted(&gateway);
    client.log_in("robot", "open sesame");
    let kept = client.letter("robot@acme.example", "parcels@gw.example", &letter("42", ""));
    assert!(kept.starts_with("250 2.6.0 Kept as ltr_"), "{kept}");

    let answer = relay.await_letters(1).remove(0);
    assert_eq!((answer.from.as_str(), answer.to.as_str()), ("", "robot@acme.example"));
    assert_eq!(answer.message(), ANSWER);
    let field = |name| answer.field(name).unwrap_or_default().to_owned();
    assert_eq!(field("In-Reply-To"), "<42@acme.example>");
    assert_eq!(field("References"), "<42@acme.example>");
    assert_eq!(field("Subject"), "Re: Where is 42?");
    assert_eq!(field("From"), "<parcels@gw.example>");
    assert_eq!(field("Auto-Submitted"), "auto-replied");
    assert!(field("Message-ID").ends_with("@gw.example>"));

    let request = upstream.only_request();
    assert_eq!(String::from_utf8_lossy(&request.body).trim(), track("42"));
    assert_eq!(request.get("soapaction"), Some("\"urn:track\""));
    assert_eq!(request.get("x-pasarela-application"), Some("acme"));
    assert!(request.get("idempotency-key").is_some_and(|key| key.starts_with("mail-")));

    let line = gateway.access_lines(1).remove(0);
    for (field, value) in
        [("listener", "smtp"), ("operation", "Track"), ("application", "acme"), ("plan", "small")]
    {
        assert_eq!(line[field], value, "{line}");
    }
    eventually(Duration::from_secs(10), || gateway.metric("pasarela_mail_answers_total") == 1.0);
    assert_eq!(gateway.metric("pasarela_mail_received_total"), 1.0);
    assert_eq!(gateway.metric("pasarela_mail_answers_total"), 1.0);
}

#[test]
fn l30_the_same_message_counts_once_however_often_it_comes() {
    let (upstream, relay) = (service(), Relay::start());
    let mut gateway = post_office(&upstream, &relay, "100/s", TRUSTED).start();
    let send = |gateway: &Gateway, from: &str, text: &str| {
        Client::greeted(gateway).letter(from, "parcels@gw.example", text)
    };
    for _ in 0..3 {
        assert!(send(&gateway, "robot@acme.example", &letter("42", "")).starts_with("250 "));
    }
    gateway.kill_and_restart();
    let again = send(&gateway, "robot@acme.example", &letter("42", ""));
    assert!(again.contains("came before"), "{again}");
    // A relay in between may have named it anew; what the sender calls it is the same.
    let named = letter("first", "X-Message-ID: <own@acme.example>\r\n");
    let renamed = letter("second", "X-Message-ID: <own@acme.example>\r\n");
    assert!(send(&gateway, "robot@acme.example", &named).contains("Kept"));
    assert!(send(&gateway, "robot@acme.example", &renamed).contains("came before"));
    // Without a name it is the same where all that its sender wrote is.
    let nameless = letter("x", "").replace("Message-ID", "X-Nothing");
    assert!(send(&gateway, "robot@acme.example", &nameless).contains("Kept"));
    assert!(send(&gateway, "robot@acme.example", &nameless).contains("came before"));
    assert!(send(&gateway, "robot@acme.example", &nameless.replace(">x<", ">y<")).contains("Kept"));
    // Somebody else's message with the same name is another one.
    assert!(send(&gateway, "desk@partner.example", &letter("42", "")).contains("Kept"));
    assert_eq!(relay.await_letters(5).len(), 5);
    assert_eq!(upstream.requests().len(), 5);
}

#[test]
fn t53_nobody_writes_to_whom_he_may_not_and_nothing_is_relayed() {
    let (upstream, relay) = (service(), Relay::start());
    let gateway = post_office(&upstream, &relay, "100/s", OPEN).start();
    let text = letter("1", "");
    let mut nobody = Client::greeted(&gateway);
    for (from, to, code) in [
        ("robot@acme.example", "parcels@gw.example", "530 5.7.0"),
        ("robot@acme.example", "someone@else.example", "550 5.1.1"),
        ("robot@acme.example", "root@gw.example", "550 5.1.1"),
        ("robot@acme.example", "parcels%else.example@gw.example", "550 5.1.1"),
        ("robot@acme.example", "parcels@else.example", "550 5.1.1"),
        ("parcels@gw.example", "someone@else.example", "550 5.1.1"),
        ("robot@acme.example", "parcels+nothing@gw.example", "550 5.1.1"),
        ("robot@acme.example", "@else.example:parcels@gw.example", "553 5.1.3"),
    ] {
        let reply = nobody.letter(from, to, &text);
        assert!(reply.starts_with(code), "{from} -> {to}: {reply}");
    }
    let mut wrong = Client::greeted(&gateway);
    let guess = base64(b"\0robot\0open");
    assert!(wrong.ask(format!("AUTH PLAIN {guess}\r\n")).starts_with("535 "));
    // Whoever is known writes in its own name, and to what it subscribes.
    let mut robot = Client::greeted(&gateway);
    robot.log_in("robot", "open sesame");
    let reply = robot.letter("boss@acme.example", "parcels@gw.example", &text);
    assert!(reply.starts_with("550 5.7.1"), "{reply}");
    let reply = robot.letter("robot@acme.example", "someone@else.example", &text);
    assert!(reply.starts_with("550 5.1.1"), "{reply}");
    // An application's name and key do as well.
    let mut by_key = Client::greeted(&gateway);
    by_key.log_in("acme", KEY);
    let kept = by_key.letter("robot@acme.example", "parcels@gw.example", &text);
    assert!(kept.starts_with("250 "), "{kept}");
    relay.await_letters(1);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn t53_a_known_address_proves_something_only_where_a_trusted_server_brings_it() {
    let (upstream, relay) = (service(), Relay::start());
    let gateway = post_office(&upstream, &relay, "100/s", TRUSTED).start();
    let mut client = Client::greeted(&gateway);
    let reply = client.letter("unknown@acme.example", "parcels@gw.example", &letter("1", ""));
    assert!(reply.starts_with("530 "), "{reply}");
    // It is known, but does not subscribe: it is told so, in a letter.
    let text = letter("2", "").replace("robot@acme.example", "stranger@else.example");
    assert!(
        client.letter("stranger@else.example", "parcels@gw.example", &text).starts_with("250 ")
    );
    let refused = relay.await_letters(1).remove(0);
    assert_eq!(refused.to, "stranger@else.example");
    assert!(refused.message().contains("GW0006"), "{}", refused.message());
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn t53_answers_go_to_nobody_who_did_not_ask() {
    let (upstream, relay) = (service(), Relay::start());
    let gateway = post_office(&upstream, &relay, "100/s", TRUSTED).start();
    let mut client = Client::greeted(&gateway);
    let to = "parcels@gw.example";
    for (id, more) in [
        ("a", "Auto-Submitted: auto-generated\r\n"),
        ("b", "Precedence: bulk\r\n"),
        ("c", "List-Id: <x.example>\r\n"),
        ("d", "Reply-To: parcels@gw.example\r\n"),
    ] {
        // One to us itself has the sender's domain for us to go by.
        let from = "robot@acme.example";
        let text = letter(id, more);
        assert!(client.letter(from, to, &text).starts_with("250 "), "{more}");
    }
    // Neither a bounce nor an automatic answer is a call.
    let bounce = client.letter("", to, &letter("e", ""));
    assert!(bounce.contains("no call"), "{bounce}");
    let replied =
        client.letter("robot@acme.example", to, &letter("f", "Auto-Submitted: auto-replied\r\n"));
    assert!(replied.contains("no call"), "{replied}");
    // A stranger's address is not written to because a letter says so; the partner's other one is.
    let mut expected = vec![("g", "Reply-To: victim@else.example\r\n", "robot@acme.example")];
    expected.push(("h", "Reply-To: Desk <desk@partner.example>\r\n", "desk@partner.example"));
    expected.push(("i", "Reply-To: other@acme.example\r\n", "other@acme.example"));
    expected.push(("j", "Reply-To: a@acme.example, b@acme.example\r\n", "robot@acme.example"));
    for (id, more, _) in &expected {
        assert!(client.letter("robot@acme.example", to, &letter(id, more)).starts_with("250 "));
    }
    // d, g, h, i and j.
    upstream.await_requests(8);
    let letters = relay.await_letters(5);
    for (id, _, wanted) in expected.iter().chain(&[("d", "", "robot@acme.example")]) {
        let reference = format!("<{id}@acme.example>");
        let found = letters.iter().find(|letter| letter.field("In-Reply-To") == Some(&reference));
        assert_eq!(found.map(|letter| letter.to.as_str()), Some(*wanted), "{id}");
    }
    assert_eq!(letters.len(), 5);
    assert_eq!(gateway.metric("pasarela_mail_dropped_total"), 2.0);
}

#[test]
fn letters_go_round_in_no_circle() {
    let (upstream, relay) = (service(), Relay::start());
    let gateway = post_office(&upstream, &relay, "100/s", TRUSTED).start();
    let text = format!("{}{}", "Received: by a server\r\n".repeat(51), letter("1", ""));
    let reply = Client::greeted(&gateway).letter("robot@acme.example", "parcels@gw.example", &text);
    assert!(reply.starts_with("554 5.4.6"), "{reply}");
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn t52_messages_end_in_one_way() {
    let (upstream, relay) = (service(), Relay::start());
    let gateway = post_office(&upstream, &relay, "100/s", TRUSTED).start();
    let smuggled = "MAIL FROM:<robot@acme.example>\r\nRCPT TO:<parcels@gw.example>\r\nDATA\r\n";
    let ends = [
        "\n.\n",
        "\n.\r\n",
        "\r\n.\n",
        "\r.\r",
        "\r.\r\n",
        "\r\n.\r",
        "\n.\r",
        "\r\r\n.\r\n",
        "\r\n.\r\r\n",
        "\r\n\0.\r\n",
        "\r\n.\0\r\n",
        "\0\r\n.\r\n",
        "\n\n.\r\n",
        "\r\n\n.\r\n",
        "\n\r\n.\r\n",
        "\r\n.\n\r\n",
        "\r\n.\rX\r\n",
        "\r\n.\nX\r\n",
        "\n.X\r\n",
        "\r.X\r\n",
        "\r\n..\n",
        "\r\n..\r",
        "\n..\r\n",
        "\r..\r\n",
        "\r\n.\r\0\n",
        "\r\0\n.\r\n",
        "\r\n\r.\r\n",
        "\r\n.\r\n\n",
        "\r\n.\n.\r\n",
        "\r\n.\r.\r\n",
        "\u{b}\n.\r\n",
        "\r\n.\r\n\r",
    ];
    for (number, end) in ends.iter().enumerate() {
        let mut client = Client::greeted(&gateway);
        client.send("MAIL FROM:<robot@acme.example>\r\nRCPT TO:<parcels@gw.example>\r\n");
        assert!(client.reply().starts_with("250") && client.reply().starts_with("250"));
        assert!(client.ask("DATA\r\n").starts_with("354"));
        let outer = letter(&format!("outer{number}"), "");
        let inner = letter(&format!("inner{number}"), "");
        client.send(format!("{outer}{end}{smuggled}{inner}\r\n.\r\nQUIT\r\n"));
        let rest = client.rest();
        let whole = end.starts_with("\r\n.\r\n");
        assert!(rest.contains("550 5.6.0"), "{end:?}: {rest}");
        // A message that had ended as it should was there before; nothing behind what is broken is.
        assert_eq!(rest.matches("Kept").count(), usize::from(whole), "{end:?}: {rest}");
    }
    let mut client = Client::greeted(&gateway);
    client.send("MAIL FROM:<robot@acme.example>\r\nRCPT TO:<parcels@gw.example>\r\nDATA\r\n");
    client.send(format!("{}\r\n.\r\nQUIT\r\n", letter("early", "")));
    let early = client.rest();
    // Said in one piece with DATA or right behind it: the first is refused; the second may have come after our reply.
    let mut client = Client::greeted(&gateway);
    client.send(format!(
        "MAIL FROM:<robot@acme.example>\r\nRCPT TO:<parcels@gw.example>\r\nDATA\r\n{}\r\n.\r\n",
        letter("pipelined", "")
    ));
    let rest = client.rest();
    assert!(rest.contains("554 5.5.0") && !rest.contains("Kept"), "{rest}");
    let kept = ends.iter().filter(|end| end.starts_with("\r\n.\r\n")).count();
    let kept = kept + early.matches("Kept").count();
    assert_eq!(gateway.metric("pasarela_mail_received_total"), kept as f64);
    assert!(gateway.metric("pasarela_mail_refused_total{reason=\"smuggling\"}") >= 32.0);
}

#[test]
fn l30_what_is_too_large_is_refused_early_and_late() {
    let (upstream, relay) = (service(), Relay::start());
    let more = format!("{TRUSTED}, message_bytes: 8KiB, idle: 1s");
    let gateway = post_office(&upstream, &relay, "100/s", &more).start();
    let mut client = Client::greeted(&gateway);
    assert!(client.ask("MAIL FROM:<robot@acme.example> SIZE=9000\r\n").starts_with("552 "));
    let large = letter("1", &format!("X-Padding: {}\r\n", "x".repeat(9000)));
    let reply = client.letter("robot@acme.example", "parcels@gw.example", &large);
    assert!(reply.starts_with("552 "), "{reply}");
    let reply = client.letter("robot@acme.example", "parcels@gw.example", &letter("2", ""));
    assert!(reply.starts_with("250 "), "{reply}");
    client.send("MAIL FROM:<robot@acme.example>\r\n");
    for _ in 0..20 {
        client.send("RCPT TO:<parcels@gw.example>\r\n");
    }
    let replies: Vec<_> = (0..21).map(|_| client.reply()).collect();
    assert!(replies.iter().all(|reply| reply.starts_with("250 ")), "{replies:?}");
    assert!(client.ask("RCPT TO:<parcels@gw.example>\r\n").starts_with("452 4.5.3"));
    // Who says nothing is sent away.
    assert!(client.reply().starts_with("421 4.4.2"));
    let mut client = Client::greeted(&gateway);
    let last = (0..11).map(|_| client.ask("NONSENSE\r\n")).last().unwrap();
    assert!(last.starts_with("421 "), "{last}");
}

#[test]
fn what_is_no_message_is_refused_before_it_is_kept() {
    let (upstream, relay) = (service(), Relay::start());
    let gateway = post_office(&upstream, &relay, "100/s", TRUSTED).start();
    let mut client = Client::greeted(&gateway);
    let mut send = |text: &str| client.letter("robot@acme.example", "parcels@gw.example", text);
    for (text, code) in [
        ("no head at all", "554 5.6.0"),
        ("From: a@b\r\nFrom: c@d\r\n\r\n<a/>", "554 5.6.0"),
        ("Content-Type: text/html\r\n\r\n<a/>", "554 5.6.1"),
        ("Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n", "554 5.6.1"),
        ("Content-Transfer-Encoding: base64\r\n\r\n????", "554 5.6.1"),
    ] {
        let reply = send(text);
        assert!(reply.starts_with(code), "{text}: {reply}");
    }
    // What is an envelope, and a wrong one, is answered as over HTTP: by a fault.
    let text = letter("1", "").replace("urn:track", "urn:cancel");
    assert!(send(&text).starts_with("250 "));
    let fault = relay.await_letters(1).remove(0).message();
    assert!(fault.contains("GW0032") && fault.contains("Fault"), "{fault}");
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn letters_of_programs_and_of_people_are_calls() {
    let (upstream, relay) = (service(), Relay::start());
    let gateway = post_office(&upstream, &relay, "100/s", TRUSTED).start();
    let mut client = Client::greeted(&gateway);
    let message = track("42");
    let encoded = base64(message.as_bytes());
    let cases = [
        // SOAP::Lite
        (
            "parcels",
            format!(
                "Content-Type: text/xml\r\nContent-Transfer-Encoding: base64\r\nSoapaction: \"urn:track\"\r\n\r\n{encoded}"
            ),
        ),
        // Axis2
        (
            "parcels",
            format!(
                "Subject: SOAPAction: urn:track\r\nContent-Type: text/xml; charset=UTF-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{}",
                message.replace('=', "=3D")
            ),
        ),
        // A person with an attachment.
        (
            "tracking",
            format!(
                "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nHello!\r\n\
             --x\r\nContent-Type: application/octet-stream; name=a.xml\r\nContent-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n--x--\r\n"
            ),
        ),
        // The operation stands in the address.
        ("parcels+Track", format!("\r\n{message}")),
    ];
    for (number, (to, text)) in cases.iter().enumerate() {
        let text = format!("From: robot@acme.example\r\nMessage-ID: <{number}@x>\r\n{text}");
        let reply = client.letter("robot@acme.example", &format!("{to}@gw.example"), &text);
        assert!(reply.starts_with("250 "), "{text}: {reply}");
    }
    for answer in relay.await_letters(4) {
        assert_eq!(answer.message(), ANSWER);
    }
    // What the address says is said.
    let text = format!("From: robot@acme.example\r\nMessage-ID: <9@x>\r\n\r\n{message}");
    assert!(
        client.letter("robot@acme.example", "parcels+cancel@gw.example", &text).starts_with("250 ")
    );
    assert!(relay.await_letters(5)[4].message().contains("GW0032"));
}

#[test]
fn t31_letters_count_with_everything_else_and_wait_for_their_turn() {
    let (upstream, relay) = (service(), Relay::start());
    let gateway = post_office(&upstream, &relay, "10/min burst 1", TRUSTED).start();
    let body = track("over HTTP");
    let by_http = gateway.connect().ask(format!(
        "POST /t/soap HTTP/1.1\r\nHost: test\r\nContent-Type: text/xml\r\nX-API-Key: {KEY}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!(by_http.status, 200, "{}", by_http.brief());
    let mut client = Client::greeted(&gateway);
    assert!(
        client
            .letter("robot@acme.example", "parcels@gw.example", &letter("42", ""))
            .starts_with("250 ")
    );
    // It is refused first, put off, and made when there is room.
    assert_eq!(relay.await_letters(1)[0].message(), ANSWER);
    assert!(gateway.metric("pasarela_mail_put_off_total") >= 1.0);
    let lines = gateway.access_lines(3);
    assert!(
        lines.iter().any(|line| line["listener"] == "smtp" && line["problem"] == "rate_limited"),
        "{lines:?}"
    );
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn answers_wait_for_the_relay_and_are_given_up_where_it_refuses() {
    let (upstream, relay) = (service(), Relay::start());
    let mut gateway = post_office(&upstream, &relay, "100/s", TRUSTED).start();
    relay.say("451 not now");
    let send = |gateway: &Gateway, id: &str| {
        let text = letter(id, "");
        let reply =
            Client::greeted(gateway).letter("robot@acme.example", "parcels@gw.example", &text);
        assert!(reply.starts_with("250 "), "{reply}");
    };
    send(&gateway, "1");
    gateway.await_log("the relay does not take an answer");
    assert_eq!(relay.letters().len(), 0);
    gateway.kill_and_restart();
    relay.say("250 ok");
    assert_eq!(relay.await_letters(1)[0].message(), ANSWER);
    relay.say("550 no such user");
    send(&gateway, "2");
    gateway.await_log("an answer is given up");
    assert_eq!(relay.letters().len(), 1);
    assert_eq!(upstream.requests().len(), 2);
}
