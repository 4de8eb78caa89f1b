//! Stories and storms about the choice of an endpoint.

use std::collections::BTreeMap;
use std::time::Duration;

use pasarela_model::HashKey;
use proptest::prelude::*;

use super::*;

mod storm;

/// SplitMix64, for storms that print their seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, range: u64) -> u64 {
        self.next() % range
    }
}

fn upstream(weights: &[u16]) -> Upstream {
    let target = |(i, weight): (u8, &u16)| UpstreamTarget {
        weight: *weight,
        ..UpstreamTarget::plain(&format!("10.0.0.{i}"), 80)
    };
    Upstream {
        passive: PassiveHealth {
            failures: 3,
            eject: Duration::from_secs(1),
            eject_max: Duration::from_secs(8),
        },
        ..Upstream::of((1u8..).zip(weights).map(target).collect())
    }
}

fn with(balance: Balance, weights: &[u16]) -> Upstream {
    Upstream { balance, ..upstream(weights) }
}

fn hashing(weights: &[u16]) -> Upstream {
    with(Balance::ConsistentHash(HashKey::Path), weights)
}

fn named(mut upstream: Upstream, names: &[&str]) -> Upstream {
    for (target, name) in upstream.targets.iter_mut().zip(names) {
        target.host = (*name).to_owned();
    }
    upstream
}

fn actively(upstream: Upstream) -> Upstream {
    let active = ActiveHealth {
        path: "/health".to_owned(),
        interval: Duration::from_secs(5),
        timeout: Duration::from_secs(1),
        healthy_after: 2,
        unhealthy_after: 3,
    };
    Upstream { active: Some(active), ..upstream }
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A worker: picks with a cursor and random numbers of its own.
struct Worker<'a> {
    cluster: &'a Cluster,
    cursor: Cursor,
    random: Random,
}

impl<'a> Worker<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        Self { cluster, cursor: Cursor::new(), random: Random(7) }
    }

    fn pick(&mut self, now_ms: u64) -> Arc<Endpoint> {
        self.try_pick(now_ms, None, &[]).expect("an endpoint")
    }

    fn try_pick(
        &mut self,
        now_ms: u64,
        hash: Option<u64>,
        tried: &[SocketAddr],
    ) -> Option<Arc<Endpoint>> {
        let draw = self.random.next();
        match self.cluster.pick(&mut self.cursor, now_ms, draw, hash, tried) {
            Pick::Endpoint(endpoint) => Some(endpoint),
            Pick::Unhealthy | Pick::Unresolved => None,
        }
    }

    fn hashed(&mut self, key: u64) -> SocketAddr {
        self.try_pick(0, Some(hash_key(&key.to_le_bytes())), &[]).expect("an endpoint").address
    }

    /// How often each target is picked in so many picks.
    fn counts(&mut self, picks: u64, now_ms: u64) -> Vec<u64> {
        let mut counts = vec![0; self.cluster.targets().len()];
        (0..picks).for_each(|_| counts[self.pick(now_ms).target] += 1);
        counts
    }
}

fn fail(endpoint: &Endpoint, times: u32, now_ms: u64) -> Option<Change> {
    (0..times).fold(None, |_, _| endpoint.report(now_ms, Outcome::Failure))
}

#[test]
fn equals_take_turns() {
    let cluster = Cluster::new(&upstream(&[1, 1, 1]), None);
    let mut worker = Worker::new(&cluster);
    let first: Vec<_> = (0..3).map(|_| worker.pick(0).target).collect();
    let second: Vec<_> = (0..3).map(|_| worker.pick(0).target).collect();
    assert_eq!(first, second);
    assert_eq!(worker.counts(300, 0), [100, 100, 100]);
}

