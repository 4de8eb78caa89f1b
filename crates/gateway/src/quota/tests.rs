//! Chunks, windows and threads; whoever keeps the ledger is played here.

use std::collections::HashMap;

use super::*;

const NOW: u64 = 1_800_000_000;

/// A ledger that forgets nothing, as the real one.
#[derive(Default)]
struct Ledger(HashMap<(String, u64), u64>);

impl Ledger {
    fn serve(&mut self, asks: Vec<Ask>) {
        for ask in asks {
            match ask {
                Ask::Lease { counter, window } => {
                    let granted =
                        self.0.entry((counter.name().to_owned(), window.start())).or_default();
                    let most = counter.calls();
                    let free = most.saturating_sub(*granted);
                    let calls = counter.chunk().min(free);
                    *granted += calls;
                    counter.lease(window, calls, free - calls, most);
                }
                Ask::Return(back) => self.back(&back),
            }
        }
    }

    fn back(&mut self, back: &Returned) {
        let granted = self.0.entry((back.name.clone(), back.window.start())).or_default();
        *granted -= back.calls;
    }

    fn serve_now(&mut self, quotas: &Quotas) {
        self.serve(std::mem::take(&mut *lock(&quotas.asks.list)));
    }
}

/// Calls until it is said that there are no more.
fn drain(quotas: &Quotas, ledger: &mut Ledger, counter: &Arc<Counter>, now: u64) -> u64 {
    let mut within = 0;
    loop {
        match counter.take(now) {
            Taken::Within => within += 1,
            Taken::Beyond => return within,
            Taken::Unknown => ledger.serve_now(quotas),
        }
    }
}

#[test]
fn t32_every_quota_lets_exactly_its_calls_through() {
    for calls in [1, 2, 9, 10, 11, 99, 100, 101, 1_000, 12_345] {
        let (quotas, mut ledger) = (Quotas::default(), Ledger::default());
        let counter = quotas.counter("a", calls, QuotaWindow::Day);
        assert_eq!(drain(&quotas, &mut ledger, &counter, NOW), calls);
        assert_eq!(counter.left(NOW), 0);
        // The next day it is the same again.
        assert_eq!(drain(&quotas, &mut ledger, &counter, NOW + 86_400), calls);
    }
}

#[test]
fn l40_a_chunk_is_one_per_cent_and_at_least_ten() {
    let chunk = |calls| Quotas::default().counter("a", calls, QuotaWindow::Month).chunk();
    assert_eq!([1, 5, 10, 11, 50, 100].map(chunk), [1, 1, 1, 2, 5, 10]);
    assert_eq!([1_000, 10_000, 1 << 40].map(chunk), [10, 100, 1_000_000]);
}

#[test]
fn a_crash_loses_what_was_leased_and_a_clean_end_nothing() {
    let mut ledger = Ledger::default();
    let first = Quotas::default();
    let counter = first.counter("a", 1_000, QuotaWindow::Month);
    assert_eq!(counter.take(NOW), Taken::Unknown);
    ledger.serve_now(&first);
    assert_eq!(counter.take(NOW), Taken::Within);
    drop((counter, first));
    let second = Quotas::default();
    let counter = second.counter("a", 1_000, QuotaWindow::Month);
    for _ in 0..11 {
        ledger.serve_now(&second);
        counter.take(NOW);
    }
    second.withdraw().iter().for_each(|back| ledger.back(back));
    let third = Quotas::default();
    let counter = third.counter("a", 1_000, QuotaWindow::Month);
    let rest = drain(&third, &mut ledger, &counter, NOW);
    // The first process had ten and used one; the second one used ten.
    assert_eq!(rest, 1_000 - 10 - 10);
}

#[test]
fn another_number_of_calls_is_counted_with_those_that_were_made() {
    let (quotas, mut ledger) = (Quotas::default(), Ledger::default());
    let counter = quotas.counter("a", 100, QuotaWindow::Hour);
    assert_eq!(drain(&quotas, &mut ledger, &counter, NOW), 100);
    quotas.counter("a", 150, QuotaWindow::Hour);
    assert_eq!(drain(&quotas, &mut ledger, &counter, NOW), 50);
    quotas.counter("a", 300, QuotaWindow::Hour);
    assert_eq!(counter.take(NOW), Taken::Unknown);
    ledger.serve_now(&quotas);
    assert_eq!(counter.take(NOW), Taken::Within);
    // Fewer than were used already: nothing of what was leased counts any more.
    quotas.counter("a", 120, QuotaWindow::Hour);
    assert_eq!(drain(&quotas, &mut ledger, &counter, NOW), 0);
    quotas.counter("a", 160, QuotaWindow::Hour);
    assert_eq!(drain(&quotas, &mut ledger, &counter, NOW), 9, "151 were used");
}

