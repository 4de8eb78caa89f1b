//! The limiter in a world of its own: discrete events, a virtual clock and a seed. The code under
//! test is the production code; the scenarios and their bars are those of the contracts reference,
//! §9 (1, 4, 6, 7), and row T45 of the reliability reference.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;

/// Seeds of each scenario.
const SEEDS: u64 = 256;
/// What a simulated caller waits, at most: an answer after that is no goodput.
const PATIENCE: f64 = 1.0;

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    /// From 0 to 1, neither of both.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((mixed ^ (mixed >> 31)) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.unit().ln()
    }

    /// Pareto with shape 1.5: its mean is three times the least, its variance infinite.
    fn pareto(&mut self, least: f64) -> f64 {
        least * self.unit().powf(-1.0 / 1.5)
    }
}

/// What the world is like at a moment, seconds since its beginning.
struct World<'a> {
    seconds: f64,
    /// Requests a second.
    offered: &'a dyn Fn(f64) -> f64,
    /// Seconds of work in a request.
    work: &'a dyn Fn(f64, &mut Random) -> f64,
    /// Requests the upstream works on at a time; the rest wait there in a queue.
    servers: &'a dyn Fn(f64) -> usize,
    /// How often a caller tries in all.
    tries: u8,
    /// Whether callers leave when their patience ends. The upstream does not notice.
    leave: bool,
    /// When counting begins.
    from: f64,
}

/// What became of the requests since [`World::from`].
#[derive(Debug, Default)]
struct Tally {
    shed: u64,
    good: u64,
    /// The good of each second.
    by_second: Vec<u64>,
}

/// An answer or the end of a caller's patience, by time in nanoseconds.
type Event = Reverse<(u64, u32)>;

struct Asked {
    began: u64,
    tried: u8,
    waits: bool,
}

fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

fn run(world: &World<'_>, seed: u64, limiter: &Limiter) -> Tally {
    let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let mut tally = Tally::default();
    tally.by_second.resize(world.seconds as usize + 1, 0);
    let mut asked: Vec<Asked> = Vec::new();
    let mut answers: BinaryHeap<Event> = BinaryHeap::new();
    let mut patiences: std::collections::VecDeque<(u64, u32)> = Default::default();
    let mut again: BinaryHeap<Reverse<(u64, u8)>> = BinaryHeap::new();
    let mut free: Vec<u64> = vec![0; 64];
    let end = nanos(world.seconds);
    let from = nanos(world.from);
    let mut next = 0;
    loop {
        let answer = answers.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
        let patience = patiences.front().map_or(u64::MAX, |(at, _)| *at);
        let retry = again.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
        let now = answer.min(patience).min(retry).min(next);
        if now >= end {
            return tally;
        }
        let mut failed = None;
        if now == answer {
            let Some(Reverse((_, id))) = answers.pop() else { continue };
            let Asked { began, tried, waits } = asked[id as usize];
            if !waits {
                continue;
            }
            asked[id as usize].waits = false;
            limiter.leave(now, Left::Answered(now - began));
            if now - began <= nanos(PATIENCE) {
                if began >= from {
                    tally.good += 1;
                }
                tally.by_second[(now / 1_000_000_000) as usize] += 1;
            } else {
                failed = Some(tried);
            }
        } else if now == patience {
            let Some((_, id)) = patiences.pop_front() else { continue };
            let Asked { began, tried, waits } = asked[id as usize];
            if !waits {
                continue;
            }
            asked[id as usize].waits = false;
            limiter.leave(now, Left::GivenUp(now - began));
            failed = Some(tried);
        } else {
            let tried = if now == next {
                let gap = random.exponential(1.0 / (world.offered)(now as f64 / 1e9));
                next = now + nanos(gap).max(1);
                1
            } else {
                again.pop().map_or(1, |Reverse((_, tried))| tried)
            };
            if limiter.admits() {
                limiter.enter();
                let seconds = now as f64 / 1e9;
                let servers = (world.servers)(seconds);
                let work = nanos((world.work)(seconds, &mut random)).max(1);
                let done = match servers {
                    usize::MAX => now + work,
                    _ => {
                        let soonest = (0..servers).min_by_key(|server| free[*server]).unwrap_or(0);
                        free[soonest] = free[soonest].max(now) + work;
                        free[soonest]
                    }
                };
                let id = asked.len() as u32;
                asked.push(Asked { began: now, tried, waits: true });
                answers.push(Reverse((done, id)));
                if world.leave {
                    patiences.push_back((now + nanos(PATIENCE), id));
                }
            } else {
                if now >= from {
                    tally.shed += 1;
                }
                failed = Some(tried);
            }
        }
        if let Some(tried) = failed.filter(|tried| *tried < world.tries) {
            again.push(Reverse((now + nanos(0.1 + 0.2 * random.unit()), tried + 1)));
        }
    }
}