#[test]
fn weights_are_kept_exactly_and_smoothly() {
    let cluster = Cluster::new(&upstream(&[5, 1, 1]), None);
    let mut worker = Worker::new(&cluster);
    let mut turns: Vec<_> = (0..7).map(|_| worker.pick(0).target).collect();
    // The heavy one's five turns are not in one piece, wherever in the round we came in.
    assert!(turns.windows(5).all(|five| five.iter().any(|target| *target != 0)), "{turns:?}");
    turns.sort_unstable();
    assert_eq!(turns, [0, 0, 0, 0, 0, 1, 2]);
    assert_eq!(worker.counts(700, 0), [500, 100, 100]);
}

#[test]
fn a_weight_of_nothing_is_drained() {
    for balance in
        [Balance::RoundRobin, Balance::LeastRequests, Balance::ConsistentHash(HashKey::Path)]
    {
        let cluster = Cluster::new(&with(balance.clone(), &[1, 0, 3]), None);
        let counts = Worker::new(&cluster).counts(400, 0);
        assert_eq!(counts[1], 0, "{balance:?}");
        assert_eq!(cluster.endpoints().len(), 3);

        let drained = Cluster::new(&with(balance, &[0, 0]), None);
        let pick = drained.pick(&mut Cursor::new(), 0, 1, Some(1), &[]);
        assert!(matches!(pick, Pick::Unhealthy));
    }
}

#[test]
fn an_idle_pool_is_drawn_from_by_weight() {
    for balance in [Balance::LeastRequests, Balance::ConsistentHash(HashKey::ClientAddress)] {
        let cluster = Cluster::new(&with(balance.clone(), &[1, 2, 7]), None);
        let counts = Worker::new(&cluster).counts(20_000, 0);
        for (count, expected) in counts.iter().zip([2_000i64, 4_000, 14_000]) {
            assert!((*count as i64 - expected).abs() < 400, "{balance:?}: {counts:?}");
        }
    }
}

#[test]
fn least_requests_shuns_the_slow_one() {
    let cluster = Cluster::new(&with(Balance::LeastRequests, &[1, 1, 1, 1]), None);
    let mut worker = Worker::new(&cluster);
    // Every server answers at once, but the first never does.
    let mut stuck = Vec::new();
    let mut others = 0u32;
    for _ in 0..1_000 {
        match InFlight::new(worker.pick(0)) {
            slow if slow.target == 0 => stuck.push(slow),
            _ => others += 1,
        }
    }
    assert!(stuck.len() < 5, "{} requests at the slow one", stuck.len());
    assert_eq!(cluster.endpoints()[0].in_flight() as usize, stuck.len());
    assert_eq!(others as usize + stuck.len(), 1_000);
    drop(stuck);
    assert!(cluster.endpoints().iter().all(|endpoint| endpoint.in_flight() == 0));
}

#[test]
fn least_requests_fills_by_weight_under_load() {
    let cluster = Cluster::new(&with(Balance::LeastRequests, &[1, 3]), None);
    let mut worker = Worker::new(&cluster);
    let held: Vec<_> = (0..400).map(|_| InFlight::new(worker.pick(0))).collect();
    let light = held.iter().filter(|request| request.target == 0).count();
    assert!((95..=105).contains(&light), "{light}");
}

#[test]
fn a_target_shares_its_weight_among_its_addresses() {
    let cluster = Cluster::new(&named(upstream(&[1, 1]), &["a.test", "b.test"]), None);
    assert_eq!(cluster.unresolved(), [0, 1]);
    assert!(matches!(cluster.pick(&mut Cursor::new(), 0, 0, None, &[]), Pick::Unresolved));
    cluster.set_addresses(0, &[at("10.1.0.1:80"), at("10.1.0.2:80"), at("10.1.0.3:80")]);
    cluster.set_addresses(1, &[at("[2001:db8::1]:80")]);
    assert!(cluster.unresolved().is_empty());
    let counts = Worker::new(&cluster).counts(6_000, 0);
    assert!(counts[0].abs_diff(3_000) <= 1, "{counts:?}");
}

