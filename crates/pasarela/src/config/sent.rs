//! An API that somebody sent: the same reader as for the file's, over JSON and the documents that came with it.
//!
//! Places are JSON pointers instead of lines. A file that is named is one of those documents, and nothing of this
//! machine; `${…}` stays what it is.

use pasarela_model::Api;
use serde_json::{Map, Value, json};

use super::{
    apis,
    fault::{Fault, Severity, Span},
    mail,
    names::Section,
    source::Source,
    tree::{Entry, Kind, Node},
    walk::Walk,
};
use crate::{finding::code_list as codes, import::Bundle};

codes! {
    Unservable = "CF0130", "An API of the store cannot be served";
}

/// What the definition of an API has to get along with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Around {
    /// The names of all plans.
    pub(crate) plans: Vec<String>,
    /// There is an internal listener.
    pub(crate) internal: bool,
}

/// An API that was found good.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Without its plans: those are names still.
    pub(crate) api: Api,
    pub(crate) plans: Vec<String>,
    /// What its author may not expect.
    pub(crate) warnings: Vec<Remark>,
}

/// A fault or a warning, and where: in the definition, or in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remark {
    pub(crate) code: &'static str,
    pub(crate) error: bool,
    /// Into the request's body.
    pub(crate) pointer: String,
    /// The document, with line and column.
    pub(crate) document: Option<(String, u32, u32)>,
    pub(crate) message: String,
    pub(crate) cure: String,
}

impl Remark {
    /// Something that is wrong with the definition.
    pub(crate) fn error(code: &'static str, pointer: &str, message: String, cure: &str) -> Self {
        Self {
            code,
            error: true,
            pointer: pointer.to_owned(),
            document: None,
            message,
            cure: cure.to_owned(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        let (document, line, column) = match &self.document {
            Some((name, line, column)) => (json!(name), json!(line), json!(column)),
            None => (Value::Null, Value::Null, Value::Null),
        };
        json!({
            "code": self.code, "severity": if self.error { "error" } else { "warning" },
            "pointer": self.pointer, "document": document, "line": line, "column": column,
            "message": self.message, "cure": self.cure,
        })
    }
}

/// What the definition may say.
pub(crate) const KEYS: &[&str] = &apis::KEYS;

/// Reads one.
///
/// # Errors
/// All that is wrong with it.
pub(crate) fn read(
    definition: &Map<String, Value>,
    documents: &Bundle,
    around: &Around,
) -> Result<Sent, Vec<Remark>> {
    let mut pointers = Pointers::default();
    let root = pointers.root(definition);
    let walk = Walk::over_sent(documents);
    let read = walk.fields(&root, "the definition", &["apis"]).and_then(|root| {
        let of = ("API", "an API");
        let section = Section::declare(&walk, &root, "apis", of, &apis::KEYS);
        let make = "make it first, with `POST /plans`";
        let plans = Section::known(&around.plans, "plans", "plan", make);
        let mut read = apis::read(&walk, &section, &plans, around.internal);
        // Whether mail is taken at all is the file's affair, and may change.
        mail::recipients(&walk, &section, &mut read, true);
        read.pop().flatten()
    });
    let found = walk.finish(&Source::new(String::new()), true);
    let errors = found.errors();
    let remarks: Vec<_> = found.list.iter().map(|fault| pointers.remark(fault)).collect();
    match read {
        Some(mut api) if errors == 0 => {
            let names = std::mem::take(&mut api.plans);
            let plans = names.into_iter().filter_map(|index| around.plans.get(index).cloned());
            Ok(Sent { plans: plans.collect(), api, warnings: remarks })
        }
        _ => Err(remarks),
    }
}

/// Each value's pointer, by the line that the reader takes it to stand in.
#[derive(Default)]
struct Pointers(Vec<String>);

impl Pointers {
    /// A file with this one API.
    fn root(&mut self, definition: &Map<String, Value>) -> Node {
        let span = self.next("");
        let api = self.node(&Value::Object(definition.clone()), "/definition");
        let list = Node { span, kind: Kind::List(vec![api]) };
        let entry = Entry { key: "apis".to_owned(), key_span: span, value: list };
        Node { span, kind: Kind::Map(vec![entry]) }
    }

    fn next(&mut self, pointer: &str) -> Span {
        self.0.push(pointer.to_owned());
        Span::point(u32::try_from(self.0.len()).unwrap_or(u32::MAX), 1)
    }

    fn node(&mut self, value: &Value, at: &str) -> Node {
        let span = self.next(at);
        let kind = match value {
            Value::Null => Kind::Nothing,
            Value::Bool(flag) => Kind::Scalar(flag.to_string()),
            Value::Number(number) => Kind::Scalar(number.to_string()),
            Value::String(text) => Kind::Scalar(text.clone()),
            Value::Array(items) => {
                let items = items.iter().enumerate();
                Kind::List(
                    items
                        .map(|(at_item, item)| self.node(item, &format!("{at}/{at_item}")))
                        .collect(),
                )
            }
            Value::Object(members) => {
                let entries = members.iter().map(|(key, value)| {
                    let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                    let key_span = self.next(&at);
                    Entry { key: key.clone(), key_span, value: self.node(value, &at) }
                });
                Kind::Map(entries.collect())
            }
        };
        Node { span, kind }
    }

    fn remark(&self, fault: &Fault) -> Remark {
        let own = fault.file.as_os_str().is_empty();
        let place = (fault.span.line as usize).checked_sub(1).filter(|_| own);
        let pointer = place.and_then(|place| self.0.get(place)).cloned();
        let document = || (fault.file.display().to_string(), fault.span.line, fault.span.column);
        Remark {
            code: fault.code.code(),
            error: fault.severity == Severity::Error,
            pointer: pointer.unwrap_or_else(|| "/documents".to_owned()),
            document: (!own).then(document),
            message: fault.message.clone(),
            cure: fault.cure.clone(),
        }
    }
}