/// Every seed's tally, on all cores.
fn all(seeds: u64, story: impl Fn(u64) -> Tally + Sync) -> Vec<Tally> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    let story = &story;
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads)
            .map(|part| {
                scope.spawn(move || {
                    let mine = (0..seeds).filter(move |seed| seed % threads == part);
                    mine.map(|seed| (seed, story(seed))).collect::<Vec<_>>()
                })
            })
            .collect();
        let mut tallies: Vec<_> = parts.into_iter().flat_map(|part| part.join().unwrap()).collect();
        tallies.sort_by_key(|(seed, _)| *seed);
        tallies.into_iter().map(|(_, tally)| tally).collect()
    })
}

fn adaptive() -> Limiter {
    Limiter::new(Concurrency::Adaptive)
}

/// Ten servers of 50 ms: 200 requests a second and not one more.
const SERVERS: usize = 10;
const WORK: f64 = 0.05;
const CAPACITY: f64 = SERVERS as f64 / WORK;

/// Half of capacity for 3 s, then `factor` times capacity for 20 s.
fn step(factor: f64, leave: bool, seed: u64, limiter: &Limiter) -> Tally {
    let world = World {
        seconds: 23.0,
        offered: &|now| CAPACITY * if now < 3.0 { 0.5 } else { factor },
        work: &|_, random| random.exponential(WORK),
        servers: &|_| SERVERS,
        tries: 1,
        leave,
        from: 3.0,
    };
    run(&world, seed, limiter)
}

/// Goodput of 60 s of overload as a part of capacity: the first 20 s, and 40 s like the last 15
/// of them.
fn goodput(tally: &Tally) -> f64 {
    let steady: u64 = tally.by_second[8..23].iter().sum();
    (tally.good as f64 + 40.0 / 15.0 * steady as f64) / (60.0 * CAPACITY)
}

fn check_goodput(seeds: u64, factor: f64, leave: bool, least: f64) {
    let tallies = all(seeds, |seed| step(factor, leave, seed, &adaptive()));
    for (seed, tally) in tallies.iter().enumerate() {
        let part = goodput(tally);
        assert!(part >= least, "seed {seed}: {part:.3} {:?}", tally.by_second);
    }
}

#[test]
fn t45_goodput_holds_at_three_times_capacity() {
    check_goodput(SEEDS, 3.0, false, 0.9);
}

#[test]
fn t45_goodput_holds_at_five_times_capacity() {
    check_goodput(SEEDS, 5.0, true, 0.9);
}

#[test]
fn t45_a_little_overload_is_found_too() {
    check_goodput(SEEDS / 4, 1.5, false, 0.85);
}

#[test]
fn t45_without_a_limit_goodput_collapses() {
    // What the other tests would see if the limiter did nothing.
    let tally = step(3.0, false, 1, &Limiter::new(Concurrency::Off));
    assert!(goodput(&tally) < 0.1, "{:?}", tally.by_second);
    assert_eq!(tally.shed, 0);
}