#[test]
fn new_addresses_leave_the_old_ones_their_state() {
    let cluster = Cluster::new(&named(upstream(&[1]), &["a.test"]), None);
    let (one, two, three) = (at("10.1.0.1:80"), at("10.1.0.2:80"), at("10.1.0.3:80"));
    cluster.set_addresses(0, &[one, two]);
    let request = InFlight::new(Arc::clone(&cluster.endpoints()[0]));
    fail(&cluster.endpoints()[0], 3, 100);

    let generation = cluster.generation();
    cluster.set_addresses(0, &[two, one, two]);
    assert_eq!(cluster.generation(), generation, "the same set is no change");

    cluster.set_addresses(0, &[one, three]);
    assert_ne!(cluster.generation(), generation);
    let endpoints = cluster.endpoints();
    assert_eq!(endpoints.iter().map(|e| e.address).collect::<Vec<_>>(), [one, three]);
    assert_eq!(endpoints[0].in_flight(), 1);
    assert_eq!(endpoints[0].status(), Status::Ejected { until_ms: 1_100 });
    assert_eq!((endpoints[1].in_flight(), endpoints[1].status()), (0, Status::In));
    drop(request);
    assert_eq!(endpoints[0].in_flight(), 0);
    cluster.set_addresses(9, &[one]);
    assert_eq!(cluster.endpoints().len(), 2);
}

#[test]
fn l26_addresses_past_the_bound_are_left_out() {
    let cluster = Cluster::new(&named(upstream(&[1]), &["a.test"]), None);
    let many: Vec<_> = (0..1_000).map(|port| SocketAddr::new([10, 0, 0, 1].into(), port)).collect();
    cluster.set_addresses(0, &many);
    assert_eq!(cluster.endpoints().len(), ADDRESSES_MAX);
    assert!(Worker::new(&cluster).try_pick(0, None, &[]).is_some());
}

#[test]
fn l25_five_failures_in_a_row_eject_and_a_success_between_saves() {
    let cluster = Cluster::new(&upstream(&[1, 1, 1]), None);
    let endpoints = cluster.endpoints();
    let sick = &endpoints[1];
    fail(sick, 2, 0);
    assert_eq!(sick.report(0, Outcome::Success), None);
    assert_eq!(fail(sick, 2, 0), None);
    assert_eq!(fail(sick, 1, 500), Some(Change::Ejected { for_ms: 1_000 }));
    assert_eq!(sick.status(), Status::Ejected { until_ms: 1_500 });
    assert_eq!(Worker::new(&cluster).counts(300, 1_499)[1], 0);
    // Late answers to old requests change nothing.
    assert_eq!(fail(sick, 100, 1_000), None);
    assert_eq!(sick.report(1_000, Outcome::Success), None);
    assert_eq!(sick.status(), Status::Ejected { until_ms: 1_500 });
}

#[test]
fn l25_one_probe_decides_and_a_failed_one_doubles_the_wait() {
    let cluster = Cluster::new(&upstream(&[1, 1]), None);
    let mut worker = Worker::new(&cluster);
    let sick = Arc::clone(&cluster.endpoints()[0]);
    assert_eq!(fail(&sick, 3, 0), Some(Change::Ejected { for_ms: 1_000 }));
    let mut now = 1_000;
    for wait in [2_000, 4_000, 8_000, 8_000, 8_000] {
        assert_eq!(worker.counts(100, now - 1)[0], 0);
        assert_eq!(worker.counts(100, now)[0], 1, "one probe at {now}");
        assert_eq!(sick.status(), Status::Probing);
        assert_eq!(sick.report(now, Outcome::Failure), Some(Change::Ejected { for_ms: wait }));
        now += wait;
    }
    assert_eq!(sick.ejections(), 6);
    assert_eq!(worker.counts(100, now)[0], 1);
    assert_eq!(sick.report(now, Outcome::Success), Some(Change::Returned));
    assert_eq!(worker.counts(100, now), [50, 50]);
    // Soon again: it goes on where it was. After a good while: it begins anew.
    assert_eq!(fail(&sick, 3, now + 100), Some(Change::Ejected { for_ms: 8_000 }));
    now += 8_100;
    assert_eq!(worker.counts(100, now)[0], 1);
    assert_eq!(sick.report(now, Outcome::Success), Some(Change::Returned));
    assert_eq!(fail(&sick, 3, now + 8_001), Some(Change::Ejected { for_ms: 1_000 }));
}

