//! The suite that both engines pass: one function a behaviour, run on each.

mod commits;
mod kills;
mod letters;
mod migrations;
mod nouns;
mod pepper;
mod quotas;

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicBool, AtomicU8, Ordering},
};

use pasarela_model::{Id, OrganisationId, OrganisationKind, Pepper, Secret, Timestamp};

use crate::{Organisation, Place, Standing, Store, tx::Common};

/// What secrets are mixed with here.
static PEPPER: LazyLock<Pepper> = LazyLock::new(|| Pepper::new(&[7; 32]));

/// What transactions have that are begun without a store.
fn common() -> Arc<Common> {
    Arc::new(Common { pepper: PEPPER.clone(), damaged: AtomicBool::new(false) })
}

/// A place for a store, and what keeps it there.
struct Bed {
    place: Place,
    _folder: Option<tempfile::TempDir>,
}

impl Bed {
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { place: Place::Sqlite(folder.path().to_owned()), _folder: Some(folder) }
    }

    fn postgres() -> Option<Self> {
        let url = pasarela_testkit::postgres_database()?;
        Some(Self { place: Place::Postgres(Secret::new(url)), _folder: None })
    }

    async fn open(&self) -> Store {
        Store::open(&self.place, &PEPPER).await.unwrap()
    }

    fn is_sqlite(&self) -> bool {
        matches!(self.place, Place::Sqlite(_))
    }
}

/// Makes a test of each of these functions on each engine.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::suite::Bed::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                if let Some(bed) = crate::suite::Bed::postgres() {
                    super::$name(bed).await;
                }
            })*
        }
    };
}
use on_both;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A new id of any kind.
fn id<I: Id>() -> I {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    I::new(at(1_000), [NEXT.fetch_add(1, Ordering::Relaxed); 10])
}

fn organisation(name: &str) -> Organisation {
    Organisation {
        id: id::<OrganisationId>(),
        version: 1,
        name: name.to_owned(),
        kind: OrganisationKind::Partner,
        standing: Standing::Active,
        created: at(1),
    }
}

/// Adds it, with its line in the log.
async fn add(store: &Store, new: &Organisation) -> Result<(), crate::Error> {
    let new = new.clone();
    store
        .write(move |tx| {
            Box::pin(async move {
                tx.insert(&new, &new.name).await?;
                tx.audit(&entry("organisation.create", new.id.as_str())).await
            })
        })
        .await
}

fn entry(verb: &str, object: &str) -> crate::AuditEntry {
    crate::AuditEntry {
        at: at(7),
        actor: "mem_x".to_owned(),
        organisation: None,
        verb: verb.to_owned(),
        object: object.to_owned(),
        before: None,
        after: Some("{}".to_owned()),
        request: "r1".to_owned(),
    }
}
