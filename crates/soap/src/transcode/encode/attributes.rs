//! Attributes: those that a type knows, those that a wildcard lets in, and those that come late.

use std::io::Write as _;

use super::{Doing, Encoder, Result};
use crate::json::Reader;
use crate::name::{NsId, Sym};
use crate::transcode::scalar::{Form, Token, lexical};
use crate::xml::writer::escape_attribute;

impl Encoder<'_> {
    /// An attribute that the type knows.
    pub(super) fn attribute(
        &mut self,
        reader: &Reader<'_>,
        number: u32,
        token: Token<'_>,
    ) -> Result {
        let plan = self.plan;
        let at = self.depth - 1;
        let Some(attribute) = plan.shape(self.frames[at].ty).attributes.known.get(number as usize)
        else {
            return Ok(());
        };
        let ty = attribute.usage.ty;
        let Some(scalar) = plan.scalar(ty) else { return Ok(()) };
        let bit = 1u64.checked_shl(number).unwrap_or(0);
        if self.frames[at].seen & bit != 0 {
            let message = format!("the attribute \"@{}\" comes twice", attribute.key);
            return Err(self.fault(reader, "json.unknown", message, "leave one out"));
        }
        self.came(at, bit);
        let mut text = match lexical(&scalar.ty, scalar.form, plan.options.dates, &token) {
            Ok(text) => text,
            Err(misfit) => return Err(self.misfit(reader, misfit)),
        };
        if scalar.form == Form::Name {
            let (qname, scope) = self.qname(reader, &text)?;
            self.check_text(reader, ty, &qname, &scope, attribute.usage.value.as_ref())?;
            text = qname.into();
        } else {
            self.check_text(reader, ty, &text, &(), attribute.usage.value.as_ref())?;
        }
        if attribute.namespace != NsId::NONE && self.open_tag == at {
            self.declare_on(at, attribute.namespace);
        }
        self.put_attribute(reader, at, &attribute.xml, attribute.namespace, &text)
    }

    /// Declares a namespace on the tag of a frame, which is open.
    pub(super) fn declare_on(&mut self, at: usize, namespace: NsId) {
        let depth = std::mem::replace(&mut self.depth, at);
        self.declare(namespace);
        self.depth = depth;
    }

    /// Writes an attribute into the start tag, or where it waits for the end of its element.
    pub(super) fn put_attribute(
        &mut self,
        reader: &Reader<'_>,
        at: usize,
        begin: &str,
        namespace: NsId,
        text: &str,
    ) -> Result {
        let early = self.open_tag == at;
        if !early && namespace != NsId::NONE && namespace != NsId::XML {
            let known = self.declared.iter().any(|&(known, by)| known == namespace && by <= at);
            if !known {
                let (alias, uri) =
                    (self.plan.names.alias_of(namespace), self.plan.schemas.symbols.uri(namespace));
                let _ = write!(self.late, " xmlns:{alias}=\"");
                let _ = escape_attribute(uri, &mut self.late);
                self.late.push(b'"');
                self.declared.push((namespace, at));
            }
        }
        let out = if early { &mut self.out } else { &mut self.late };
        out.extend_from_slice(begin.as_bytes());
        let written = escape_attribute(text, out);
        out.push(b'"');
        written.map_err(|illegal| self.illegal(reader, illegal))
    }

    /// An attribute that `anyAttribute` lets in, or of a tree that no schema describes.
    pub(super) fn wild_attribute(&mut self, reader: &Reader<'_>, token: Token<'_>) -> Result {
        let plan = self.plan;
        let schemas = &plan.schemas;
        let at = self.depth - 1;
        let key = std::mem::take(&mut self.key);
        let split = plan.names.split(&schemas.symbols, &key);
        let Some((uri, known, local)) = split.filter(|(.., local)| crate::xml::is_ncname(local))
        else {
            return Err(self.fault(
                reader,
                "json.unknown",
                format!("\"@{key}\" names no attribute"),
                "use @{namespace}local",
            ));
        };
        // The same attribute may be spelled as the type spells it.
        let sym = known.map_or(Sym::UNKNOWN, |ns| schemas.symbols.sym(ns, local));
        if let Some(number) =
            plan.shape(self.frames[at].ty).attributes.by_sym(sym).filter(|_| sym != Sym::UNKNOWN)
        {
            let number = u32::try_from(number).unwrap_or(64);
            return self.attribute(reader, number, token);
        }
        if !self.remember(at, uri, local) {
            return Err(self.fault(
                reader,
                "json.unknown",
                format!("the attribute \"@{key}\" comes twice"),
                "leave one out",
            ));
        }
        let namespace = known.unwrap_or(NsId::from_index(usize::MAX));
        let reserved =
            matches!(namespace, NsId::XSI | NsId::XMLNS) || (uri.is_empty() && local == "xmlns");
        let any = plan.shape(self.frames[at].ty).attributes.any;
        let allowed = self.frames[at].doing == Doing::Generic
            || any.is_some_and(|any| schemas[any].namespaces.allows(namespace));
        if reserved || !allowed {
            let message = format!("the attribute \"@{key}\" may not stand here");
            return Err(self.fault(reader, "json.unknown", message, "leave it out"));
        }
        let declared = known.and_then(|ns| schemas.attribute(schemas.symbols.sym(ns, local)));
        let text = match declared
            .and_then(|id| plan.scalar(schemas[id].ty).map(|scalar| (schemas[id].ty, scalar)))
        {
            Some((ty, scalar)) => {
                let text = match lexical(&scalar.ty, scalar.form, plan.options.dates, &token) {
                    Ok(text) => text.into_owned(),
                    Err(misfit) => return Err(self.misfit(reader, misfit)),
                };
                self.check_text(reader, ty, &text, &(), None)?;
                text
            }
            None => match token {
                Token::String(text) => text.to_owned(),
                _ => return Err(self.wrong_kind(reader, "a string")),
            },
        };
        let begin = self.wild_begin(reader, at, uri, known, local)?;
        self.put_attribute(reader, at, &begin, known.unwrap_or(NsId::NONE), &text)
    }

    /// Notes a wild attribute; false if the element has it already.
    fn remember(&mut self, at: usize, uri: &str, local: &str) -> bool {
        self.wild.retain(|(by, ..)| *by <= at);
        let twice = self.wild.iter().any(|(by, u, l)| *by == at && u == uri && l == local);
        self.wild.push((at, uri.to_owned(), local.to_owned()));
        !twice
    }

    fn wild_begin(
        &mut self,
        reader: &Reader<'_>,
        at: usize,
        uri: &str,
        known: Option<NsId>,
        local: &str,
    ) -> Result<String> {
        let alias = known.map_or("", |ns| self.plan.names.alias_of(ns));
        if uri.is_empty() {
            return Ok(format!(" {local}=\""));
        }
        if let Some(namespace) = known.filter(|_| !alias.is_empty()) {
            if self.open_tag == at {
                self.declare_on(at, namespace);
            }
            return Ok(format!(" {alias}:{local}=\""));
        }
        // A prefix of its own for each: nothing else can have it.
        let number = self.wild.len();
        let mut begin = format!(" xmlns:a{number}=\"").into_bytes();
        let written = escape_attribute(uri, &mut begin);
        written.map_err(|illegal| self.illegal(reader, illegal))?;
        begin.extend_from_slice(format!("\" a{number}:{local}=\"").as_bytes());
        Ok(String::from_utf8(begin).unwrap_or_default())
    }

    pub(super) fn came(&mut self, at: usize, bit: u64) {
        self.frames[at].seen |= bit;
    }

    /// Whether every attribute that has to be there came.
    pub(super) fn check_attributes(&mut self, reader: &Reader<'_>, at: usize) -> Result {
        let frame = &self.frames[at];
        let attributes = &self.plan.shape(frame.ty).attributes;
        let missing = attributes.required & !frame.seen;
        if missing == 0 {
            return Ok(());
        }
        let key = attributes
            .known
            .get(missing.trailing_zeros() as usize)
            .map_or("", |attribute| &attribute.key);
        Err(self.fault(
            reader,
            "json.missing",
            format!("\"@{key}\" is missing"),
            &format!("add \"@{key}\""),
        ))
    }
}