#[test]
fn l25_a_probe_that_is_never_reported_is_followed_by_another() {
    let cluster = Cluster::new(&upstream(&[1, 1]), None);
    let mut worker = Worker::new(&cluster);
    fail(&cluster.endpoints()[0], 3, 0);
    assert_eq!(worker.counts(100, 1_000)[0], 1);
    assert_eq!(worker.counts(100, 1_999)[0], 0);
    assert_eq!(worker.counts(100, 2_000)[0], 1);
}

#[test]
fn l25_the_probe_goes_to_one_of_many_workers() {
    let cluster = Cluster::new(&upstream(&[1, 1]), None);
    fail(&cluster.endpoints()[0], 3, 0);
    let probes: u64 = std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..8).map(|_| scope.spawn(|| Worker::new(&cluster).counts(1_000, 1_000)[0])).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(probes, 1);
}

#[test]
fn l25_a_lone_endpoint_is_never_ejected() {
    let cluster = Cluster::new(&upstream(&[1]), None);
    let mut worker = Worker::new(&cluster);
    for now in 0..1_000 {
        let endpoint = worker.pick(now);
        assert_eq!(endpoint.report(now, Outcome::Failure), None);
        assert_eq!(endpoint.status(), Status::In);
    }
    // Tried already, and still the only one there is.
    let address = worker.pick(0).address;
    assert_eq!(worker.try_pick(0, None, &[address]).unwrap().address, address);
}

#[test]
fn l25_half_of_the_pool_stays() {
    for size in 1..=9usize {
        let cluster = Cluster::new(&upstream(&vec![1; size]), None);
        for endpoint in cluster.endpoints().iter() {
            fail(endpoint, 20, 0);
        }
        let out = cluster.endpoints().iter().filter(|e| e.status() != Status::In).count();
        assert_eq!(out, size / 2, "of {size}");
    }
}

#[test]
fn l25_a_pool_that_shrinks_around_its_ejected_takes_them_back() {
    let cluster = Cluster::new(&named(upstream(&[1]), &["a.test"]), None);
    let addresses: Vec<_> = (1..=4).map(|i| at(&format!("10.1.0.{i}:80"))).collect();
    cluster.set_addresses(0, &addresses);
    fail(&cluster.endpoints()[0], 3, 50);
    fail(&cluster.endpoints()[1], 3, 0);
    cluster.set_addresses(0, &addresses[..2]);
    // The one whose time would have been up first.
    assert_eq!(cluster.endpoints()[1].status(), Status::In);
    assert_ne!(cluster.endpoints()[0].status(), Status::In);
    cluster.set_addresses(0, &addresses[..1]);
    assert_eq!(cluster.endpoints()[0].status(), Status::In);
}

#[test]
fn l25_switched_off_means_off() {
    let mut off = upstream(&[1, 1]);
    let cluster = Cluster::new(&off, None);
    fail(&cluster.endpoints()[0], 3, 0);
    off.passive.failures = 0;
    let cluster = Cluster::new(&off, Some(&cluster));
    assert_eq!(cluster.endpoints()[0].status(), Status::In);
    assert_eq!(fail(&cluster.endpoints()[0], 1_000, 0), None);
}

