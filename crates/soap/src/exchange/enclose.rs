//! The message around an envelope and what travels beside it.

use super::Messages;
use crate::{
    mime::{Boundary, PartHead, Writer},
    transcode::Sent,
    wsdl::catalog::SoapVersion,
};

/// What is beside an envelope, and how it is referred to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Package {
    /// XOP: parts are the content of elements.
    Xop,
    /// SOAP with Attachments: the envelope is what it would be alone.
    Attachments,
}

impl Messages {
    /// Writes an envelope and the parts beside it, and tells the `Content-Type` of that.
    #[must_use]
    pub fn enclose(
        &self,
        package: Package,
        envelope: &[u8],
        sent: &[Sent<'_>],
        random: u128,
        out: &mut Vec<u8>,
    ) -> String {
        enclose(self.version, &self.action, package, (envelope, sent), random, out)
    }
}

/// The same of an envelope of any operation, with an action that may be empty.
pub(super) fn enclose(
    version: SoapVersion,
    action: &str,
    package: Package,
    (envelope, sent): (&[u8], &[Sent<'_>]),
    random: u128,
    out: &mut Vec<u8>,
) -> String {
    let mut writer = Writer::new(Boundary::new(random));
    let soap = version.media_type();
    let root_id = "envelope@pasarela";
    let action = match version {
        SoapVersion::V12 if !action.is_empty() => Some(action),
        _ => None,
    };
    let (kind, root) = match package {
        // XOP, section 4.1 and 5.
        Package::Xop => {
            ("application/xop+xml", format!("application/xop+xml; charset=utf-8; type=\"{soap}\""))
        }
        Package::Attachments => (soap, format!("{soap}; charset=utf-8")),
    };
    let mut more = Vec::new();
    if package == Package::Xop {
        more.push(("start-info", soap));
    }
    more.extend(action.map(|action| ("action", action)));
    let content_type = writer.content_type(kind, root_id, &more);
    let head = |id: &str, media: String| PartHead {
        id: Some(id.to_owned()),
        media: Some(media),
        ..PartHead::default()
    };
    writer.part(&head(root_id, root), out);
    out.extend_from_slice(envelope);
    for part in sent {
        writer.part(&head(&part.id, part.media.clone()), out);
        out.extend_from_slice(&part.bytes);
    }
    writer.end(out);
    content_type
}
