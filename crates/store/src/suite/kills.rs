//! A process that writes is killed; what it was told stands, and nothing stands by half (F1, P1).

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use super::{Bed, add, on_both, organisation};
use crate::{Organisation, Place, Slice, Store};

on_both! { f01_a_killed_writer_loses_nothing_it_was_told }

/// Where the child writes: `sqlite:FOLDER` or the address of a server.
const CHILD: &str = "PASARELA_KILLED_WRITER";

fn named(place: &Place) -> String {
    match place {
        Place::Sqlite(folder) => format!("sqlite:{}", folder.display()),
        Place::Postgres(url) => String::from_utf8(url.expose().to_vec()).unwrap(),
    }
}

/// The child: eight writers that say what they were told, until the process is killed.
#[tokio::test]
async fn the_child() {
    let Some(place) = std::env::var_os(CHILD).and_then(|place| place.into_string().ok()) else {
        return;
    };
    let place = match place.strip_prefix("sqlite:") {
        Some(folder) => Place::Sqlite(folder.into()),
        None => Place::Postgres(pasarela_model::Secret::new(place)),
    };
    let store = Store::open(&place, &super::PEPPER).await.unwrap();
    let life = std::process::id();
    let writers = (0..8).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            for number in 0.. {
                let name = format!("o-{life}-{writer}-{number}");
                add(&store, &random(&name)).await.unwrap();
                println!("told {name}");
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

/// Ids have to differ between lives too.
fn random(name: &str) -> Organisation {
    use sha2::Digest as _;
    let mut chance = [0; 10];
    chance.copy_from_slice(&sha2::Sha256::digest(name)[..10]);
    Organisation { id: pasarela_model::Id::new(super::at(1), chance), ..organisation(name) }
}

async fn f01_a_killed_writer_loses_nothing_it_was_told(bed: Bed) {
    let kills = if std::env::var_os("PASARELA_FULL").is_some() { 200 } else { 8 };
    let mut told = Vec::new();
    for kill in 0..kills {
        told.extend(one_life(&bed, kill % 3 != 0, Duration::from_millis(20 + kill * 37 % 90)));
    }
    assert!(told.len() > usize::try_from(kills).unwrap(), "the child hardly wrote: {}", told.len());
    let store = bed.open().await;
    let mut there = std::collections::HashSet::new();
    let mut slice = Slice { after: None, limit: Some(200) };
    loop {
        let asked = slice.clone();
        let page = store
            .read(move |tx| Box::pin(async move { tx.page::<Organisation>(&asked).await }))
            .await
            .unwrap();
        there.extend(page.items.into_iter().map(|organisation| organisation.name));
        match page.next {
            Some(next) => slice.after = Some(next),
            None => break,
        }
    }
    let lost: Vec<_> = told.iter().filter(|name| !there.contains(*name)).collect();
    assert!(lost.is_empty(), "told and gone: {lost:?}");
    // Each organisation has its line in the log, and the log is whole.
    let log = store.read(|tx| Box::pin(async move { tx.verify_audit().await })).await.unwrap();
    assert_eq!(log.broken, None);
    assert_eq!(usize::try_from(log.entries).unwrap(), there.len());
    store.self_check().await.unwrap();
}

/// Starts the child, lets it write for a while, kills it; what it was told. The while counts from the first thing it was
/// told, or from its start: then it may be killed while it opens.
fn one_life(bed: &Bed, writing: bool, after: Duration) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["suite::kills::the_child", "--exact", "--nocapture"])
        .env(CHILD, named(&bed.place))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (first, begun) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut told = Vec::new();
        for line in lines.map_while(Result::ok) {
            // A line that the kill cut in two was not heard.
            if let Some((_, name)) = line.split_once("told ") {
                told.push(name.to_owned());
                let _ = first.send(());
            }
        }
        told
    });
    if writing {
        begun.recv_timeout(Duration::from_secs(30)).unwrap();
    }
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    let mut told = reader.join().unwrap();
    told.pop();
    told
}