#[test]
fn t45_a_loss_of_capacity_is_recovered_from() {
    // Contracts §9, scenario 4: a third of the servers for 30 s, at 80 % load, with callers who
    // try three times.
    let tallies = all(SEEDS / 4, |seed| {
        let world = World {
            seconds: 50.0,
            offered: &|_| 0.8 * CAPACITY,
            work: &|_, random| random.exponential(WORK),
            servers: &|now| if (5.0..35.0).contains(&now) { SERVERS / 3 } else { SERVERS },
            tries: 3,
            leave: false,
            from: 0.0,
        };
        run(&world, seed, &adaptive())
    });
    for (seed, tally) in tallies.iter().enumerate() {
        let after: u64 = tally.by_second[45..50].iter().sum();
        assert!(after as f64 >= 0.9 * 5.0 * 0.8 * CAPACITY, "seed {seed}: {:?}", tally.by_second);
    }
}

fn check_nothing_shed(seeds: u64, story: impl Fn(u64, &Limiter) -> Tally + Sync) {
    let tallies = all(seeds, |seed| story(seed, &adaptive()));
    for (seed, tally) in tallies.iter().enumerate() {
        assert_eq!(tally.shed, 0, "seed {seed}: {:?}", tally.by_second);
    }
}

#[test]
fn t45_heavy_tails_are_no_overload() {
    // Contracts §9, scenario 6. Each seed has its own rate and latency.
    check_nothing_shed(SEEDS, |seed, limiter| {
        let mut random = Random(seed);
        let rate = 50.0 * (20.0_f64).powf(random.unit());
        let least = 0.002 * (50.0_f64).powf(random.unit());
        let world = World {
            seconds: 3_000.0 / rate,
            offered: &|_| rate,
            work: &|_, random| random.pareto(least),
            servers: &|_| usize::MAX,
            tries: 1,
            leave: false,
            from: 0.0,
        };
        run(&world, seed, limiter)
    });
}

#[test]
fn t45_a_latency_that_drifts_is_learned_again() {
    // Contracts §9, scenario 7, the day put into a minute.
    check_nothing_shed(SEEDS, |seed, limiter| {
        let world = World {
            seconds: 60.0,
            offered: &|_| 60.0,
            work: &|now, random| (0.05 + 0.05 * now / 60.0) * (0.5 + random.unit()),
            servers: &|_| usize::MAX,
            tries: 1,
            leave: false,
            from: 0.0,
        };
        run(&world, seed, limiter)
    });
}

/// From 20 ms to `factor` times that at second 5, whatever comes.
fn slowed(factor: f64, seconds: f64, seed: u64, limiter: &Limiter) -> Tally {
    let world = World {
        seconds,
        offered: &|_| 200.0,
        work: &|now, random| random.exponential(0.02) * if now < 5.0 { 1.0 } else { factor },
        servers: &|_| usize::MAX,
        tries: 1,
        leave: false,
        from: 0.0,
    };
    run(&world, seed, limiter)
}

#[test]
fn t45_a_service_that_becomes_slow_at_once_is_not_overloaded() {
    check_nothing_shed(SEEDS, |seed, limiter| {
        slowed(2.0 + (seed % 15) as f64, 20.0, seed, limiter)
    });
}

#[test]
fn t45_what_was_mistaken_for_overload_is_let_through_again() {
    // Fifty times as slow at once can look like a queue for as long as the first answers take.
    let tallies = all(SEEDS / 4, |seed| slowed(30.0 + (seed % 32) as f64, 30.0, seed, &adaptive()));
    let shed: u64 = tallies.iter().map(|tally| tally.shed).sum();
    assert!(shed <= tallies.len() as u64 * 6_000 / 20, "{shed}");
    for (seed, tally) in tallies.iter().enumerate() {
        let last: u64 = tally.by_second[25..30].iter().sum();
        assert!(last > 400, "seed {seed}: {:?}", tally.by_second);
    }
}

#[test]
fn t45_a_busy_service_is_not_an_overloaded_one() {
    check_nothing_shed(SEEDS / 4, |seed, limiter| {
        let world = World {
            seconds: 20.0,
            offered: &|_| 0.75 * CAPACITY,
            work: &|_, random| random.exponential(WORK),
            servers: &|_| SERVERS,
            tries: 1,
            leave: false,
            from: 0.0,
        };
        run(&world, seed, limiter)
    });
}