#[test]
fn active_answers_take_endpoints_down_and_bring_them_back() {
    let cluster = Cluster::new(&actively(upstream(&[1, 1])), None);
    let mut worker = Worker::new(&cluster);
    let endpoints = cluster.endpoints();
    let tell = |endpoint: usize, answers: &[bool]| {
        answers.iter().filter_map(|ok| endpoints[endpoint].probe_result(*ok)).collect::<Vec<_>>()
    };
    assert_eq!(tell(0, &[false, false, true, false, false]), []);
    assert_eq!(tell(0, &[false, false]), [Change::WentDown]);
    assert_eq!(worker.counts(100, 0), [0, 100]);
    // All down is all down: nobody is asked in vain.
    assert_eq!(tell(1, &[false, false, false]), [Change::WentDown]);
    assert_eq!(endpoints[1].status(), Status::Down);
    assert!(worker.try_pick(0, None, &[]).is_none());
    assert_eq!(tell(0, &[true, false, true]), []);
    assert_eq!(tell(0, &[true, true]), [Change::CameUp]);
    assert_eq!(worker.counts(100, 0), [100, 0]);
}

#[test]
fn l25_an_ejected_endpoint_is_better_than_one_that_is_down() {
    let cluster = Cluster::new(&actively(upstream(&[1, 1])), None);
    let endpoints = cluster.endpoints();
    fail(&endpoints[0], 3, 0);
    assert!((0..3).any(|_| endpoints[1].probe_result(false).is_some()));
    assert_eq!(Worker::new(&cluster).counts(10, 1), [10, 0]);
}

#[test]
fn without_active_health_its_answers_mean_nothing() {
    let cluster = Cluster::new(&upstream(&[1]), None);
    assert!((0..100).all(|_| cluster.endpoints()[0].probe_result(false).is_none()));
    assert_eq!(cluster.endpoints()[0].status(), Status::In);
}

#[test]
fn f13_a_retry_goes_where_it_has_not_been() {
    for balance in
        [Balance::RoundRobin, Balance::LeastRequests, Balance::ConsistentHash(HashKey::Path)]
    {
        for weights in [[1, 1, 1], [1, 5, 2]] {
            let cluster = Cluster::new(&with(balance.clone(), &weights), None);
            let mut worker = Worker::new(&cluster);
            for _ in 0..100 {
                let mut tried: Vec<SocketAddr> = Vec::new();
                for _ in 0..3 {
                    let next = worker.try_pick(0, None, &tried).unwrap().address;
                    assert!(!tried.contains(&next));
                    tried.push(next);
                }
                assert!(worker.try_pick(0, None, &tried).is_some());
            }
        }
    }
}

#[test]
fn a_reload_keeps_what_is_known_of_unchanged_servers() {
    let before = Cluster::new(&named(upstream(&[1, 1, 1]), &["a.test", "b.test", "c.test"]), None);
    before.set_addresses(0, &[at("10.1.0.1:80")]);
    before.set_addresses(1, &[at("10.1.0.2:80"), at("10.1.0.3:80")]);
    before.set_addresses(2, &[at("10.1.0.4:80")]);
    fail(&before.endpoints()[1], 3, 0);
    let request = InFlight::new(Arc::clone(&before.endpoints()[2]));
    while before.budget().may_retry(0) {}

    let mut changed = named(upstream(&[4, 1, 1]), &["b.test", "new.test", "a.test"]);
    changed.targets[2].tls = true;
    let after = Cluster::new(&changed, Some(&before));
    assert_eq!(after.unresolved(), [1, 2], "https://a.test is another server");
    let endpoints = after.endpoints();
    assert_eq!(endpoints.len(), 2);
    assert_eq!(endpoints[0].status(), Status::Ejected { until_ms: 1_000 });
    assert_eq!(endpoints[1].in_flight(), 1);
    assert!(endpoints.iter().all(|endpoint| endpoint.target == 0));
    assert!(!after.budget().may_retry(0));
    drop(request);
    assert_eq!(endpoints[1].in_flight(), 0);
}

