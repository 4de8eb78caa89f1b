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
    /// Whether it is this one.
    fn is(&self, sent: &[u8]) -> bool {
        let sent = digest::digest(&digest::SHA256, sent);
        match self {
            Self::Text(known) => {
                let known = digest::digest(&digest::SHA256, known);
                verify_slices_are_equal(known.as_ref(), sent.as_ref()).is_ok()
            }
            Self::Sha256(known) => verify_slices_are_equal(known, sent.as_ref()).is_ok(),
        }
    }

    /// Whether this is the digest of it with a nonce and a time. Of a password of which only a digest is known nobody can tell.
    fn is_in(&self, sent: &[u8], nonce: &[u8], created: &str) -> bool {
        let Self::Text(known) = self else { return false };
        let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
        context.update(nonce);
        context.update(created.as_bytes());
        context.update(known);
        verify_slices_are_equal(context.finish().as_ref(), sent).is_ok()
    }
}
