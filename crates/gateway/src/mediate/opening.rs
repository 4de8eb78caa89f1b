//! Reading a SOAP message until it has said what it is about, before it goes anywhere.
//!
//! Nothing of the body is changed: what was read is sent on as it came, and what follows is streamed.

use pasarela_contract::soap::SoapContract;
use pasarela_model::Code;
use pasarela_net::{http1::Head, transfer::Piece};
use pasarela_soap::{
    Fault, FaultKind, Limits, Symbols,
    envelope::{self, Envelope, Opener, Progress, Request, Stray},
    mime::Related,
    wsdl::catalog::SoapVersion,
    xml::{Event, Reader},
};

use super::{
    Order,
    action::Stated,
    ahead::{Ahead, Reading},
    bridge::is_understood,
    is_coded,
    related::Root,
};
use crate::{
    ctx::{Ctx, Spoken},
    downstream::Downstream,
    respond::Refusal,
};

/// Bytes in which a message has to say what it is about: its header may hold certificates and
/// signatures, but not documents.
const OPENING_BYTES: usize = 1 << 20;
/// Bytes read at once.
const PIECE_BYTES: usize = 16 << 10;

/// Reads as much of the body as it takes, and notes the operation.
pub(crate) async fn open<D: Downstream>(
    contract: &SoapContract,
    order: &mut Order<'_>,
    down: &mut D,
    head: &Head,
    ctx: &mut Ctx<'_>,
) -> Result<Ahead, Refusal> {
    let stated = Stated::read(head)?;
    let (opening, ahead) = opened(&stated, order, down, head).await?;
    ctx.spoken = Some(match opening.version {
        SoapVersion::V11 => Spoken::Soap11,
        SoapVersion::V12 => Spoken::Soap12,
    });
    let api = ctx.api.map(|api| &ctx.plane.snapshot.apis[api]);
    answers_to_us(&opening, api.map_or(&[], |api| &api.reply_to))?;
    let pass_undeclared = api.is_some_and(|api| api.pass_undeclared);
    ctx.operation = find(contract, pass_undeclared, &stated, &opening)?;
    Ok(ahead)
}

/// Reads as much of the body as it takes to know how the message begins.
pub(super) async fn opened<D: Downstream>(
    stated: &Stated,
    order: &mut Order<'_>,
    down: &mut D,
    head: &Head,
) -> Result<(Envelope, Ahead), Refusal> {
    let mut message = Message::new(head, stated)?;
    let mut reading = Reading::begin(down, order, 0).await?;
    let mut ahead = Ahead::default();
    let opening = loop {
        let before = ahead.bytes.len();
        let opening = match reading.next(&mut ahead.bytes, PIECE_BYTES).await? {
            Piece::Data(_) => message.take(ahead.bytes.get(before..).unwrap_or_default())?,
            Piece::End => {
                ahead.ended = true;
                Some(message.end()?)
            }
        };
        if let Some(opening) = opening {
            break opening;
        }
        if ahead.bytes.len() > OPENING_BYTES {
            let detail = format!("the body does not begin within {OPENING_BYTES} bytes");
            return Err(Refusal::new(Code::SoapInvalid, detail));
        }
    };
    ahead.body_at = opening.body_at;
    let not_understood = opening.not_understood(is_understood);
    ahead.not_understood = not_understood.first().map(|block| block.name.to_string());
    (ahead.parts, ahead.looked_at) = (message.related.take(), ahead.bytes.len());
    Ok((opening, ahead))
}

/// An address for answers that is not the other end of the connection has the service connect to wherever its
/// caller likes, from inside the network (SSRF).
fn answers_to_us(opening: &Envelope, allowed: &[String]) -> Result<(), Refusal> {
    let is_allowed = |address: &str| {
        allowed.iter().any(|known| match known.ends_with('/') {
            true => address.starts_with(known.as_str()) && !address.contains(".."),
            false => address == known,
        })
    };
    match opening.addressing.foreign_addresses().all(is_allowed) {
        true => Ok(()),
        false => Err(Refusal::new(
            Code::ForeignReply,
            "wsa:ReplyTo, wsa:FaultTo and wsa:From may be anonymous or none here",
        )),
    }
}

/// The operation that the body names, if nothing else that the message says contradicts it. A service may go by the
/// action in the HTTP header, by `wsa:Action` or by the body; whoever guards it by one of them lets through what the
/// service takes for something else (T49). `None`: it is let through without a name.
pub(super) fn find(
    contract: &SoapContract,
    pass_undeclared: bool,
    stated: &Stated,
    opening: &Envelope,
) -> Result<Option<usize>, Refusal> {
    let mismatch = |why: String| Refusal::new(Code::SoapAction, why);
    let action = match stated.actions() {
        [Some(one), Some(other)] if one != other => {
            return Err(mismatch("the message names two actions".to_owned()));
        }
        [one, other] => one.or(other).unwrap_or_default(),
    };
    let wsa_action = opening.addressing.action.as_str();
    let request = Request { body: opening.body.as_ref(), action, wsa_action };
    match contract.dispatch(opening.version, request) {
        Ok(operation) => Ok(Some(operation)),
        Err(Stray::Mismatch(why)) => Err(mismatch(why)),
        Err(Stray::Unknown(_)) if pass_undeclared => {
            match [action, wsa_action].into_iter().any(|action| contract.names(action)) {
                true => Err(mismatch("the action is of an operation that the body is not".into())),
                false => Ok(None),
            }
        }
        Err(Stray::Unknown(why)) => Err(Refusal::new(Code::NoSuchOperation, why)),
    }
}

