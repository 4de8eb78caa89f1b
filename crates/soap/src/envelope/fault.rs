//! Faults of SOAP 1.1 and 1.2 as one thing, read from either and written as either.

use crate::{
    ExpandedName, Fault, FaultKind, PrefixScope,
    name::{SOAP11, SOAP12, XML, expand},
    wsdl::catalog::SoapVersion,
    xml::{Canonical, Event, IllegalChar, Reader, Writer},
};

/// Whose fault it is, by the names of SOAP 1.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// The envelope is of another SOAP.
    VersionMismatch,
    /// A header block that has to be understood is not.
    MustUnderstand,
    /// An encoding is not known (SOAP 1.2).
    DataEncodingUnknown,
    /// The message is at fault (`Client` in SOAP 1.1).
    Sender,
    /// Whoever processed it is (`Server` in SOAP 1.1).
    Receiver,
    /// One that neither version has; SOAP 1.1 allows it.
    Other(ExpandedName),
}

impl Code {
    /// The status of HTTP that carries such a fault (SOAP 1.1, 6.2; SOAP 1.2 Part 2, 7.5.2.2).
    pub fn http_status(&self, version: SoapVersion) -> u16 {
        match (version, self) {
            (SoapVersion::V12, Self::Sender) => 400,
            _ => 500,
        }
    }

    /// Its local name.
    fn local(&self, version: SoapVersion) -> &str {
        match (self, version) {
            (Self::VersionMismatch, _) => "VersionMismatch",
            (Self::MustUnderstand, _) => "MustUnderstand",
            (Self::DataEncodingUnknown, SoapVersion::V12) => "DataEncodingUnknown",
            (Self::Sender | Self::DataEncodingUnknown, SoapVersion::V11) => "Client",
            (Self::Receiver, SoapVersion::V11) => "Server",
            (Self::Sender, SoapVersion::V12) => "Sender",
            (Self::Receiver | Self::Other(_), SoapVersion::V12) => "Receiver",
            (Self::Other(name), SoapVersion::V11) => &name.local,
        }
    }

    /// The code of a name, and what SOAP 1.1 writes behind a dot.
    fn of_name(name: ExpandedName) -> (Self, Option<ExpandedName>) {
        // Many services of SOAP 1.1 leave the prefix out.
        if !matches!(&*name.namespace, "" | SOAP11 | SOAP12) {
            return (Self::Other(name), None);
        }
        let (local, more) = match name.local.split_once('.') {
            Some((local, _)) => (local, Some(name.clone())),
            None => (&*name.local, None),
        };
        let code = match local {
            "VersionMismatch" => Self::VersionMismatch,
            "MustUnderstand" => Self::MustUnderstand,
            "DataEncodingUnknown" => Self::DataEncodingUnknown,
            "Client" | "Sender" => Self::Sender,
            "Server" | "Receiver" => Self::Receiver,
            _ => return (Self::Other(name), None),
        };
        (code, more)
    }
}

/// A fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoapFault {
    /// Whose it is.
    pub code: Code,
    /// What it is more exactly, the broadest first (SOAP 1.2).
    pub subcodes: Vec<ExpandedName>,
    /// The reason in words, each with its language, which may be empty.
    pub reasons: Vec<(String, String)>,
    /// Who found it (`Node` in SOAP 1.2).
    pub node: String,
    /// In which role (`Role`; `faultactor` in SOAP 1.1).
    pub role: String,
    /// The names of the entries of the detail.
    pub entries: Vec<ExpandedName>,
    /// Those entries, each as XML that needs nothing around it.
    pub detail: Vec<String>,
}

impl SoapFault {
    /// A fault of a code with a reason in English.
    pub fn new(code: Code, reason: impl Into<String>) -> Self {
        Self {
            code,
            subcodes: Vec::new(),
            reasons: vec![("en".into(), reason.into())],
            node: String::new(),
            role: String::new(),
            entries: Vec::new(),
            detail: Vec::new(),
        }
    }

    /// The reason in a language, or else the first one.
    pub fn reason(&self, language: &str) -> &str {
        let found = self.reasons.iter().find(|(lang, _)| {
            let tag = lang.get(..language.len()).unwrap_or_default();
            !language.is_empty() && tag.eq_ignore_ascii_case(language)
        });
        found.or(self.reasons.first()).map_or("", |(_, text)| text)
    }

