//! What it takes to serve what the store holds beside what the file declares, at first and after a change: `changes APIS KEYS`.
#![expect(clippy::print_stdout, reason = "it talks to a terminal")]

use std::{error::Error, sync::Arc, time::Instant};

use pasarela_control::Compiler;
use pasarela_gateway::{Plane, observe::Metrics};
use pasarela_model::{
    Api, Id, KeyDigest, OrganisationKind, Plan, Rate, Snapshot, StoredKey, Timestamp, Upstream,
    UpstreamTarget,
};
use pasarela_store::{
    Application, ApplicationKey, Changed, Delta, HeldApplication, HeldSubscription, Holding, Mark,
    Organisation, Places, Standing, Terms,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(apis), Some(keys)) = (words.next(), words.next()) else {
        return Err("changes APIS KEYS".into());
    };
    let (apis, keys): (u32, u32) = (apis.parse()?, keys.parse()?);
    let file = file(apis);
    let held = held(apis, keys);
    let ms = |from: Instant| from.elapsed().as_secs_f64() * 1e3;
    let from = Instant::now();
    let bytes = held.to_bytes();
    let wrote = ms(from);
    let from = Instant::now();
    let held = Holding::from_bytes(&bytes)?;
    let size = bytes.len() as f64 / 1_048_576.0;
    println!("kept: {size:.0} MiB, written in {wrote:.0} ms, read in {:.0} ms", ms(from));
    let at = Timestamp::from_millis(2);
    let from = Instant::now();
    let mut compiler = Compiler::new(file, held, std::sync::Arc::new(|_| Err(String::new())), at);
    let first = compiler.compiled(at);
    println!(
        "{apis} APIs, {} applications, {keys} keys: {:.0} ms, {} left out",
        first.snapshot.applications.len(),
        ms(from),
        first.left_out.len(),
    );
    let metrics = Metrics::new();
    let from = Instant::now();
    let mut plane = Plane::compile(Arc::new(first.snapshot), None, &metrics, 0)?;
    println!("plane: {:.0} ms", ms(from));
    for number in 0..5 {
        let from = Instant::now();
        let delta = Delta { mark: Mark::default(), changes: vec![Changed::Key(key(number, keys))] };
        compiler.follow(&delta, at);
        let compiled = compiler.compiled(at);
        let snapshot = ms(from);
        plane = Plane::compile(Arc::new(compiled.snapshot), Some(&plane), &metrics, 0)?;
        println!("one key: snapshot {snapshot:.2} ms, with its plane {:.2} ms", ms(from));
    }
    Ok(())
}

/// A key that is issued to one of the applications.
fn key(number: u32, keys: u32) -> ApplicationKey {
    let mut digest = [255; 32];
    digest[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_be_bytes());
    ApplicationKey {
        id: id(number),
        version: 1,
        application: id(number * 7_919 % keys.div_ceil(10)),
        label: String::new(),
        hint: String::new(),
        digest: KeyDigest(digest),
        created: Timestamp::from_millis(1),
        expires: None,
        revoked: None,
    }
}

fn file(apis: u32) -> Snapshot {
    let rate = Rate { count: 5, per: std::time::Duration::from_secs(1), burst: 5 };
    let api = |number: u32| {
        let upstream = Upstream::of(vec![UpstreamTarget::plain("127.0.0.1", 9)]);
        Api { plans: vec![0], ..Api::new(&format!("api-{number}"), 1, upstream) }
    };
    Snapshot {
        apis: (0..apis).map(api).collect(),
        plans: vec![Plan { rate: Some(rate), ..Plan::new("free") }],
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
    let organisation = |number| Organisation {
        id: id(number),
        version: 1,
        name: format!("organisation-{number}"),
        kind: OrganisationKind::Customer,
        standing: Standing::Active,
        created: at,
    };
    let digest = |number: u32| {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_be_bytes());
        StoredKey::new(KeyDigest(digest), None)
    };
    let (names, free): (Vec<Arc<str>>, Arc<str>) =
        ((0..apis.max(1)).map(|number| format!("api-{number}/v1").into()).collect(), "free".into());
    let application = |number: u32| HeldApplication {
        application: Application {
            id: id(number),
            version: 1,
            organisation: id(number % 1_000),
            name: format!("application-{number}"),
            standing: Standing::Active,
            created: at,
        },
        keys: (number * 10..number * 10 + 10).map(digest).collect(),
        clients: Vec::new(),
        subscriptions: vec![HeldSubscription {
            id: id(number),
            api: Arc::clone(&names[(number % apis.max(1)) as usize]),
            terms: Terms::OfFile(Arc::clone(&free)),
        }],
    };
    Holding {
        organisations: Places::of_sorted((0..1_000).map(organisation).collect()),
        applications: Places::of_sorted((0..keys.div_ceil(10)).map(application).collect()),
        ..Holding::default()
    }
}
