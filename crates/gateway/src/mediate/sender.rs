//! Who sends a SOAP message, where the message says so itself (WS-Security), and what goes on of it then.
//!
//! The message has to be there as a whole: a signature is over all of its body. Nothing of it goes on before its sender is known,
//! and what goes on has no security header for us any more.

use std::borrow::Cow;

use pasarela_model::Code;
use pasarela_net::http1::{Framing, Head};
use pasarela_soap::{
    Limits,
    envelope::ContentType,
    mime::{self, Related, Whole},
    security::{Message, Policy, Refused, Seen, Why, examine},
};

use super::{Order, action::Stated, ahead::Ahead, checked::read_on, opening::refused};
use crate::{ctx::Ctx, downstream::Downstream, identify::Caller, plane::Plane, respond::Refusal};

/// Fields that are about the bytes of a body, which are others when something is taken off.
const ABOUT_BYTES: [&[u8]; 4] = [b"content-md5", b"digest", b"content-digest", b"repr-digest"];

/// Finds out whose a message is whose beginning was read, and takes the header off that told.
pub(crate) async fn sender<D: Downstream>(
    plane: &Plane,
    policy: &Policy,
    (order, ahead): (&mut Order<'_>, &mut Ahead),
    by_key: Caller,
    down: &mut D,
    head: &Head,
    ctx: &mut Ctx<'_>,
) -> Result<Caller, Refusal> {
    let limits = Limits::default();
    if !read_on(down, order, ahead, limits.document_bytes).await? {
        let most = limits.document_bytes;
        let why = format!("a message that is verified may have {most} bytes");
        return Err(Refusal::new(Code::BodyTooLarge, why));
    }
    let now = ctx.unix_ns / 1_000_000_000;
    let media = Stated::read(head)?.media;
    let Envelope { bytes, at, charset, alone } = Envelope::of(&media, &ahead.bytes)?;
    let message = Message { bytes: &bytes, charset, body_at: ahead.body_at, alone };
    let accepted = match examine(policy, &plane.holders, message, now, &limits) {
        Ok(accepted) => accepted,
        Err(Refused::Password(user)) => {
            let guesses = plane.remembered.guesses();
            guesses.failed(&user, ctx.client, now);
            return Err(wrong(guesses.wait(&user, ctx.client, now)));
        }
        Err(why) => return Err(why_not(why)),
    };
    // Whoever guessed for long enough is not told when it is right.
    let guessed = accepted.user.as_deref();
    let wait = guessed.and_then(|user| plane.remembered.guesses().wait(user, ctx.client, now));
    if wait.is_some() {
        return Err(wrong(wait));
    }
    let header = at + accepted.header.start..at + accepted.header.end;
    if let Caller::Application(application) = by_key
        && application != accepted.holder
    {
        let why = "the key and the message are of two applications";
        return Err(Refusal::new(Code::AuthenticationFailed, why));
    }
    if !plane.sources.allow(accepted.holder, ctx.place()) {
        let why = "the application may not call from this address";
        return Err(Refusal::new(Code::NetworkRefused, why));
    }
    for hash in &accepted.once {
        match plane.remembered.replays().see(hash, now) {
            Seen::Never => (),
            Seen::Before => {
                let why = "each message is taken once; a new one has a new nonce or a new time";
                return Err(Refusal::new(Code::MessageRepeated, why));
            }
            Seen::Full => {
                let why = "more messages came than can be told apart from repeated ones";
                return Err(Refusal::new(Code::Overloaded, why).retry_after(60));
            }
        }
    }
    ahead.bytes.drain(header);
    order.framing = Framing::Length(ahead.bytes.len() as u64);
    order.dropped.extend(ABOUT_BYTES);
    ctx.application = Some(accepted.holder);
    Ok(Caller::Application(accepted.holder))
}

/// One answer to a wrong password, whoever's it is, and to any after too many.
fn wrong(wait: Option<u64>) -> Refusal {
    let why = "the user is not known or the password is wrong, or too many were wrong from here";
    let refusal = Refusal::new(Code::AuthenticationFailed, why);
    match wait {
        Some(seconds) => refusal.retry_after(seconds),
        None => refusal,
    }
}

/// The envelope of a message.
struct Envelope<'b> {
    bytes: Cow<'b, [u8]>,
    /// Where it starts in the body.
    at: usize,
    charset: Option<&'b str>,
    /// It is all of the body.
    alone: bool,
}

impl<'b> Envelope<'b> {
    fn of(media: &'b ContentType, body: &'b [u8]) -> Result<Self, Refusal> {
        let refuse = |why| Refusal::new(Code::MediaUnsupported, why);
        let Some(related) = Related::read(media).map_err(refuse)? else {
            let charset = media.parameter("charset");
            return Ok(Self { bytes: Cow::Borrowed(body), at: 0, charset, alone: true });
        };
        // How large it may be was seen to already.
        let limits = mime::Limits { bytes: u64::MAX, ..mime::Limits::default() };
        let root = Whole::read(&related, limits, body).map_err(|why| refused(&why.into()))?.root;
        let mut places = memchr::memmem::find_iter(body, &root);
        match (places.next(), places.next()) {
            (Some(at), None) => {
                Ok(Self { bytes: Cow::Owned(root), at, charset: None, alone: false })
            }
            // It is encoded, or something else in the body looks like it.
            _ => Err(refuse("the envelope cannot be found as it is among the parts".to_owned())),
        }
    }
}

/// What is answered; the words are those of the message's room, which tell no secret.
fn why_not(refused_as: Refused) -> Refusal {
    let (why, detail) = match refused_as {
        Refused::Message(refusal) => return refused(&refusal),
        Refused::Password(_) => return wrong(None),
        Refused::Security { why, detail } => (why, detail),
    };
    let code = match why {
        Why::Missing => Code::SecurityMissing,
        Why::Invalid => Code::SecurityInvalid,
        Why::TokenUnsupported => Code::TokenUnsupported,
        Why::AlgorithmUnsupported => Code::AlgorithmUnsupported,
        Why::Authentication => Code::AuthenticationFailed,
        Why::TokenInvalid => Code::TokenInvalid,
        Why::Check => Code::SignatureFailed,
        Why::Expired => Code::MessageExpired,
    };
    Refusal::new(code, detail)
}
