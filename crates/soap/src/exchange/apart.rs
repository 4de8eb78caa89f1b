//! A message in parts that is there as a whole, as JSON.

use super::{
    Form, Wanted,
    parts::{Incoming, Next},
};
use crate::{
    Fault, FaultKind, Limits,
    mime::{PartHead, Related, Whole},
    transcode::{Decoder, Message, Plan},
    xml,
};

type Result<T = ()> = std::result::Result<T, Box<Fault>>;

/// Appends the JSON of a message whose parts were [told apart](Whole::read); bytes beside the envelope are base64 in it.
///
/// # Errors
/// When it is not what the contract says, or refers to a part that is not there.
pub fn json_of_parts(
    plan: &Plan,
    message: &Message,
    related: &Related,
    bytes: &[u8],
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result {
    let whole = Whole::read(related, Default::default(), bytes)?;
    let symbols = &plan.schemas().symbols;
    let mut reader =
        xml::Reader::with(&whole.root, charset(&whole.head).as_deref(), symbols, limits)?;
    let mut decoder = Decoder::new(plan, message);
    decoder.set_parts();
    let mut json = decoder.document(&mut reader)?.to_vec();
    let names: Vec<String> = message.attachments().map(str::to_owned).collect();
    super::answer::name_attachments(&names, &mut json);
    let references = decoder.take_references();
    let mut incoming = Incoming::new(related, Wanted::Inline(u64::MAX), Form::Json, names);
    incoming.feed(bytes);
    incoming.finish();
    loop {
        match incoming.next(plan, out)? {
            Next::Root => {}
            Next::RootEnd => {
                incoming.write(&json, plan, out)?;
                incoming.root_ended(references.clone(), plan, out)?;
            }
            Next::End => return incoming.end(out),
            Next::More => {
                return Err(Box::new(Fault::new(FaultKind::Message, "the message is cut off")));
            }
        }
    }
}

/// The charset that a part says it has.
fn charset(head: &PartHead) -> Option<String> {
    let media = crate::envelope::ContentType::read(head.media.as_deref()?).ok()?;
    media.parameter("charset").map(str::to_owned)
}
