//! A body that was signed is held until it is known to be the one: nothing of another one reaches the service.

use pasarela_model::Code;
use pasarela_net::http1::Head;
use pasarela_soap::Limits;

use super::{
    Order,
    ahead::{Ahead, Replayed},
    checked::read_on,
};
use crate::{
    ctx::Ctx,
    downstream::Downstream,
    respond::Refusal,
    signatures::{Digests, Refused},
};

/// Reads a body to its end and compares it with the digest that was signed. `covered`: one was.
pub(crate) async fn hold<'d, D: Downstream>(
    order: &mut Order<'_>,
    covered: bool,
    down: &'d mut D,
    head: &Head,
    ctx: &mut Ctx<'_>,
) -> Result<Replayed<'d, D>, Refusal> {
    if !covered {
        return Err(Refused::Uncovered.refusal());
    }
    let digests = Digests::read(head).map_err(Refused::refusal)?;
    let most = Limits::default().document_bytes;
    let mut ahead = Ahead::default();
    if !read_on(down, order, &mut ahead, most).await? {
        let why = format!("a body that is signed may have {most} bytes");
        return Err(Refusal::new(Code::BodyTooLarge, why));
    }
    ctx.bytes_in = ahead.bytes.len() as u64;
    if !digests.are_of(&ahead.bytes) {
        let why = "the body has another digest than the signed Content-Digest says";
        return Err(Refusal::new(Code::DigestMismatch, why));
    }
    Replayed::new(down, ahead)
}
