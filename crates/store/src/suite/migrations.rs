//! From every earlier form to ours, and never over something we do not know.

use super::{Bed, add, on_both, organisation};
use crate::{
    Error, MigrationFault, Schema, Store,
    column::Column as _,
    engine,
    migrate::{self, Migration, OURS},
    tx,
};

on_both! {
    an_empty_database_becomes_ours_and_opening_again_changes_nothing,
    f05_a_newer_database_is_left_alone,
    a_migration_that_was_changed_is_refused,
    f05_a_migration_that_fails_leaves_the_old_form_whole,
    data_survives_the_next_migration,
    several_may_open_at_once,
}

/// The last of ours.
const LAST: i64 = OURS.len() as i64;

const NEXT: Migration = Migration {
    number: LAST + 1,
    name: "next",
    sql: "ALTER TABLE organisations ADD COLUMN note TEXT NOT NULL DEFAULT '';\n\
          CREATE TABLE notes (id TEXT NOT NULL PRIMARY KEY) STRICT;",
};

async fn run(bed: &Bed, known: &[Migration]) -> Result<(), Error> {
    let engine = engine(&bed.place).await?;
    let done = migrate::run(&*engine, known).await;
    engine.close().await;
    done
}

/// Ours and one more.
fn and(next: Migration) -> Vec<Migration> {
    OURS.iter().copied().chain([next]).collect()
}

async fn an_empty_database_becomes_ours_and_opening_again_changes_nothing(bed: Bed) {
    if !bed.is_sqlite() {
        // A server's database is there before we are.
        assert_eq!(Store::schema(&bed.place).await.unwrap(), Schema { has: 0, knows: LAST });
    } else {
        assert!(matches!(Store::schema(&bed.place).await, Err(Error::NotFound { .. })));
    }
    bed.open().await.close().await;
    assert_eq!(Store::schema(&bed.place).await.unwrap(), Schema { has: LAST, knows: LAST });
    bed.open().await.close().await;
}

async fn f05_a_newer_database_is_left_alone(bed: Bed) {
    run(&bed, &and(NEXT)).await.unwrap();
    let refused = Store::open(&bed.place, &super::PEPPER).await.unwrap_err();
    let newer = MigrationFault::Newer { has: LAST + 1, knows: LAST };
    assert!(matches!(&refused, Error::Migration(fault) if *fault == newer), "{refused}");
    assert!(Store::schema(&bed.place).await.is_err());
}

async fn a_migration_that_was_changed_is_refused(bed: Bed) {
    run(&bed, &and(NEXT)).await.unwrap();
    let other = Migration { sql: "CREATE TABLE others (id TEXT) STRICT;", ..NEXT };
    let refused = run(&bed, &and(other)).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Migration(MigrationFault::Changed { number, .. }) if *number == LAST + 1),
        "{refused}"
    );
}

async fn f05_a_migration_that_fails_leaves_the_old_form_whole(bed: Bed) {
    let store = bed.open().await;
    add(&store, &organisation("acme")).await.unwrap();
    store.close().await;
    // The first statement is good, the second is not: neither may be there afterwards.
    let half = Migration { sql: "CREATE TABLE half (id TEXT) STRICT;\nCREATE NONSENSE;", ..NEXT };
    run(&bed, &and(half)).await.unwrap_err();
    assert_eq!(Store::schema(&bed.place).await.unwrap().has, LAST);
    let engine = engine(&bed.place).await.unwrap();
    let common = super::common();
    let asked = tx::read(&*engine, &common, |tx| {
        Box::pin(async move { tx.query("SELECT id FROM half", vec![]).await.map(|_| ()) })
    });
    asked.await.unwrap_err();
    bed.open().await.close().await;
}

async fn data_survives_the_next_migration(bed: Bed) {
    let store = bed.open().await;
    let acme = organisation("acme");
    add(&store, &acme).await.unwrap();
    store.close().await;
    run(&bed, &and(NEXT)).await.unwrap();
    let engine = engine(&bed.place).await.unwrap();
    let id = acme.id.clone();
    let common = super::common();
    let kept = tx::read(&*engine, &common, move |tx| {
        Box::pin(async move {
            let sql = "SELECT name, note FROM organisations WHERE id = $1";
            let mut rows = tx.query(sql, vec![id.to_value()]).await?;
            let mut row = rows.remove(0);
            Ok::<_, Error>((row.take::<String>()?, row.take::<String>()?))
        })
    });
    assert_eq!(kept.await.unwrap(), ("acme".to_owned(), String::new()));
}

async fn several_may_open_at_once(bed: Bed) {
    let place = bed.place.clone();
    let all: Vec<_> = (0..4)
        .map(|_| {
            let place = place.clone();
            tokio::spawn(async move { Store::open(&place, &super::PEPPER).await.map(|_| ()) })
        })
        .collect();
    for one in all {
        one.await.unwrap().unwrap();
    }
}