#[test]
fn a_cursor_of_the_old_configuration_serves_the_new_one() {
    let before = Cluster::new(&upstream(&[1, 1, 1, 1]), None);
    let mut cursor = Cursor::new();
    (0..3).for_each(|_| drop(before.pick(&mut cursor, 0, u64::MAX, None, &[])));
    let after = Cluster::new(&upstream(&[1]), Some(&before));
    let Pick::Endpoint(only) = after.pick(&mut cursor, 0, u64::MAX, None, &[]) else {
        panic!("no endpoint")
    };
    assert_eq!(only.target, 0);
}

#[test]
fn the_same_key_goes_to_the_same_server_on_every_node() {
    let one = Cluster::new(&hashing(&[1, 1, 1, 1, 1]), None);
    let other = Cluster::new(&hashing(&[1, 1, 1, 1, 1]), None);
    let (mut one, mut other) = (Worker::new(&one), Worker::new(&other));
    for key in 0..1_000 {
        let address = one.hashed(key);
        assert_eq!(address, one.hashed(key));
        assert_eq!(address, other.hashed(key));
    }
    // Nodes of different versions must agree: these never change.
    assert_eq!(hash_key(b""), 0xe220_a839_7b1d_cdaf);
    assert_ne!(hash_key(b"12345678"), hash_key(b"12345678\0"));
    assert_ne!(hash_key(b"a"), hash_key(b"a\0"));
}

#[test]
fn an_ejected_server_sends_its_keys_to_all_others() {
    let cluster = Cluster::new(&hashing(&[1; 5]), None);
    let mut worker = Worker::new(&cluster);
    let before: Vec<_> = (0..5_000).map(|key| worker.hashed(key)).collect();
    let sick = Arc::clone(&cluster.endpoints()[2]);
    fail(&sick, 3, 0);
    let mut heirs = BTreeMap::new();
    for (key, old) in (0..).zip(&before) {
        let new = worker.hashed(key);
        match *old == sick.address {
            true => *heirs.entry(new).or_insert(0u32) += 1,
            false => assert_eq!(new, *old, "a key of a healthy server moved"),
        }
    }
    assert_eq!(heirs.len(), 4);
    assert!(heirs.values().all(|keys| (150..350).contains(keys)), "{heirs:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn removing_a_server_moves_its_keys_only(
        weights in prop::collection::vec(1u16..5, 2..9), gone in 0usize..8, equal in any::<bool>(),
    ) {
        let weights = if equal { vec![1; weights.len()] } else { weights };
        let gone = gone % weights.len();
        let mut drained = weights.clone();
        drained[gone] = 0;
        let (all, fewer) =
            (Cluster::new(&hashing(&weights), None), Cluster::new(&hashing(&drained), None));
        let (mut all, mut fewer) = (Worker::new(&all), Worker::new(&fewer));
        let gone_address = all.cluster.endpoints()[gone].address;
        let mut moved = 0u32;
        for key in 0..1_000 {
            let (before, after) = (all.hashed(key), fewer.hashed(key));
            if before == gone_address {
                moved += 1;
                prop_assert_ne!(after, gone_address);
            } else {
                prop_assert_eq!(before, after);
            }
        }
        let sum: u32 = weights.iter().map(|weight| u32::from(*weight)).sum();
        let expected = 1_000 * u32::from(weights[gone]) / sum;
        prop_assert!(moved.abs_diff(expected) < 90, "{} moved, {} expected", moved, expected);
    }

    #[test]
    fn round_robin_is_never_more_than_a_round_away_from_its_weights(
        weights in prop::collection::vec(0u16..20, 1..12), picks in 1u64..400,
    ) {
        let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        prop_assume!(sum > 0);
        let cluster = Cluster::new(&upstream(&weights), None);
        let counts = Worker::new(&cluster).counts(picks, 0);
        for (count, weight) in counts.iter().zip(&weights) {
            let fair = picks as f64 * f64::from(*weight) / sum as f64;
            prop_assert!((*count as f64 - fair).abs() < weights.len() as f64, "{:?}", counts);
            prop_assert!(*weight > 0 || *count == 0);
        }
    }
}
