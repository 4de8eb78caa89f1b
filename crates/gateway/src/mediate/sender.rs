//! Who sends a SOAP message, where the message says so itself (WS-Security), and what goes on of it then.
//!
//! The message has to be there as a whole: a signature is over all of its body. Nothing of it goes on before its sender is known,
//! and what goes on has no security header for us any more.

use pasarela_model::Code;
use pasarela_net::http1::{Framing, Head};
use pasarela_soap::{
    Limits,
    mime::Related,
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
    let media = Stated::read(head)?.media;
    if !matches!(Related::read(&media), Ok(None)) {
        let why = "a message whose security ends here comes without parts beside it";
        return Err(Refusal::new(Code::MediaUnsupported, why));
    }
    let limits = Limits::default();
    if !read_on(down, order, ahead, limits.document_bytes).await? {
        let most = limits.document_bytes;
        let why = format!("a message that is verified may have {most} bytes");
        return Err(Refusal::new(Code::BodyTooLarge, why));
    }
    let now = ctx.unix_ns / 1_000_000_000;
    let charset = media.parameter("charset");
    let message = Message { bytes: &ahead.bytes, charset, body_at: ahead.body_at };
    let accepted = examine(policy, &plane.holders, message, now, &limits).map_err(why_not)?;
    if let Caller::Application(application) = by_key
        && application != accepted.holder
    {
        let why = "the key and the message are of two applications";
        return Err(Refusal::new(Code::AuthenticationFailed, why));
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
    ahead.bytes.drain(accepted.header);
    order.framing = Framing::Length(ahead.bytes.len() as u64);
    order.dropped.extend(ABOUT_BYTES);
    ctx.application = Some(accepted.holder);
    Ok(Caller::Application(accepted.holder))
}

/// What is answered; the words are those of the message's room, which tell no secret.
fn why_not(refused_as: Refused) -> Refusal {
    let (why, detail) = match refused_as {
        Refused::Message(refusal) => return refused(&refusal),
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
