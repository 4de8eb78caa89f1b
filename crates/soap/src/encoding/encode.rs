//! From a literal body to the encoded one: every value says its type, every array what it holds and how much of it.

use super::{ENCODING_11, ENCODING_12, ITEM, item_of};
use crate::{
    Fault, Limits,
    name::{XSD, XSI},
    transcode::{Body, Message, PartType},
    wsdl::catalog::SoapVersion,
    xml::{Event, IllegalChar, Reader, Writer},
    xsd::{Mode, Schemas, Start, Validator, model::TypeId},
};

type Result<T = ()> = std::result::Result<T, Box<Fault>>;

/// What is known of an element before it is written.
struct Seen {
    ty: TypeId,
    items: usize,
}

/// Appends the encoded form of `body`, the literal content of a body, which is valid.
///
/// # Errors
/// When it is not valid after all.
pub fn encoded(
    schemas: &Schemas,
    message: &Message,
    version: SoapVersion,
    body: &[u8],
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result {
    let Body::Rpc { parts, .. } = message.body() else {
        out.extend_from_slice(body);
        return Ok(());
    };
    let start = |local: &str| {
        let part = parts.iter().find(|part| part.name == local);
        part.map_or(Start::Lax, |part| match part.ty {
            PartType::Element(element) => Start::Element(element),
            PartType::Type(ty) => Start::Type(ty),
        })
    };
    let seen = look(schemas, &start, body, limits)?;
    let mut writing =
        Writing { schemas, version, writer: Writer::new(std::mem::take(out)), seen, next: 0 };
    let written = writing.body(body, limits);
    *out = writing.writer.finish();
    written
}

/// The type of every element below the wrapper, and how many items it has, in their order.
fn look(
    schemas: &Schemas,
    start: &dyn Fn(&str) -> Start,
    body: &[u8],
    limits: &Limits,
) -> Result<Vec<Seen>> {
    let mut reader = Reader::with(body, None, &schemas.symbols, limits)?;
    let mut validator = Validator::new(schemas, Mode::FIRST);
    let (mut seen, mut open): (Vec<Seen>, Vec<usize>) = (Vec::new(), Vec::new());
    loop {
        match reader.pull()? {
            Event::Start if reader.depth() > 1 => {
                if reader.depth() == 2 {
                    validator.reset(start(reader.name().local));
                }
                let ty = validator.start(&reader)?.ty;
                if let Some(around) = open.last().and_then(|around| seen.get_mut(*around)) {
                    around.items += 1;
                }
                open.push(seen.len());
                seen.push(Seen { ty, items: 0 });
            }
            Event::Text if reader.depth() > 1 => validator.text(reader.text(), &reader)?,
            Event::End if reader.depth() > 1 => {
                validator.end(&reader)?;
                open.pop();
            }
            Event::Eof | Event::NeedMore => return Ok(seen),
            _ => {}
        }
    }
}

struct Writing<'s> {
    schemas: &'s Schemas,
    version: SoapVersion,
    writer: Writer,
    seen: Vec<Seen>,
    next: usize,
}

impl Writing<'_> {
    fn body(&mut self, body: &[u8], limits: &Limits) -> Result {
        let mut reader = Reader::with(body, None, &self.schemas.symbols, limits)?;
        loop {
            match reader.pull()? {
                Event::Start => self
                    .start(&reader)
                    .map_err(|why| reader.fault(crate::FaultKind::Message, why.to_string()))?,
                Event::Text => self
                    .writer
                    .text(reader.text())
                    .map_err(|why| reader.fault(crate::FaultKind::Message, why.to_string()))?,
                Event::End => self.writer.end(),
                Event::Eof | Event::NeedMore => return Ok(()),
                Event::Comment | Event::Instruction => {}
            }
        }
    }

    fn start(&mut self, reader: &Reader<'_>) -> std::result::Result<(), IllegalChar> {
        let name = reader.name();
        let local = if name.local == ITEM { "item" } else { name.local };
        self.writer.start_in(reader.uri(name.namespace), local, "m");
        if reader.depth() == 1 {
            let encoding = match self.version {
                SoapVersion::V11 => ENCODING_11,
                SoapVersion::V12 => ENCODING_12,
            };
            // On the wrapper: SOAP 1.2 forbids it on the body (Part 1, section 5.1.1).
            return self.writer.attribute_in(
                self.version.namespace(),
                "encodingStyle",
                "soap",
                encoding,
            );
        }
        let mut nil = false;
        for attribute in reader.attributes() {
            let namespace = reader.uri(attribute.name.namespace);
            match (namespace, attribute.name.local) {
                (XSI, "type") => {}
                (XSI, "nil") => nil = true,
                (namespace, local) => {
                    self.writer.attribute_in(namespace, local, "a", attribute.value)?;
                }
            }
        }
        let Some(seen) = self.seen.get(self.next) else { return Ok(()) };
        self.next += 1;
        if nil {
            return self.writer.attribute_in(XSI, "nil", "xsi", "true");
        }
        match item_of(self.schemas, seen.ty) {
            Some(item) => self.array(item, seen.items),
            None => self.typed(seen.ty),
        }
    }

    fn typed(&mut self, ty: TypeId) -> std::result::Result<(), IllegalChar> {
        let Some(name) = self.type_name(ty) else { return Ok(()) };
        self.writer.attribute_in(XSI, "type", "xsi", &name)
    }

    fn array(&mut self, item: TypeId, items: usize) -> std::result::Result<(), IllegalChar> {
        let (mut innermost, mut depth) = (item, 0);
        while let Some(inner) = item_of(self.schemas, innermost).filter(|_| depth < 8) {
            (innermost, depth) = (inner, depth + 1);
        }
        let name = match self.type_name(innermost) {
            Some(name) => name,
            None => self.writer.qname(XSD, "anyType", "xsd"),
        };
        match self.version {
            SoapVersion::V11 => {
                let array = self.writer.qname(ENCODING_11, "Array", "soapenc");
                self.writer.attribute_in(XSI, "type", "xsi", &array)?;
                let ty = format!("{name}{}[{items}]", "[]".repeat(depth));
                self.writer.attribute_in(ENCODING_11, "arrayType", "soapenc", &ty)
            }
            SoapVersion::V12 => {
                if depth == 0 {
                    self.writer.attribute_in(ENCODING_12, "itemType", "enc", &name)?;
                }
                self.writer.attribute_in(ENCODING_12, "arraySize", "enc", &items.to_string())
            }
        }
    }

    /// A type's name as a value; none where it has no name.
    fn type_name(&mut self, ty: TypeId) -> Option<String> {
        let (namespace, local) = self.schemas.symbols.name(self.schemas[ty].name?);
        let namespace = self.schemas.symbols.uri(namespace);
        let hint = if namespace == XSD { "xsd" } else { "t" };
        Some(self.writer.qname(namespace, local, hint))
    }
}
