//! What a SOAP request says about its message outside its envelope: media type and action.

use pasarela_model::Code;
use pasarela_net::http1::{Head, Name};
use pasarela_soap::envelope::{ContentType, action::soap_action};

use crate::respond::Refusal;

/// The two fields that speak of the message.
#[derive(Debug, Default)]
pub(super) struct Stated {
    /// `Content-Type`; without one everything in it is empty.
    pub(super) media: ContentType,
    field: String,
}

impl Stated {
    /// Reads them.
    ///
    /// # Errors
    /// When one of them can be read in two ways.
    pub(super) fn read(head: &Head) -> Result<Self, Refusal> {
        if head.count(Name::SoapAction) > 1 || head.count(Name::ContentType) > 1 {
            return Err(unclear("SOAPAction or Content-Type is there twice"));
        }
        let text = |name| match head.get(name).map(std::str::from_utf8) {
            None => Ok(None),
            Some(Ok(text)) => Ok(Some(text)),
            Some(Err(_)) => Err(unclear("SOAPAction or Content-Type is not text")),
        };
        let media = match text(Name::ContentType)? {
            None => ContentType::default(),
            Some(value) => ContentType::read(value).map_err(unclear)?,
        };
        let field = match text(Name::SoapAction)? {
            None => "",
            Some(value) => soap_action(value).map_err(unclear)?,
        };
        if field.contains(',') {
            return Err(unclear("SOAPAction names more than one action"));
        }
        Ok(Self { media, field: field.to_owned() })
    }

    /// The actions stated: `SOAPAction` (SOAP 1.1 §6.1.1), and the `action` parameter of the media
    /// type (SOAP 1.2, RFC 3902 §1). An empty one says nothing: then only the body can tell.
    pub(super) fn actions(&self) -> [Option<&str>; 2] {
        let named = |action: &'_ str| !action.is_empty();
        [
            Some(self.field.as_str()).filter(|action| named(action)),
            self.media.parameter("action").filter(|action| named(action)),
        ]
    }
}

fn unclear(detail: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(Code::SoapAction, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(fields: &[(&str, &str)]) -> Result<Stated, Code> {
        let mut head = Head::default();
        head.start_request("POST", b"/", pasarela_net::http1::Version::Http11);
        for (name, value) in fields {
            head.push(name.as_bytes(), value.as_bytes());
        }
        Stated::read(&head).map_err(|refusal| refusal.code)
    }

    #[test]
    fn an_action_is_stated_in_either_place() {
        let both = [("SOAPAction", "urn:a"), ("Content-Type", "x/y; Action=\"urn:b;c\"; q=1")];
        assert_eq!(stated(&both).unwrap().actions(), [Some("urn:a"), Some("urn:b;c")]);
        let empty = [("SOAPAction", "\"\""), ("Content-Type", "x/y; action=\"\"")];
        assert_eq!(stated(&empty).unwrap().actions(), [None, None]);
        assert_eq!(stated(&[]).unwrap().actions(), [None, None]);
    }

    #[test]
    fn t49_an_action_with_two_readings_is_refused() {
        for fields in [
            &[("SOAPAction", "\"a\""), ("SOAPAction", "\"b\"")][..],
            &[("SOAPAction", "\"a\", \"b\"")],
            &[("SOAPAction", "\"a")],
            &[("SOAPAction", "a,b")],
            &[("Content-Type", "application/soap+xml; action=a; action=b")],
            &[("Content-Type", "application/soap+xml; action=\"open")],
            &[("Content-Type", "text/xml"), ("Content-Type", "text/xml")],
        ] {
            assert_eq!(stated(fields).err(), Some(Code::SoapAction), "{fields:?}");
        }
    }
}