/// The message as it comes in, alone or as the root part of several.
struct Message {
    related: Option<Root>,
    reader: Reader<'static>,
    opener: Option<Opener>,
}

impl Message {
    fn new(head: &Head, stated: &Stated) -> Result<Self, Refusal> {
        if is_coded(head.find_all("content-encoding")) {
            return Err(unreadable(
                "a SOAP message is read here; send it without Content-Encoding",
            ));
        }
        let media = &stated.media;
        let related = Related::read(media)
            .map_err(|detail| Refusal::new(Code::MediaUnsupported, detail))?
            .map(|related| Root::new(&related));
        let charset = match related {
            // Each part has a charset of its own; XML tells it by itself.
            Some(_) => None,
            None => media.parameter("charset"),
        };
        let limits = Limits::default();
        let reader =
            Reader::streaming(charset, Symbols::none(), &limits).map_err(|fault| unread(&fault))?;
        Ok(Self { related, reader, opener: Some(Opener::new()) })
    }

    fn take(&mut self, bytes: &[u8]) -> Result<Option<Envelope>, Refusal> {
        let Some(root) = &mut self.related else {
            self.reader.feed(bytes).map_err(|fault| unread(&fault))?;
            return self.run();
        };
        let mut part = Vec::new();
        root.take(bytes, &mut part).map_err(|fault| unread(&fault))?;
        let whole = root.is_behind();
        self.reader.feed(&part).map_err(|fault| unread(&fault))?;
        match self.run()? {
            // What follows are attachments: whatever they hold, the envelope is over.
            None if whole => self.over().map(Some),
            opening => Ok(opening),
        }
    }

    fn end(&mut self) -> Result<Envelope, Refusal> {
        if let Some(root) = &mut self.related {
            let mut part = Vec::new();
            root.end(&mut part).map_err(|fault| unread(&fault))?;
            if !root.is_behind() {
                let detail = "no part of the message has the identifier that start names";
                return Err(Refusal::new(Code::SoapInvalid, detail));
            }
            self.reader.feed(&part).map_err(|fault| unread(&fault))?;
        }
        self.over()
    }

    fn over(&mut self) -> Result<Envelope, Refusal> {
        self.reader.finish().map_err(|fault| unread(&fault))?;
        self.run()?.ok_or_else(|| Refusal::new(Code::SoapInvalid, "the message has no body"))
    }

    fn run(&mut self) -> Result<Option<Envelope>, Refusal> {
        let Some(mut opener) = self.opener.take() else { return Ok(None) };
        loop {
            let event = self.reader.pull().map_err(|fault| unread(&fault))?;
            if event == Event::NeedMore {
                self.opener = Some(opener);
                return Ok(None);
            }
            let progress = opener.step(&self.reader, event).map_err(|refusal| refused(&refusal))?;
            if progress == Progress::Body {
                return Ok(Some(opener.into_envelope()));
            }
        }
    }
}

fn unreadable(detail: &'static str) -> Refusal {
    Refusal::new(Code::MediaUnsupported, detail)
}

/// What is answered when the bytes cannot be read as XML.
pub(super) fn unread(fault: &Fault) -> Refusal {
    let code = match fault.kind {
        FaultKind::Encoding => Code::MediaUnsupported,
        _ => Code::SoapInvalid,
    };
    Refusal::new(code, fault.to_string())
}

/// What is answered when they are XML and no message.
pub(super) fn refused(refusal: &envelope::Refusal) -> Refusal {
    let code = match refusal.code {
        envelope::Code::VersionMismatch => Code::SoapVersion,
        _ => Code::SoapInvalid,
    };
    Refusal::new(code, refusal.fault.to_string())
}

#[cfg(test)]
mod tests {
    use pasarela_soap::{ExpandedName, xsd::NoDocuments};

    use super::*;

