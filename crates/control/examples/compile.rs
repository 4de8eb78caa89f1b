//! What it takes to add the store's part to the file's: `compile APIS KEYS`.
#![expect(clippy::print_stdout, reason = "it talks to a terminal")]

use std::{error::Error, time::Instant};

use pasarela_control::compile;
use pasarela_model::{
    Api, Id, KeyDigest, OrganisationKind, Plan, Snapshot, Timestamp, Upstream, UpstreamTarget,
};
use pasarela_store::{
    Application, HeldKey, Holding, Organisation, Standing, Subscription, SubscriptionState,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(apis), Some(keys)) = (words.next(), words.next()) else {
        return Err("compile APIS KEYS".into());
    };
    let (apis, keys): (u32, u32) = (apis.parse()?, keys.parse()?);
    let file = file(apis);
    let held = held(apis, keys);
    for _ in 0..3 {
        let from = Instant::now();
        let compiled = compile(&file, &held, Timestamp::from_millis(2));
        let took = from.elapsed();
        println!(
            "{apis} APIs, {} applications, {keys} keys: {:.0} ms, {} left out",
            compiled.snapshot.applications.len(),
            took.as_secs_f64() * 1e3,
            compiled.left_out.len(),
        );
    }
    let from = Instant::now();
    let bytes = held.to_bytes();
    let (wrote, size) = (from.elapsed(), bytes.len());
    let from = Instant::now();
    Holding::from_bytes(&bytes)?;
    println!(
        "kept: {:.0} MiB, written in {:.0} ms, read in {:.0} ms",
        size as f64 / 1_048_576.0,
        wrote.as_secs_f64() * 1e3,
        from.elapsed().as_secs_f64() * 1e3,
    );
    Ok(())
}

fn file(apis: u32) -> Snapshot {
    let api = |number: u32| {
        let upstream = Upstream::of(vec![UpstreamTarget::plain("127.0.0.1", 9)]);
        Api { plans: vec![0], ..Api::new(&format!("api-{number}"), 1, upstream) }
    };
    Snapshot {
        apis: (0..apis).map(api).collect(),
        plans: vec![Plan::new("free")],
        ..Snapshot::default()
    }
}

fn id<I: Id>(number: u32) -> I {
    let mut random = [0; 10];
    random[..4].copy_from_slice(&number.to_be_bytes());
    I::new(Timestamp::from_millis(1), random)
}

/// A thousand organisations; ten keys an application, and a subscription.
fn held(apis: u32, keys: u32) -> Holding {
    let at = Timestamp::from_millis(1);
    let applications = keys.div_ceil(10);
    Holding {
        organisations: (0..1_000)
            .map(|number| Organisation {
                id: id(number),
                version: 1,
                name: format!("organisation-{number}"),
                kind: OrganisationKind::Customer,
                standing: Standing::Active,
                created: at,
            })
            .collect(),
        applications: (0..applications)
            .map(|number| Application {
                id: id(number),
                version: 1,
                organisation: id(number % 1_000),
                name: format!("application-{number}"),
                standing: Standing::Active,
                created: at,
            })
            .collect(),
        keys: (0..keys)
            .map(|number| {
                let mut digest = [0; 32];
                digest[..4].copy_from_slice(&number.to_be_bytes());
                // In the order of their applications, as they are read.
                let application = (number / 10) as usize;
                HeldKey { application, digest: KeyDigest(digest), expires: None }
            })
            .collect(),
        subscriptions: (0..applications)
            .map(|number| Subscription {
                id: id(number),
                version: 1,
                organisation: id(number % 1_000),
                application: id(number),
                api: format!("api-{}/v1", number % apis.max(1)),
                plan: None,
                plan_version: None,
                file_plan: Some("free".to_owned()),
                state: SubscriptionState::Approved,
                created: at,
                decided: None,
            })
            .collect(),
        ..Holding::default()
    }
}
