//! Places, parties and queues, one call at a time and from six threads at once.

use std::{
    sync::{Barrier, atomic::AtomicUsize},
    task::{Context, Poll, Wake, Waker},
};

use pasarela_model::Concurrency;

use super::*;

fn shares(places: u32, parties: &[(&str, u32, u32)]) -> (Arc<Shares>, Vec<Arc<Party>>) {
    let shares = Arc::new(Shares::new(Arc::new(Limiter::new(Concurrency::Fixed(places)))));
    let parties = shares.set_parties(parties.iter().copied());
    (shares, parties)
}

/// A call as `admit` makes it: a place at once, a wait, or neither.
fn call<'s>(shares: &'s Shares, party: &'s Arc<Party>) -> Joined<'s> {
    if shares.enter(party) { Joined::In } else { shares.join(party, 1) }
}

#[track_caller]
fn goes_in(shares: &Shares, party: &Arc<Party>) {
    match call(shares, party) {
        Joined::In => {}
        Joined::Queued(waiting) if is_ready(&waiting) => {}
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn waits<'s>(shares: &'s Shares, party: &'s Arc<Party>) -> Waiting<'s> {
    let Joined::Queued(waiting) = call(shares, party) else { panic!("it does not wait") };
    assert!(!is_ready(&waiting), "it has a place already");
    waiting
}

fn is_ready(waiting: &Waiting<'_>) -> bool {
    waiting.poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

fn leave(shares: &Shares, party: &Party) {
    shares.leave(party, 1, Left::Otherwise);
}

/// Looks at who used how much, so often.
fn ticks(shares: &Shares, count: u64) {
    let now = shares.due_ns.load(Relaxed) + (count - 1) * TICK_NS;
    shares.move_on(now);
}

#[test]
fn what_one_does_not_use_the_others_may() {
    let (shares, parties) = shares(8, &[("a", 1, 0), ("b", 1, 0)]);
    (0..8).for_each(|_| goes_in(&shares, &parties[0]));
    assert_eq!(shares.limiter.in_flight(), 8);
    let waiting = waits(&shares, &parties[0]);
    leave(&shares, &parties[0]);
    drop(waiting);
    assert_eq!((shares.limiter.in_flight(), shares.queued()), (7, 0), "it gave its place back");
}

#[test]
fn who_is_below_its_share_is_next_before_all_who_came_earlier() {
    let (shares, parties) = shares(4, &[("flood", 1, 0), ("quiet", 1, 0)]);
    let (flood, quiet) = (&parties[0], &parties[1]);
    (0..4).for_each(|_| goes_in(&shares, flood));
    let early: Vec<_> = (0..10).map(|_| waits(&shares, flood)).collect();
    let (one, two) = (waits(&shares, quiet), waits(&shares, quiet));
    leave(&shares, flood);
    assert!(is_ready(&one) && !is_ready(&two));
    leave(&shares, flood);
    assert!(is_ready(&two));
    assert!(!early.iter().any(is_ready));
    ticks(&shares, 1);
    leave(&shares, quiet);
    leave(&shares, quiet);
    // The two places are kept for a while for whoever used them; another two are the flood's.
    assert!(!early.iter().any(is_ready));
    ticks(&shares, 1);
    ticks(&shares, 100);
    assert_eq!(early.iter().filter_map(|w| is_ready(w).then_some(())).count(), 2);
}

#[test]
fn what_a_party_used_of_late_is_kept_for_it() {
    let (shares, parties) = shares(10, &[("flood", 1, 0), ("steady", 1, 0)]);
    let (flood, steady) = (&parties[0], &parties[1]);
    (0..3).for_each(|_| goes_in(&shares, steady));
    (0..3).for_each(|_| leave(&shares, steady));
    goes_in(&shares, flood);
    ticks(&shares, 1);
    (0..6).for_each(|_| goes_in(&shares, flood));
    let beyond = waits(&shares, flood);
    for _ in 0..3 {
        assert!(shares.enter(steady), "it does not even wait");
    }
    assert_eq!(shares.limiter.in_flight(), 10);
    drop(beyond);
    // Half a minute later nobody keeps anything for it.
    (0..3).for_each(|_| leave(&shares, steady));
    ticks(&shares, 1);
    ticks(&shares, 300);
    (0..3).for_each(|_| goes_in(&shares, flood));
}

#[test]
fn of_a_reserved_share_one_place_always_stays() {
    let (shares, parties) = shares(10, &[("flood", 1, 0), ("reserved", 1, 3_000)]);
    (0..9).for_each(|_| goes_in(&shares, &parties[0]));
    let waiting = waits(&shares, &parties[0]);
    assert!(shares.enter(&parties[1]));
    // Its second and third have to wait for somebody to leave, and come first then.
    let second = waits(&shares, &parties[1]);
    leave(&shares, &parties[0]);
    assert!(is_ready(&second));
    drop(waiting);
}

#[test]
fn beyond_their_shares_places_go_by_priority() {
    let (shares, parties) = shares(10, &[("one", 1, 0), ("four", 4, 0), ("idle", 5, 5_000)]);
    let (one, four) = (&parties[0], &parties[1]);
    goes_in(&shares, one);
    (0..8).for_each(|_| goes_in(&shares, four));
    let mut queue: Vec<_> =
        (0..10).flat_map(|_| [(0, waits(&shares, one)), (1, waits(&shares, four))]).collect();
    // Everything turns over ten times: who leaves is whoever has been in for longest.
    let mut flying = std::collections::VecDeque::from([0, 1, 1, 1, 1, 1, 1, 1, 1]);
    let mut served = [0, 0];
    for _ in 0..10 {
        let left = flying.pop_front().expect("nine are in flight");
        leave(&shares, &parties[left]);
        let next = queue.iter().position(|(_, waiting)| is_ready(waiting));
        let (party, _) = queue.remove(next.expect("somebody is next"));
        served[party] += 1;
        flying.push_back(party);
    }
    let (ones, fours) = (one.read().0, four.read().0);
    assert_eq!(ones + fours, 9);
    assert!((6..=8).contains(&fours), "{ones} and {fours} are in flight: {served:?} were let in");
}

#[test]
fn a_flood_waits_in_a_short_queue_and_then_not_at_all() {
    let (shares, parties) = shares(4, &[("flood", 1, 0), ("quiet", 1, 0)]);
    (0..4).for_each(|_| goes_in(&shares, &parties[0]));
    let alone = shares.join(&parties[0], 1);
    drop(alone);
    goes_nowhere_after(&shares, &parties[0], false);
    let below = waits(&shares, &parties[1]);
    goes_nowhere_after(&shares, &parties[0], true);
    drop(below);
}

#[track_caller]
fn goes_nowhere_after(shares: &Shares, party: &Arc<Party>, expected: bool) {
    let mut queue = Vec::new();
    loop {
        match call(shares, party) {
            Joined::Queued(waiting) => queue.push(waiting),
            Joined::Full { shared } => {
                assert_eq!(shared, expected);
                assert!((8..=32).contains(&queue.len()), "{} wait", queue.len());
                return;
            }
            Joined::In => panic!("there is a place"),
        }
    }
}

#[test]
fn more_than_everything_cannot_be_reserved() {
    let (shares, parties) = shares(10, &[("a", 1, 8_000), ("b", 1, 8_000), ("c", 1, 0)]);
    let (a, b, c) = (&parties[0], &parties[1], &parties[2]);
    (0..9).for_each(|_| goes_in(&shares, a));
    let mut waiting: Vec<_> = (0..6).map(|_| waits(&shares, a)).collect();
    goes_in(&shares, b);
    let bs: Vec<_> = (0..6).map(|_| waits(&shares, b)).collect();
    for _ in 0..4 {
        leave(&shares, a);
    }
    assert_eq!(
        bs.iter().filter_map(|w| is_ready(w).then_some(())).count(),
        4,
        "half of all are b's"
    );
    // Whoever has nothing reserved is served all the same.
    let cs = waits(&shares, c);
    leave(&shares, a);
    assert!(is_ready(&cs));
    waiting.clear();
}

#[test]
fn parties_stay_themselves_over_reloads() {
    let (shares, parties) = shares(4, &[("a", 1, 0), ("b", 1, 0)]);
    (0..4).for_each(|_| goes_in(&shares, &parties[0]));
    let again = shares.set_parties([("c", 1, 0), ("a", 2, 5_000)].into_iter());
    assert!(Arc::ptr_eq(&again[1], &parties[0]));
    let waiting = waits(&shares, &again[0]);
    (0..4).for_each(|_| leave(&shares, &parties[0]));
    drop(waiting);
    assert_eq!(shares.limiter.in_flight(), 0);
    // The one that is gone can still finish what it began.
    goes_in(&shares, &parties[1]);
    leave(&shares, &parties[1]);
    let kept = again[0].read().1 + again[1].read().1;
    assert_eq!(shares.taken.load(SeqCst), kept, "nothing is lost and nothing is left over");
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits as a worker does, which looks around now and then; whether it got its place.
fn block_on(waiting: &Waiting<'_>) {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let begun = std::time::Instant::now();
    while waiting.poll(&mut Context::from_waker(&waker)) == Poll::Pending {
        std::thread::park_timeout(std::time::Duration::from_secs(20));
        assert!(begun.elapsed().as_secs() < 20, "a place was freed and nobody was told");
    }
}

#[test]
fn a_place_freed_on_one_thread_reaches_who_waits_on_another() {
    const PLACES: u32 = 3;
    const ROUNDS: usize = 3_000;
    let (shares, parties) = shares(PLACES, &[("a", 1, 0), ("b", 2, 0), ("c", 1, 3_000)]);
    let (most, done, start) = (AtomicUsize::new(0), AtomicUsize::new(0), Barrier::new(6));
    std::thread::scope(|scope| {
        for number in 0..6 {
            let (shares, party) = (&shares, &parties[number % 3]);
            let (most, done, start) = (&most, &done, &start);
            scope.spawn(move || {
                start.wait();
                for round in 0..ROUNDS {
                    match call(shares, party) {
                        Joined::In => {}
                        // Now and then one gives up.
                        Joined::Queued(waiting) if round % 7 == 0 => {
                            drop(waiting);
                            continue;
                        }
                        Joined::Queued(waiting) => block_on(&waiting),
                        Joined::Full { .. } => panic!("two of a party are never too many"),
                    }
                    most.fetch_max(shares.limiter.in_flight() as usize, SeqCst);
                    if round % 5 == 0 {
                        std::thread::yield_now();
                    }
                    shares.leave(party, round as u64 * TICK_NS / 10, Left::Otherwise);
                    done.fetch_add(1, SeqCst);
                }
            });
        }
    });
    assert_eq!((shares.limiter.in_flight(), shares.queued()), (0, 0));
    assert!(done.load(SeqCst) > 6 * ROUNDS * 3 / 4);
    // Workers that ask at the same moment may all get the last place.
    assert!(most.load(SeqCst) <= PLACES as usize + 6, "{most:?} at a time");
    let kept: u32 = parties.iter().map(|party| party.read().1).sum();
    assert_eq!(shares.taken.load(SeqCst), kept);
    assert!(parties.iter().all(|party| party.read().0 == 0));
}
