//! What is counted of mail, and how Prometheus reads it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use pasarela_store::LetterQueue;

/// Why a letter, a recipient or a client is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No API has the address, or none that the sender may know of.
    Recipient,
    /// Nobody proved to be the sender.
    Sender,
    /// A password was wrong.
    Login,
    /// It is no letter, or holds no message.
    Letter,
    /// Lines that end in another way (T52).
    Smuggling,
    /// It went round in circles.
    Loop,
    /// The store did not take it.
    Store,
    /// Too much at a time.
    Busy,
}

const REASONS: [&str; 8] =
    ["recipient", "sender", "login", "letter", "smuggling", "loop", "store", "busy"];

/// Counters of one process.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    refused: [AtomicU64; REASONS.len()],
    /// Letters that were kept.
    pub(crate) received: AtomicU64,
    /// Letters that came before.
    pub(crate) repeated: AtomicU64,
    /// Letters that are no calls: bounces and automatic answers.
    pub(crate) dropped: AtomicU64,
    /// Calls that were made to their end.
    pub(crate) called: AtomicU64,
    /// Calls that were put off.
    pub(crate) put_off: AtomicU64,
    /// Answers that a relay took.
    pub(crate) mailed: AtomicU64,
    /// Answers that were given up.
    pub(crate) given_up: AtomicU64,
    calls: AtomicI64,
    answers: AtomicI64,
    oldest_ms: AtomicI64,
}

impl Counts {
    pub(crate) fn refuse(&self, why: Refused) {
        if let Some(counter) = self.refused.get(why as usize) {
            counter.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn queue(&self, queue: &LetterQueue) {
        self.calls.store(queue.calls, Relaxed);
        self.answers.store(queue.answers, Relaxed);
        self.oldest_ms.store(queue.oldest.map_or(0, |oldest| oldest.millis()), Relaxed);
    }

    /// What `/metrics` says.
    pub(crate) fn render(&self) -> String {
        let mut out = String::new();
        let mut one = |name: &str, kind: &str, help: &str, value: &dyn std::fmt::Display| {
            out += &format!(
                "# HELP pasarela_mail_{name} {help}\n# TYPE pasarela_mail_{name} {kind}\npasarela_mail_{name} {value}\n"
            );
        };
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        one("received_total", "counter", "Letters that were kept.", &read(&self.received));
        one("repeated_total", "counter", "Letters that had come before.", &read(&self.repeated));
        let help = "Bounces and automatic answers, which are no calls.";
        one("dropped_total", "counter", help, &read(&self.dropped));
        one("calls_total", "counter", "Calls that were made to their end.", &read(&self.called));
        let help = "Times that a call was put off because its service could not be had.";
        one("put_off_total", "counter", help, &read(&self.put_off));
        one("answers_total", "counter", "Answers that the relay took.", &read(&self.mailed));
        one("given_up_total", "counter", "Answers that were given up.", &read(&self.given_up));
        let help = "Calls that wait or are under way.";
        one("calls_waiting", "gauge", help, &self.calls.load(Relaxed));
        let help = "Answers that wait for the relay.";
        one("answers_waiting", "gauge", help, &self.answers.load(Relaxed));
        let oldest = self.oldest_ms.load(Relaxed);
        let age = match oldest {
            0 => 0,
            oldest => (crate::admin::now().millis() - oldest).max(0) / 1000,
        };
        one("oldest_seconds", "gauge", "How long the oldest of them has waited.", &age);
        out += "# HELP pasarela_mail_refused_total Letters, recipients and clients that were refused.\n\
                # TYPE pasarela_mail_refused_total counter\n";
        for (reason, counter) in REASONS.iter().zip(&self.refused) {
            out += &format!(
                "pasarela_mail_refused_total{{reason=\"{reason}\"}} {}\n",
                counter.load(Relaxed)
            );
        }
        out
    }
}
