//! Users and passwords (Username Token Profile 1.1).

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};

use super::{Holders, KnownPassword, Passwords, Refused, Why, header, instant, is_fresh};

/// Bytes of a nonce. They have 16 as a rule.
const NONCE_BYTES_MAX: usize = 128;

/// Whose token it is, and what of it may come only once.
pub(super) fn check(
    token: &header::UserToken,
    passwords: Passwords,
    holders: &Holders,
    now: u64,
) -> Result<(usize, Option<[u8; 32]>), Refused> {
    if let Some(created) = &token.created {
        let created = instant::of_message(created)
            .ok_or_else(|| Refused::new(Why::Invalid, "Created of the user is no moment in UTC"))?;
        if !is_fresh(created, now) {
            return Err(Refused::new(Why::Expired, "the user's Created is too far from now"));
        }
    }
    let known = holders.user(&token.name);
    // Whoever is not known takes as long as whoever is.
    let nobody = KnownPassword::text("nobody has this one");
    let password = known.map_or(&nobody, |(password, _)| password);
    let (is_right, once) = match &token.password {
        header::Password::Text(text) if passwords == Passwords::Any => {
            (password.is(text.as_bytes()), None)
        }
        header::Password::Text(_) => {
            let why = "a password is sent as PasswordDigest here";
            return Err(Refused::new(Why::TokenUnsupported, why));
        }
        header::Password::Digest { digest, nonce } => {
            let Some(created) = token.created.as_deref() else {
                let why = "a password digest comes with Nonce and Created";
                return Err(Refused::new(Why::Invalid, why));
            };
            if nonce.is_empty() || nonce.len() > NONCE_BYTES_MAX {
                let why = format!("a nonce has from 1 to {NONCE_BYTES_MAX} bytes");
                return Err(Refused::new(Why::Invalid, why));
            }
            (password.is_in(digest, nonce, created), Some(once(&token.name, digest)))
        }
    };
    match known {
        Some((_, holder)) if is_right => Ok((holder, once)),
        _ => Err(Refused::Password(token.name.clone())),
    }
}

/// As [`check`], for a password that is there as it is.
pub(super) fn by_password(holders: &Holders, name: &str, sent: &[u8]) -> Option<usize> {
    let known = holders.user(name);
    let nobody = KnownPassword::text("nobody has this one");
    let is_right = known.map_or(&nobody, |(password, _)| password).is(sent);
    known.filter(|_| is_right).map(|(_, holder)| holder)
}

/// By the digest, not by the nonce: where one ends and `Created` begins is not in it, so that one digest goes with several pairs.
fn once(name: &str, password: &[u8]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"user\0");
    context.update(name.as_bytes());
    context.update(b"\0");
    context.update(password);
    let mut hash = [0; 32];
    hash.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    hash
}

impl KnownPassword {
    /// Whether it is this one. Takes as long whatever is known of it (T17).
    fn is(&self, sent: &[u8]) -> bool {
        let sent = digest::digest(&digest::SHA256, sent);
        let of_known = digest::digest(&digest::SHA256, self.bytes());
        let known = match self {
            Self::Text(_) => of_known.as_ref(),
            Self::Sha256(known) => known,
        };
        verify_slices_are_equal(known, sent.as_ref()).is_ok()
    }

    /// Whether this is the digest of it with a nonce and a time. Of a password of which only a digest is known nobody can
    /// tell; that takes as long as telling.
    fn is_in(&self, sent: &[u8], nonce: &[u8], created: &str) -> bool {
        let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
        context.update(nonce);
        context.update(created.as_bytes());
        context.update(self.bytes());
        let is_equal = verify_slices_are_equal(context.finish().as_ref(), sent).is_ok();
        is_equal && matches!(self, Self::Text(_))
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text,
            Self::Sha256(digest) => digest,
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test that measures looks at the clock")]
mod tests {
    use std::time::Instant;

    use super::*;

    /// What each of these takes: the low quartile of many turns, in nanoseconds. The machine's noise lies above the median; a
    /// step that is left out would lie below it.
    fn taken<const N: usize>(ask: [&dyn Fn() -> bool; N]) -> [f64; N] {
        let mut times = [const { Vec::new() }; N];
        for _ in 0..20_000 {
            for (ask, times) in ask.iter().zip(&mut times) {
                let start = Instant::now();
                let right = std::hint::black_box(ask());
                times.push(start.elapsed().as_nanos());
                assert!(!right);
            }
        }
        times.map(|mut times| {
            times.sort_unstable();
            times[times.len() / 4] as f64
        })
    }

    #[test]
    fn t17_an_unknown_user_takes_as_long_as_a_known_one() {
        let mut holders = Holders::default();
        holders.add_user("is known", KnownPassword::text("one of twenty letter"), 0);
        let token = |name: &str| header::UserToken {
            name: name.into(),
            password: header::Password::Text("a wrong one".into()),
            created: None,
        };
        let (known, unknown) = (token("is known"), token("is not k"));
        let ask = |token: &header::UserToken| check(token, Passwords::Any, &holders, 0).is_ok();
        let [known, unknown] = taken([&|| ask(&known), &|| ask(&unknown)]);
        assert!((known - unknown).abs() <= 0.1 * known + 20.0, "{known} ns, {unknown} ns");
    }

    #[test]
    fn t17_a_password_takes_as_long_whatever_is_known_of_it() {
        let text = &KnownPassword::text("one of twenty letter");
        let hash = &KnownPassword::Sha256([7; 32]);
        let sent = b"a wrong one";
        let [by_text, by_hash] = taken([&|| text.is(sent), &|| hash.is(sent)]);
        assert!((by_text - by_hash).abs() <= 0.15 * by_text + 10.0, "{by_text} ns, {by_hash} ns");
        let is_in = |known: &KnownPassword| known.is_in(&[1; 20], &[2; 16], "2026-11-25T12:00:00Z");
        let [by_text, by_hash] = taken([&|| is_in(text), &|| is_in(hash)]);
        assert!((by_text - by_hash).abs() <= 0.15 * by_text + 10.0, "{by_text} ns, {by_hash} ns");
    }
}
