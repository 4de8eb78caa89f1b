//! The gateway is killed again and again while letters come: what was acknowledged takes effect, and once (F26, P1).

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use pasarela_testkit::{Upstream, eventually};

use super::{
    ANSWER, TRUSTED,
    kit::{Client, Relay},
    letter, post_office,
};
use crate::full;

/// A service that does everything once, by the key that it is given; and what it has done, by the parcel.
fn careful() -> (Upstream, Arc<Mutex<HashMap<String, usize>>>) {
    let effects: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    let (mine, keys) = (Arc::clone(&effects), Mutex::new(HashSet::new()));
    let upstream = Upstream::handle(move |request| {
        let key = request.get("idempotency-key").expect("a key").to_owned();
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let parcel = body.split("urn:t\">").nth(1).and_then(|rest| rest.split('<').next());
        let parcel = parcel.expect("a parcel").to_owned();
        if keys.lock().unwrap().insert(key) {
            *mine.lock().unwrap().entry(parcel).or_default() += 1;
        }
        // Long enough to be killed in.
        thread::sleep(Duration::from_millis(5));
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{ANSWER}",
            ANSWER.len()
        )
        .into_bytes()
    });
    (upstream, effects)
}

/// Sends letters until told to stop, each until it is acknowledged; their names.
fn sender(
    name: usize,
    address: Arc<Mutex<std::net::SocketAddr>>,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
) -> thread::JoinHandle<Vec<String>> {
    thread::spawn(move || {
        let mut told = Vec::new();
        for number in 0.. {
            let id = format!("p{name}-{number}");
            let text = letter(&id, "");
            // Killed in the middle of it, nobody knows: it is sent again, as a server does.
            loop {
                if stop.load(Ordering::Relaxed) {
                    return told;
                }
                let reply = Client::raw(*address.lock().unwrap()).map(|mut client| {
                    let steps = [
                        client.reply(),
                        client.ask("EHLO x\r\n"),
                        client.ask("MAIL FROM:<robot@acme.example>\r\n"),
                        client.ask("RCPT TO:<parcels@gw.example>\r\n"),
                        client.ask("DATA\r\n"),
                    ];
                    match steps.iter().all(|reply| !reply.is_empty()) {
                        true => client.ask(format!("{text}\r\n.\r\n")),
                        false => String::new(),
                    }
                });
                match reply {
                    Ok(reply) if reply.starts_with("250 ") => break,
                    Ok(reply) => assert!(reply.is_empty() || reply.starts_with('4'), "{reply}"),
                    Err(_) => {}
                }
                thread::sleep(Duration::from_millis(10));
            }
            told.push(id);
            sent.fetch_add(1, Ordering::Relaxed);
        }
        told
    })
}

fn killed(storage: &str) {
    let kills = if full() { 250 } else { 4 };
    let ((upstream, effects), relay) = (careful(), Relay::start());
    let builder = post_office(&upstream, &relay, "1000000/s", TRUSTED);
    let yaml = builder.yaml().replace("storage: sqlite:./data", storage);
    let mut gateway = builder.config(yaml).start();
    let address = Arc::new(Mutex::new(gateway.address_of("smtp")));
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let senders: Vec<_> =
        (0..4).map(|name| sender(name, address.clone(), stop.clone(), sent.clone())).collect();
    for kill in 0..kills {
        // Some time after it began to take letters again.
        let before = sent.load(Ordering::Relaxed);
        let came = || sent.load(Ordering::Relaxed) > before;
        assert!(eventually(Duration::from_secs(60), came), "no letter is taken");
        thread::sleep(Duration::from_millis(kill * 37 % 90));
        gateway.kill_and_restart();
        *address.lock().unwrap() = gateway.address_of("smtp");
    }
    stop.store(true, Ordering::Relaxed);
    let told: Vec<String> = senders.into_iter().flat_map(|one| one.join().unwrap()).collect();
    assert!(told.len() >= usize::try_from(kills).unwrap());
    // What a dead process held is taken up when its time is over.
    let missing = || {
        let effects = effects.lock().unwrap();
        told.iter().filter(|id| !effects.contains_key(*id)).cloned().collect::<Vec<_>>()
    };
    eventually(Duration::from_secs(90), || missing().is_empty());
    assert_eq!(missing(), Vec::<String>::new(), "acknowledged and lost, of {}", told.len());
    let done = || gateway.metric("pasarela_mail_calls_waiting") == 0.0;
    assert!(eventually(Duration::from_secs(60), done), "calls still wait");
    for (id, count) in effects.lock().unwrap().iter() {
        assert_eq!(*count, 1, "{id} took effect more than once");
    }
    // Each is answered at least once.
    let answered = || {
        let letters = relay.letters();
        let all: HashSet<_> =
            letters.iter().filter_map(|letter| letter.field("In-Reply-To")).collect();
        told.iter().all(|id| all.contains(format!("<{id}@acme.example>").as_str()))
    };
    assert!(eventually(Duration::from_secs(60), answered), "not every letter is answered");
    eprintln!("{kills} kills, {} letters", told.len());
}

#[test]
fn f26_killed_again_and_again_every_letter_takes_effect_once_on_sqlite() {
    killed("storage: sqlite:./data");
}

#[test]
fn f26_killed_again_and_again_every_letter_takes_effect_once_on_postgres() {
    if let Some(url) = pasarela_testkit::postgres_database() {
        killed(&format!("storage: {url}"));
    }
}