    /// Two that have an action, one that has none, two that share an element; the first is bound to SOAP 1.2 too.
    fn contract() -> SoapContract {
        let all = [
            ("track", "urn:track", "Track"),
            ("cancel", "urn:cancel", "Cancel"),
            ("quiet", "", "Quiet"),
            ("first", "urn:first", "Shared"),
            ("second", "urn:second", "Shared"),
        ];
        let column =
            |of: &dyn Fn(&(&str, &str, &str)) -> String| all.iter().map(of).collect::<String>();
        let messages = column(&|(name, _, element)| {
            format!("<message name='{name}'><part name='p' element='t:{element}'/></message>")
        });
        let port = column(&|(name, ..)| {
            format!("<operation name='{name}'><input message='t:{name}'/></operation>")
        });
        let bound = |soap: &str, name: &str, action: &str| {
            format!(
                "<operation name='{name}'><{soap}:operation soapAction='{action}'/><input><{soap}:body use='literal'/></input></operation>"
            )
        };
        let binding = column(&|(name, action, _)| bound("soap", name, action));
        let newer = bound("soap12", "track", "urn:track12");
        let elements = "<xs:element name='Track'/><xs:element name='Cancel'/><xs:element name='Quiet'/><xs:element name='Shared'/>";
        let text = format!(
            "<definitions xmlns='http://schemas.xmlsoap.org/wsdl/' xmlns:soap='http://schemas.xmlsoap.org/wsdl/soap/' \
             xmlns:soap12='http://schemas.xmlsoap.org/wsdl/soap12/' xmlns:t='urn:t' targetNamespace='urn:t'><types>\
             <xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' targetNamespace='urn:t'>{elements}</xs:schema></types>{messages}\
             <portType name='Port'>{port}</portType><binding name='B' type='t:Port'><soap:binding/>{binding}</binding>\
             <binding name='C' type='t:Port'><soap12:binding/>{newer}</binding></definitions>"
        );
        let rest = Default::default();
        let read = pasarela_contract::read(text.as_bytes(), "a.wsdl", &mut NoDocuments, &rest);
        SoapContract::compile(&read.unwrap().served).unwrap()
    }

    #[test]
    fn t49_the_body_names_the_operation_and_nothing_may_contradict_it() {
        let contract = contract();
        let find = |body: &str, field: &str, parameter: &str, wsa: &str, pass: bool| {
            let mut head = Head::default();
            head.start_request("POST", b"/", pasarela_net::http1::Version::Http11);
            head.push(b"SOAPAction", field.as_bytes());
            head.push(b"Content-Type", format!("x/y; action=\"{parameter}\"").as_bytes());
            let stated = Stated::read(&head).unwrap();
            let version = if parameter.is_empty() { SoapVersion::V11 } else { SoapVersion::V12 };
            let mut opening = Opener::new().into_envelope();
            opening.version = version;
            opening.addressing.action = wsa.to_owned();
            opening.body = (!body.is_empty()).then(|| ExpandedName::new("urn:t", body));
            find(&contract, pass, &stated, &opening).map_err(|refusal| refusal.code)
        };
        let (mismatch, unknown) = (Err(Code::SoapAction), Err(Code::NoSuchOperation));
        for (body, field, parameter, wsa, expected) in [
            ("Track", "", "", "", Ok(Some(0))),
            ("Track", "urn:track", "", "", Ok(Some(0))),
            ("Track", "", "urn:track", "urn:track", Ok(Some(0))),
            ("Track", "", "urn:track12", "", Ok(Some(0))),
            ("Track", "", "", "urn:track", Ok(Some(0))),
            // The spoofs: the service may go by what is said first, second or third.
            ("Track", "urn:cancel", "", "", mismatch),
            ("Track", "", "urn:cancel", "", mismatch),
            ("Track", "", "", "urn:cancel", mismatch),
            ("Track", "urn:track", "", "urn:cancel", mismatch),
            ("Track", "urn:track", "urn:cancel", "", mismatch),
            ("Track", "urn:elsewhere", "", "", mismatch),
            // WS-Addressing gives actions that no soapAction declares (WS-Addressing 1.0 Metadata §4.4.4).
            ("Track", "", "", "urn:t:Port:track", Ok(Some(0))),
            ("Track", "urn:track", "", "urn:t:Port:track", Ok(Some(0))),
            ("Track", "urn:track", "", "urn:t:Port:cancel", mismatch),
            ("Quiet", "urn:whatever", "", "", Ok(Some(2))),
            ("Quiet", "urn:track", "", "", mismatch),
            ("Quiet", "URN:Track ", "", "", mismatch),
            ("Shared", "urn:second", "", "", Ok(Some(4))),
            ("Shared", "", "", "urn:first", Ok(Some(3))),
            ("Shared", "", "", "", mismatch),
            ("Nothing", "", "", "", unknown),
            ("Nothing", "urn:track", "", "", unknown),
            ("", "", "", "", unknown),
        ] {
            let said = format!("{body} {field} {parameter} {wsa}");
            assert_eq!(find(body, field, parameter, wsa, false), expected, "{said}");
            let passed = match expected {
                Err(Code::NoSuchOperation) if field.is_empty() => Ok(None),
                Err(Code::NoSuchOperation) => mismatch,
                expected => expected,
            };
            assert_eq!(find(body, field, parameter, wsa, true), passed, "{said}");
        }
    }
}
