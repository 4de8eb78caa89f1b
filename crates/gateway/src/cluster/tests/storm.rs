//! Everything at once, by seed; several threads at once; and what it costs.

use std::time::Instant;

use super::*;

/// 256 storms of 400 events: requests that succeed and fail, answers of active health, address
/// changes, reloads, and a clock that stands, walks and leaps. Whatever the weather:
/// a pick succeeds if any endpoint with a share is not down; only an endpoint with a share that
/// is not down is picked; ejections leave half of the pool in; ejections end; and when all is over
/// and well, everybody gets traffic and nothing is in flight.
#[test]
fn l25_storm() {
    for seed in 0..256 {
        storm(seed);
    }
}

fn storm(seed: u64) {
    let mut random = Random(seed);
    let balance = match random.below(3) {
        0 => Balance::RoundRobin,
        1 => Balance::LeastRequests,
        _ => Balance::ConsistentHash(HashKey::Path),
    };
    let count = 1 + random.below(5) as usize;
    let weights: Vec<_> = (0..count).map(|_| random.below(4) as u16).collect();
    let names = ["10.0.0.1", "b.test", "10.0.0.3", "d.test", "e.test"];
    let mut config = actively(named(with(balance, &weights), &names));
    let mut cluster = Cluster::new(&config, None);
    let mut cursors = [Cursor::new(), Cursor::new(), Cursor::new()];
    let mut requests: Vec<InFlight> = Vec::new();
    let mut now = random.below(10_000);
    // Requests of an older configuration judge by the pool they came from, and may eject more
    // than half of the new one: every other storm has reloads, and does not look at that.
    let reloads = seed % 2 == 1;
    for step in 0..400 {
        match random.below(20) {
            0 => {
                let target = random.below(count as u64) as usize;
                let addresses: Vec<_> = (0..random.below(5))
                    .map(|_| {
                        SocketAddr::new([10, 1, target as u8, random.below(8) as u8].into(), 80)
                    })
                    .collect();
                cluster.set_addresses(target, &addresses);
            }
            1 if reloads => {
                if let Some(target) = config.targets.get_mut(random.below(count as u64) as usize) {
                    target.weight = random.below(4) as u16;
                }
                cluster = Cluster::new(&config, Some(&cluster));
            }
            2 | 3 => {
                let endpoints = cluster.endpoints();
                if !endpoints.is_empty() {
                    let chosen = random.below(endpoints.len() as u64) as usize;
                    endpoints[chosen].probe_result(random.below(3) > 0);
                }
            }
            4..=7 => now += [0, 1, 300, 5_000, 60_000][random.below(5) as usize],
            8..=13 => {
                let cursor = &mut cursors[random.below(3) as usize];
                let (draw, hash) = (random.next(), Some(random.next()));
                let endpoints = cluster.endpoints();
                let standing = endpoints.iter().any(|e| e.share > 0 && e.status() != Status::Down);
                match cluster.pick(cursor, now, draw, hash, &[]) {
                    Pick::Endpoint(endpoint) => {
                        assert!(endpoint.share > 0, "seed {seed} step {step}: drained");
                        assert_ne!(endpoint.status(), Status::Down, "seed {seed} step {step}");
                        assert!(endpoints.iter().any(|e| Arc::ptr_eq(e, &endpoint)));
                        requests.push(InFlight::new(endpoint));
                    }
                    Pick::Unhealthy => assert!(!standing, "seed {seed} step {step}: {endpoints:?}"),
                    Pick::Unresolved => assert!(endpoints.is_empty(), "seed {seed} step {step}"),
                }
            }
            _ if !requests.is_empty() => {
                let done = requests.swap_remove(random.below(requests.len() as u64) as usize);
                let sick = done.address.ip().to_string().ends_with(['1', '3', '5', '7']);
                let failed = random.below(10) < if sick { 8 } else { 1 };
                let outcome = if failed { Outcome::Failure } else { Outcome::Success };
                if let Some(Change::Ejected { for_ms }) = done.report(now, outcome) {
                    assert!((1_000..=8_000).contains(&for_ms), "seed {seed} step {step}");
                    let endpoints = cluster.endpoints();
                    let members: Vec<_> = endpoints.iter().filter(|e| e.share > 0).collect();
                    let ejected = |e: &&&Arc<Endpoint>| {
                        matches!(e.status(), Status::Ejected { .. } | Status::Probing)
                    };
                    let out = members.iter().filter(ejected).count();
                    assert!(
                        reloads || 2 * out <= members.len(),
                        "seed {seed} step {step}: {members:?}"
                    );
                }
            }
            _ => (),
        }
    }
    requests.clear();
    calm_after(&cluster, seed, now + 100_000);
}

