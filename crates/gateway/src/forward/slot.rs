//! A call's place among those that wait for its upstream: from the request's last byte to the
//! head of the answer, try by try.

use std::{cell::Cell, time::Instant};

use pasarela_model::Concurrency;

use crate::{
    cluster::{Left, Limiter, Party, Shares},
    parties::Held,
};

/// The place of one call; holds it from [`begin`](Self::begin) until anything else is told.
#[derive(Debug)]
pub(super) struct Slot<'a> {
    limiter: &'a Limiter,
    /// Whose place it is, where they are shared out.
    party: Option<(&'a Shares, &'a Party)>,
    epoch: Instant,
    since: Cell<Option<Instant>>,
    /// It was taken when the call was admitted, and no try has begun yet.
    early: Cell<bool>,
}

impl<'a> Slot<'a> {
    pub(super) fn new(limiter: &'a Limiter, epoch: Instant) -> Self {
        Self { limiter, party: None, epoch, since: Cell::new(None), early: Cell::new(false) }
    }

    /// The place of a call that has one already, as one of a party's.
    pub(super) fn of(
        mut self,
        party: Option<(&'a Shares, &'a Party)>,
        place: Option<Held>,
    ) -> Self {
        self.party = party;
        if let (Some(_), Some(place)) = (party, place) {
            place.hand_over();
            self.early.set(true);
            self.since.set(Some(self.epoch));
        }
        self
    }

    /// A try begins. With a body to come the caller may take its time, unless what is counted is
    /// a fixed number.
    pub(super) fn begin(&self, at: Instant, has_body: bool) {
        if self.early.take() {
            match self.limiter.mode() == Concurrency::Adaptive && has_body {
                true => self.leave(|_| Left::Otherwise),
                false => self.since.set(Some(at)),
            }
            return;
        }
        match self.limiter.mode() {
            Concurrency::Off => {}
            Concurrency::Adaptive if has_body => {}
            Concurrency::Adaptive | Concurrency::Fixed(_) => self.enter(at),
        }
    }

    /// The request has left, the last byte of its body included.
    pub(super) fn sent(&self) {
        if self.limiter.mode() == Concurrency::Adaptive && self.since.get().is_none() {
            self.enter(Instant::now());
        }
    }

    /// The head of an answer is here.
    pub(super) fn answered(&self, status: u16) {
        self.leave(|waited| match status {
            // Whoever refuses or cannot reach its own servers is quick, which proves nothing.
            502..=504 => Left::Otherwise,
            _ => Left::Answered(waited),
        });
    }

    /// The try is over. Nothing happens if its answer has begun.
    pub(super) fn ended(&self, in_vain: bool) {
        self.leave(|waited| if in_vain { Left::GivenUp(waited) } else { Left::Otherwise });
    }

    fn enter(&self, at: Instant) {
        match self.party {
            Some((shares, party)) => shares.take(party),
            None => self.limiter.enter(),
        }
        self.since.set(Some(at));
    }

    fn leave(&self, how: impl FnOnce(u64) -> Left) {
        let Some(since) = self.since.take() else { return };
        let now = Instant::now();
        let nanos = |from| {
            u64::try_from(now.saturating_duration_since(from).as_nanos()).unwrap_or(u64::MAX)
        };
        let (at, how) = (nanos(self.epoch), how(nanos(since)));
        match self.party {
            Some((shares, party)) => shares.leave(party, at, how),
            None => self.limiter.leave(at, how),
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.ended(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t45_streams_tunnels_and_uploads_hold_no_place() {
        let limiter = Limiter::new(Concurrency::Adaptive);
        let now = Instant::now();
        let calls: Vec<_> = (0..5_000).map(|_| Slot::new(&limiter, now)).collect();
        for (number, call) in calls.iter().enumerate() {
            // Half are uploads under way; the others were answered and stream on.
            call.begin(now, number % 2 == 0);
            if number % 2 == 1 {
                call.answered(if number % 4 == 1 { 200 } else { 101 });
            }
        }
        assert_eq!(limiter.in_flight(), 0);
        assert!(limiter.admits());
        calls[0].sent();
        calls[0].sent();
        assert_eq!(limiter.in_flight(), 1, "an upload whose end was sent waits");
        drop(calls);
        assert_eq!(limiter.in_flight(), 0, "a call that is dropped leaves");
    }

    #[test]
    fn t45_a_fixed_number_is_kept_over_tries_and_bodies() {
        let limiter = Limiter::new(Concurrency::Fixed(2));
        let now = Instant::now();
        let (one, two) = (Slot::new(&limiter, now), Slot::new(&limiter, now));
        one.begin(now, true);
        two.begin(now, false);
        assert!(!limiter.admits());
        one.ended(true);
        assert!(limiter.admits());
        one.begin(now, true);
        assert!(!limiter.admits());
        one.answered(503);
        two.answered(200);
        two.ended(false);
        assert_eq!(limiter.in_flight(), 0);
    }
}
