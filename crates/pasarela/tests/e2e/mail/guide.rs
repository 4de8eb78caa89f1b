//! The guide's page on mail, done as it says.

use pasarela_testkit::Upstream;

use super::kit::{Client, Relay};
use crate::{gateway, soap::WSDL};

#[test]
fn the_guide_s_dialogue_is_what_happens() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/mail.md");
    let page = std::fs::read_to_string(page).unwrap();
    let block = |kind: &str, number: usize| {
        let rest = page.split(&format!("```{kind}\n")).nth(number + 1).expect("a block");
        rest.split("```").next().unwrap_or_default().to_owned()
    };
    let (upstream, relay) = (Upstream::ok("<done/>"), Relay::start());
    let config = block("yaml", 0)
        .replace(
            "{ smtp: 0.0.0.0:2525 }",
            "{ gateway: 127.0.0.1:0, console: 127.0.0.1:0, smtp: 127.0.0.1:0 }",
        )
        .replace("127.0.0.1:2526", &relay.address.to_string())
        .replace("http://127.0.0.1:9001", &upstream.url());
    let gateway = gateway()
        .config(config)
        .file("parcels.wsdl", WSDL)
        .file("robot.password", "open sesame\n")
        .start();
    let mut client = Client::raw(gateway.address_of("smtp")).unwrap();
    let mut heard = String::new();
    for line in block("text", 0).lines() {
        match line.split_at_checked(2) {
            Some(("> ", said)) => client.send(format!("{said}\r\n")),
            Some(("< ", expected)) => {
                if heard.is_empty() {
                    heard = client.reply();
                }
                let (first, rest) = heard.split_once("\r\n").unwrap_or((&heard, ""));
                let (first, rest) = (first.to_owned(), rest.to_owned());
                let begin = expected.split('…').next().unwrap_or_default();
                let same = first == expected || expected.ends_with('…') && first.starts_with(begin);
                assert!(same, "{first:?}, the guide says {expected:?}");
                heard = rest;
            }
            _ => client.send(format!("{}\r\n", line.trim_start_matches('>'))),
        }
    }
    let answer = relay.await_letters(1).remove(0);
    for line in block("text", 1).lines() {
        let (name, value) = line.split_once(": ").expect("a field");
        if name != "Content-Type" {
            assert_eq!(answer.field(name), Some(value), "{}", answer.text);
        }
    }
    assert_eq!(answer.message().trim(), "<done/>");
    assert_eq!(upstream.requests().len(), 1);
}
