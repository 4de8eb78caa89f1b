//! How many changes a second a store takes: `commits sqlite:FOLDER|postgres://… WRITERS SECONDS`.
//!
//! Each change is a row, its audit entry and the rise of the generation. Count the `fsync`s with
//! `strace -f -c -e trace=fsync,fdatasync`.
#![expect(clippy::print_stdout, reason = "it talks to a terminal")]

use std::{
    error::Error,
    time::{Duration, Instant},
};

use pasarela_model::{Id as _, OrganisationId, OrganisationKind, Pepper, Secret, Timestamp};
use pasarela_store::{AuditEntry, Organisation, Place, Standing, Store};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(place), Some(writers), Some(seconds)) = (words.next(), words.next(), words.next())
    else {
        return Err("commits sqlite:FOLDER|postgres://… WRITERS SECONDS".into());
    };
    let (writers, seconds): (u16, u64) = (writers.parse()?, seconds.parse()?);
    let place = match place.strip_prefix("sqlite:") {
        Some(folder) => Place::Sqlite(folder.into()),
        None => Place::Postgres(Secret::new(place)),
    };
    let store = Store::open(&place, &Pepper::new(&[7; 32])).await?;
    let life = std::process::id();
    let begin = Instant::now();
    let end = begin + Duration::from_secs(seconds);
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                let (mut done, mut slowest) = (0u64, Duration::ZERO);
                while Instant::now() < end {
                    let from = Instant::now();
                    write(&store, life, writer, done).await?;
                    slowest = slowest.max(from.elapsed());
                    done += 1;
                }
                Ok::<_, pasarela_store::Error>((done, slowest))
            })
        })
        .collect();
    let (mut done, mut slowest) = (0, Duration::ZERO);
    for task in tasks {
        let (its, longest) = task.await??;
        done += its;
        slowest = slowest.max(longest);
    }
    let took = begin.elapsed().as_secs_f64();
    println!(
        "{writers} writers: {:.0} changes/s, {:.0} commits/s, slowest {:.1} ms",
        done as f64 / took,
        store.commits() as f64 / took,
        slowest.as_secs_f64() * 1e3,
    );
    store.close().await;
    Ok(())
}

async fn write(
    store: &Store,
    life: u32,
    writer: u16,
    number: u64,
) -> Result<(), pasarela_store::Error> {
    let mut chance = [0; 10];
    chance[..4].copy_from_slice(&life.to_be_bytes());
    chance[4..6].copy_from_slice(&writer.to_be_bytes());
    chance[6..].copy_from_slice(&(number as u32).to_be_bytes());
    let at = Timestamp::from_millis(i64::try_from(number).unwrap_or(0));
    let new = Organisation {
        id: OrganisationId::new(at, chance),
        version: 1,
        name: format!("o-{life}-{writer}-{number}"),
        kind: OrganisationKind::Customer,
        standing: Standing::Active,
        created: at,
    };
    let entry = AuditEntry {
        at,
        actor: "bench".to_owned(),
        organisation: Some(new.id.clone()),
        verb: "organisation.create".to_owned(),
        object: new.id.to_string(),
        before: None,
        after: Some("{}".to_owned()),
        request: String::new(),
    };
    store
        .write(move |tx| {
            Box::pin(async move {
                tx.insert(&new, &new.name).await?;
                tx.audit(&entry).await
            })
        })
        .await
}