    /// Reads the fault that the reader is at the start of, to its end.
    ///
    /// # Errors
    /// When the message ends in it or cannot be read.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Box<Fault>> {
        let mut fault = Self { reasons: Vec::new(), ..Self::new(Code::Receiver, "") };
        let base = reader.depth();
        loop {
            match reader.pull()? {
                Event::Start => fault.child(reader)?,
                Event::End if reader.depth() == base => return Ok(fault),
                Event::NeedMore => {
                    return Err(
                        reader.fault(FaultKind::Message, "the fault is not there as a whole")
                    );
                }
                _ => (),
            }
        }
    }

    fn child(&mut self, reader: &mut Reader<'_>) -> Result<(), Box<Fault>> {
        let name = reader.name().local.to_owned();
        match name.as_str() {
            "faultcode" | "Value" => {
                let (text, code) = leaf(reader)?;
                let code = code.unwrap_or_else(|| ExpandedName::new("", text.trim()));
                // The first one is the code; in SOAP 1.2 the others are inside subcodes.
                if reader_is_subcode(reader) {
                    self.subcodes.push(code);
                } else {
                    let (code, more) = Code::of_name(code);
                    self.code = code;
                    self.subcodes.extend(more);
                }
            }
            "faultstring" | "Text" => {
                let language = reader.attribute_named(XML, "lang").unwrap_or_default().to_owned();
                let (text, _) = leaf(reader)?;
                self.reasons.push((language, text));
            }
            "faultactor" | "Role" => self.role = leaf(reader)?.0.trim().to_owned(),
            "Node" => self.node = leaf(reader)?.0.trim().to_owned(),
            "detail" | "Detail" => self.entries_of(reader)?,
            // Code, Subcode and Reason are gone into; what is unknown is stepped over by going on.
            _ => (),
        }
        Ok(())
    }

    fn entries_of(&mut self, reader: &mut Reader<'_>) -> Result<(), Box<Fault>> {
        let base = reader.depth();
        loop {
            match reader.pull()? {
                Event::Start => {
                    let name = reader.name();
                    self.entries.push(ExpandedName::new(reader.uri(name.namespace), name.local));
                    let mut out = Vec::new();
                    // With all that is in scope: values may be qualified names.
                    Canonical::default().write(reader, &mut out)?;
                    self.detail.push(String::from_utf8(out).unwrap_or_default());
                }
                Event::End if reader.depth() == base => return Ok(()),
                Event::Eof | Event::NeedMore => {
                    return Err(
                        reader.fault(FaultKind::Message, "the fault is not there as a whole")
                    );
                }
                _ => (),
            }
        }
    }

    /// Writes it as the child of the body that is open.
    ///
    /// # Errors
    /// When a reason holds a character that XML cannot.
    pub fn write(&self, version: SoapVersion, w: &mut Writer) -> Result<(), IllegalChar> {
        w.start_in(version.namespace(), "Fault", "soap");
        match version {
            SoapVersion::V11 => self.write11(w)?,
            SoapVersion::V12 => self.write12(w)?,
        }
        w.end();
        Ok(())
    }

    fn write11(&self, w: &mut Writer) -> Result<(), IllegalChar> {
        w.start_in("", "faultcode", "");
        let namespace = match &self.code {
            Code::Other(name) => &name.namespace,
            _ => SOAP11,
        };
        // A dotted code of SOAP 1.1 says more than its beginning.
        let dotted = self.subcodes.first().filter(|code| *code.namespace == *SOAP11);
        let local = dotted.map_or(self.code.local(SoapVersion::V11), |code| &code.local);
        let code = w.qname(namespace, local, "soap");
        w.text(&code)?;
        w.end();
        w.start_in("", "faultstring", "");
        if let Some((language, text)) = self.reasons.first() {
            if !language.is_empty() {
                w.attribute("xml:lang", language)?;
            }
            w.text(text)?;
        }
        w.end();
        self.leaf(w, "", "faultactor", &self.role)?;
        self.write_detail(w, "", "detail");
        Ok(())
    }

    fn write12(&self, w: &mut Writer) -> Result<(), IllegalChar> {
        w.start_in(SOAP12, "Code", "soap");
        let code = w.qname(SOAP12, self.code.local(SoapVersion::V12), "soap");
        w.start_in(SOAP12, "Value", "soap");
        w.text(&code)?;
        w.end();
        let other = match &self.code {
            Code::Other(name) => Some(name),
            _ => None,
        };
        let subcodes = other.into_iter().chain(&self.subcodes);
        let subcodes: Vec<_> = subcodes.filter(|code| *code.namespace != *SOAP11).collect();
        for code in &subcodes {
            w.start_in(SOAP12, "Subcode", "soap");
            w.start_in(SOAP12, "Value", "soap");
            let code = w.qname(&code.namespace, &code.local, "ns");
            w.text(&code)?;
            w.end();
        }
        for _ in subcodes {
            w.end();
        }
        w.end();
        w.start_in(SOAP12, "Reason", "soap");
        for (language, text) in &self.reasons {
            w.start_in(SOAP12, "Text", "soap");
            w.attribute("xml:lang", if language.is_empty() { "en" } else { language })?;
            w.text(text)?;
            w.end();
        }
        w.end();
        self.leaf(w, SOAP12, "Node", &self.node)?;
        self.leaf(w, SOAP12, "Role", &self.role)?;
        self.write_detail(w, SOAP12, "Detail");
        Ok(())
    }

    fn leaf(
        &self,
        w: &mut Writer,
        namespace: &str,
        name: &str,
        text: &str,
    ) -> Result<(), IllegalChar> {
        if !text.is_empty() {
            w.start_in(namespace, name, "soap");
            w.text(text)?;
            w.end();
        }
        Ok(())
    }

    fn write_detail(&self, w: &mut Writer, namespace: &str, name: &str) {
        if !self.detail.is_empty() {
            w.start_in(namespace, name, "soap");
            for entry in &self.detail {
                w.verbatim(entry);
            }
            w.end();
        }
    }
}

/// The text of the element that the reader is at the start of, and what it is as a qualified name; goes to its end.
fn leaf(reader: &mut Reader<'_>) -> Result<(String, Option<ExpandedName>), Box<Fault>> {
    let base = reader.depth();
    let mut text = String::new();
    loop {
        match reader.pull()? {
            Event::Text => text.push_str(reader.text()),
            Event::End if reader.depth() == base => {
                let scope: &dyn PrefixScope = reader;
                let name = expand(&text, scope).ok();
                return Ok((text, name));
            }
            Event::NeedMore | Event::Eof => {
                return Err(reader.fault(FaultKind::Message, "the fault is not there as a whole"));
            }
            _ => (),
        }
    }
}

/// Whether the `Value` that was read stands in a `Subcode`.
fn reader_is_subcode(reader: &Reader<'_>) -> bool {
    reader.path().rsplit('/').nth(1).is_some_and(|name| crate::name::split(name).1 == "Subcode")
}
