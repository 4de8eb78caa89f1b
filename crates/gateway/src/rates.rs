//! Rates that several subscriptions have together, and those of single operations: limiters by name.
//!
//! They outlive planes, as what they count does. One that nobody holds any more is forgotten.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use pasarela_model::Rate;

use crate::limiter::Limiter;

/// Limiters by name.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<HashMap<String, Arc<Limiter>>>);

impl Rates {
    /// The limiter of this name. Where its rate has changed, one that is as full in proportion.
    pub(crate) fn limiter(&self, name: String, rate: Rate, now_ns: u64) -> Arc<Limiter> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let limiter = Limiter::following(all.get(&name), rate, now_ns);
        all.insert(name, Arc::clone(&limiter));
        limiter
    }

    /// Forgets those that no plane has.
    pub(crate) fn sweep(&self) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, limiter| Arc::strong_count(limiter) > 1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_name_is_one_limiter_for_as_long_as_somebody_has_it() {
        let rates = Rates::default();
        let rate = |burst| Rate { count: 1, per: Duration::from_secs(3_600), burst };
        let one = rates.limiter("a".to_owned(), rate(2), 0);
        let same = rates.limiter("a".to_owned(), rate(2), 0);
        assert!(one.check(0).allowed && same.check(0).allowed && !one.check(0).allowed);
        let other = rates.limiter("a".to_owned(), rate(4), 0);
        assert!(!other.check(0).allowed, "it is as full as the one before");
        drop(other);
        rates.sweep();
        assert!(rates.limiter("a".to_owned(), rate(4), 0).check(0).allowed);
    }
}