#[test]
fn an_answer_about_the_quota_as_it_was_is_not_believed() {
    let (quotas, mut ledger) = (Quotas::default(), Ledger::default());
    let counter = quotas.counter("a", 2, QuotaWindow::Hour);
    assert_eq!(drain(&quotas, &mut ledger, &counter, NOW), 2);
    // It asks whether something has come back; the answer is late.
    assert_eq!(counter.take(NOW + 5), Taken::Beyond);
    quotas.counter("a", 4, QuotaWindow::Hour);
    counter.lease(counter.window(NOW), 0, 0, 2);
    assert_eq!(drain(&quotas, &mut ledger, &counter, NOW + 5), 2);
}

#[test]
fn what_another_process_gives_back_is_found_within_seconds() {
    let (quotas, mut ledger) = (Quotas::default(), Ledger::default());
    let counter = quotas.counter("a", 10, QuotaWindow::Hour);
    assert_eq!(drain(&quotas, &mut ledger, &counter, NOW), 10);
    let window = counter.window(NOW);
    ledger.back(&Returned { name: "a".to_owned(), window, calls: 3 });
    assert_eq!(counter.take(NOW), Taken::Beyond);
    assert_eq!(counter.take(NOW + 2), Taken::Beyond, "nobody waits for what is probably not there");
    ledger.serve_now(&quotas);
    assert_eq!(drain(&quotas, &mut ledger, &counter, NOW + 2), 3);
}

#[test]
fn who_is_on_no_plan_any_more_leaves_nothing_behind() {
    let (quotas, mut ledger) = (Quotas::default(), Ledger::default());
    let counter = quotas.counter("a", 1_000, QuotaWindow::Hour);
    counter.take(NOW);
    ledger.serve_now(&quotas);
    counter.take(NOW);
    ledger.serve_now(&quotas);
    quotas.sweep();
    assert_eq!(lock(&quotas.counters).len(), 1);
    let window = counter.window(NOW);
    drop(counter);
    quotas.sweep();
    assert_eq!(lock(&quotas.counters).len(), 0);
    ledger.serve_now(&quotas);
    assert_eq!(ledger.0.get(&("a".to_owned(), window.start())), Some(&1));
}

#[test]
fn t32_of_a_thousand_racers_for_the_last_call_exactly_one_wins() {
    for calls in [1u64, 7, 1_000] {
        let (quotas, mut ledger) = (Quotas::default(), Ledger::default());
        let counter = quotas.counter("a", calls, QuotaWindow::Month);
        let racing = AtomicU64::new(8);
        let won: u64 = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let mut won = 0;
                        for _ in 0..1_000 {
                            loop {
                                match counter.take(NOW) {
                                    Taken::Unknown => std::thread::yield_now(),
                                    Taken::Within => break won += 1,
                                    Taken::Beyond => break,
                                }
                            }
                        }
                        racing.fetch_sub(1, SeqCst);
                        won
                    })
                })
                .collect();
            while racing.load(SeqCst) > 0 {
                ledger.serve_now(&quotas);
            }
            racers.into_iter().map(|racer| racer.join().unwrap()).sum()
        });
        assert_eq!(won, calls);
    }
}

#[test]
fn t35_a_clock_that_is_set_back_gives_nothing_twice() {
    let (quotas, mut ledger) = (Quotas::default(), Ledger::default());
    let counter = quotas.counter("a", 5, QuotaWindow::Hour);
    assert_eq!(drain(&quotas, &mut ledger, &counter, NOW), 5);
    assert_eq!(drain(&quotas, &mut ledger, &counter, NOW + 3_600), 5);
    assert_eq!(drain(&quotas, &mut ledger, &counter, NOW), 0);
    assert_eq!(drain(&quotas, &mut ledger, &counter, NOW + 3_600), 0);
}

#[test]
fn the_fields_tell_what_is_left_and_until_when() {
    let fields = QuotaFields::new("free", QuotaWindow::Day);
    let window = Window::of(QuotaWindow::Day, NOW);
    let mut out = Vec::new();
    fields.write_policy(1_000, window, &mut out);
    out.push(b'|');
    fields.write_limit(12, window, window.end() - 60, &mut out);
    assert_eq!(out, b"\"free-day\";q=1000;w=86400|\"free-day\";r=12;t=60");
}