fn calm_after(cluster: &Cluster, seed: u64, mut now: u64) {
    let endpoints = cluster.endpoints();
    for endpoint in endpoints.iter() {
        let _ = (endpoint.probe_result(true), endpoint.probe_result(true));
        assert_eq!(endpoint.in_flight(), 0, "seed {seed}");
    }
    let mut worker = Worker::new(cluster);
    let mut served = BTreeMap::new();
    for key in 0..2_000 {
        now += 10;
        if let Some(endpoint) = worker.try_pick(now, Some(hash_key(&[key as u8, 1])), &[]) {
            endpoint.report(now, Outcome::Success);
            *served.entry((endpoint.target, endpoint.address)).or_insert(0u32) += 1;
        }
    }
    for endpoint in endpoints.iter().filter(|endpoint| endpoint.share > 0) {
        assert!(served.contains_key(&(endpoint.target, endpoint.address)), "seed {seed}");
        assert_eq!(endpoint.status(), Status::In, "seed {seed}");
    }
}

#[test]
fn workers_and_a_resolver_at_once() {
    let cluster = Cluster::new(&named(upstream(&[1, 2]), &["a.test", "b.test"]), None);
    cluster.set_addresses(1, &[at("10.2.0.1:80")]);
    let served: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut worker = Worker::new(&cluster);
                    (0..5_000u64)
                        .filter(|i| {
                            let request = worker.try_pick(*i, None, &[]).map(InFlight::new);
                            let outcome =
                                if i % 3 == 0 { Outcome::Failure } else { Outcome::Success };
                            request.is_some_and(|r| r.report(*i, outcome).is_none_or(|_| true))
                        })
                        .count()
                })
            })
            .collect();
        for i in 0..2_000u16 {
            let found: Vec<_> =
                (0..i % 4).map(|j| SocketAddr::new([10, 1, 0, j as u8].into(), 80)).collect();
            cluster.set_addresses(0, &found);
        }
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    // The second target was there all the time.
    assert_eq!(served, 15_000);
    assert!(cluster.endpoints().iter().all(|endpoint| endpoint.in_flight() == 0));
}

/// `cargo test --release -- --ignored --nocapture cost` prints what a pick costs.
#[test]
#[ignore = "a measurement, not a test"]
#[allow(clippy::print_stdout)]
fn cost_of_a_pick() {
    let best = |mut ask: Box<dyn FnMut(u64) + '_>| {
        let batch = |batch: u64| {
            let start = Instant::now();
            (0..1_000u64).for_each(|i| ask(batch * 1_000 + i));
            start.elapsed() / 1_000
        };
        (0..2_000).map(batch).min().unwrap()
    };
    let endpoint = Arc::clone(&Cluster::new(&upstream(&[1]), None).endpoints()[0]);
    let alone = best(Box::new(|now| {
        InFlight::new(Arc::clone(&endpoint)).report(now, Outcome::Success);
    }));
    println!("counting and reporting alone: {alone:?}");
    for balance in
        [Balance::RoundRobin, Balance::LeastRequests, Balance::ConsistentHash(HashKey::Path)]
    {
        for weights in [&[1; 1][..], &[1; 4], &[1; 16], &[1; 100], &[1, 2], &[1, 2, 3, 4]] {
            let cluster = Cluster::new(&with(balance.clone(), weights), None);
            let (mut cursor, mut random) = (Cursor::new(), Random(1));
            let each = best(Box::new(|now| {
                let draw = random.next();
                let Pick::Endpoint(endpoint) =
                    cluster.pick(&mut cursor, now, draw, Some(draw), &[])
                else {
                    panic!("no endpoint")
                };
                InFlight::new(endpoint).report(now, Outcome::Success);
            }));
            let last = weights[weights.len() - 1];
            println!("{balance:?}, {} to weight {last}: {each:?}", weights.len());
        }
    }
}
