//! Two forms of JSON: that of a message, which has the shape of its XML, and that of the service.
//!
//! They differ where XML has no word for what JSON says: keys that are no names, maps, arrays in arrays, branches of a choice, the
//! type of an object, JSON of any kind. What is the same in both is passed on as it is written; whether a value is what its type
//! says is judged by whoever reads or writes the XML.

use pasarela_soap::json::Writer;

use crate::{
    shapes::{Base, Branch, Field, Items, Kind, Object, Scalar, TypeId, Types, Use},
    tree::{Member, Node, Syntax, TreeLimits, Value, parse},
};

/// How many values are looked at to tell the branches of choices apart, in one message.
const LOOKS_MAX: usize = 2_000_000;

/// How deep values and choices may stand in one another: more than any message may be deep.
const DEPTH_MAX: usize = 400;

/// Where a value is not what the contract says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The place: a JSON Pointer.
    pub pointer: String,
    /// What is wrong there.
    pub why: String,
}

type Result<T = ()> = std::result::Result<T, Mismatch>;

/// Writes one form from the other.
pub(super) struct Values<'t> {
    types: &'t Types,
    pointer: String,
    looks: usize,
    /// How deep in a value, and in choices of choices, it is.
    depth: usize,
    pub(super) out: Writer,
}

impl<'t> Values<'t> {
    pub(super) fn new(types: &'t Types, pointer: &str) -> Self {
        Self {
            types,
            pointer: pointer.to_owned(),
            looks: 0,
            depth: 0,
            out: Writer::new(Vec::new()),
        }
    }

    fn wrong<T>(&self, why: impl Into<String>) -> Result<T> {
        Err(Mismatch { pointer: self.pointer.clone(), why: why.into() })
    }

    /// Does something one step further in.
    fn at(&mut self, step: &str, act: impl FnOnce(&mut Self) -> Result) -> Result {
        let before = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
        let done = act(self);
        if done.is_ok() {
            self.pointer.truncate(before);
        }
        done
    }

    fn plain(&mut self, node: &Node) {
        match &node.value {
            Value::Null => self.out.null(),
            Value::Bool(value) => self.out.bool(*value),
            Value::Number(digits) => self.out.number(digits),
            Value::String(text) => self.out.string(text),
            Value::Array(_) | Value::Object(_) => self.out.verbatim(&node.to_json()),
        }
    }

    /// Items that stand in place of what they are the items of.
    pub(super) fn items(&mut self, used: Use, node: &Node) -> Result {
        match self.types.repeated(used) {
            Some(items) => self.items_for_service(items, Some(node)),
            None => self.for_service(used, node),
        }
    }

    /// The same the other way.
    pub(super) fn items_of_service(&mut self, used: Use, node: &Node) -> Result {
        match self.types.repeated(used) {
            Some(items) => self.items_for_message(items, node),
            None => self.for_message(used, node),
        }
    }

    // From a message to the service.

    pub(super) fn for_service(&mut self, used: Use, node: &Node) -> Result {
        if node.value == Value::Null {
            self.out.null();
            return Ok(());
        }
        match self.types.kind(used.ty) {
            Kind::Scalar(scalar) => self.scalar_for_service(scalar, node),
            Kind::Json => {
                match parse(node.as_str().unwrap_or_default(), Syntax::Json, TreeLimits::default())
                {
                    Ok(value) => {
                        self.out.verbatim(&value.to_json());
                        Ok(())
                    }
                    Err(faults) => {
                        let why = faults.first().map_or("", |fault| &fault.message);
                        self.wrong(format!("the text is no JSON: {why}"))
                    }
                }
            }
            Kind::Array(items) => {
                let listed = node.get("item");
                self.items_for_service(*items, listed)
            }
            Kind::Choice(branches) => {
                let said = node.as_object().and_then(|object| object.iter().next());
                let branch =
                    said.and_then(|said| branches.iter().find(|branch| branch.name == said.key));
                match (branch, said) {
                    (Some(branch), Some(said)) => {
                        self.for_service(Use { ty: branch.ty, nullable: false }, &said.value)
                    }
                    _ => self.wrong("none of the branches is there"),
                }
            }
            Kind::Object(object) => self.object_for_service(used.ty, object, node),
        }
    }

    fn scalar_for_service(&mut self, scalar: &Scalar, node: &Node) -> Result {
        match (scalar.base, &node.value) {
            (base, Value::String(text)) if base.is_number() => {
                // INF and NaN are the only ones that are no numbers there.
                self.wrong(format!("{text} is no number of JSON"))
            }
            (Base::DateTime, Value::String(text)) if zone_at(text).is_none() => {
                self.wrong(format!(
                    "{text} has no time zone, which the service asks for: write {text}Z for UTC"
                ))
            }
            (Base::Date, Value::String(text)) => {
                // A date of JSON has no time zone.
                let end = zone_at(text).unwrap_or(text.len());
                self.out.string(text.get(..end).unwrap_or(text));
                Ok(())
            }
            _ => {
                self.plain(node);
                Ok(())
            }
        }
    }

    fn items_for_service(&mut self, items: Items, listed: Option<&Node>) -> Result {
        self.out.begin_array();
        if let Some(Node { value: Value::Array(listed), .. }) = listed {
            for (number, item) in listed.iter().enumerate() {
                self.at(&number.to_string(), |this| this.for_service(items.used, item))?;
            }
        }
        self.out.end_array();
        Ok(())
    }

    fn object_for_service(&mut self, ty: TypeId, object: &Object, node: &Node) -> Result {
        let said = node.get("$type").and_then(Node::as_str);
        let local = said.map(|said| said.rsplit(':').next().unwrap_or_default());
        let actual = match local {
            None => ty,
            Some(local) => {
                let named = |ty: &TypeId| self.types.get(*ty).is_some_and(|t| t.name == local);
                match self.types.concrete(ty).into_iter().find(named) {
                    Some(actual) => actual,
                    None => return self.wrong(format!("{local} is no type that may stand here")),
                }
            }
        };
        let object = self.types.object(actual).unwrap_or(object);
        self.out.begin_object();
        if let Some(tag) = &object.tag
            && let Some(value) = &tag.value
        {
            self.out.name(&tag.key);
            self.out.string(value);
        }
        for field in self.types.fields(actual) {
            self.field_for_service(field, node)?;
        }
        if let Some(extra) = &object.extra
            && let Some(Node { value: Value::Array(entries), .. }) = node.get(&extra.name)
        {
            let mut known: Vec<&str> = Vec::new();
            let fields = self.types.fields(actual);
            for entry in entries {
                let key = entry.get("@key").and_then(Node::as_str).unwrap_or_default();
                let declared = fields.iter().any(|field| field.key == key);
                if known.contains(&key) || declared {
                    return self.wrong(format!("the key {key:?} is there twice"));
                }
                known.push(key);
                self.out.name(key);
                match entry.get("value") {
                    Some(value) => self.at(key, |this| this.for_service(extra.used, value))?,
                    None => self.out.null(),
                }
            }
        }
        self.out.end_object();
        Ok(())
    }

    fn field_for_service(&mut self, field: &Field, node: &Node) -> Result {
        let said = match field.attribute {
            true => node.get(&format!("@{}", field.name)),
            false => node.get(&field.name),
        };
        match (self.types.repeated(field.used), said) {
            // No items and no member look alike in XML; what has to be there is.
            (Some(_), None) if field.required => {
                self.out.name(&field.key);
                self.out.begin_array();
                self.out.end_array();
                Ok(())
            }
            (_, None) => Ok(()),
            (Some(items), said) => {
                self.out.name(&field.key);
                self.at(&field.name, |this| this.items_for_service(items, said))
            }
            (None, Some(said)) => {
                self.out.name(&field.key);
                self.at(&field.name, |this| this.for_service(field.used, said))
            }
        }
    }

    // From the service to a message.

    pub(super) fn for_message(&mut self, used: Use, node: &Node) -> Result {
        if self.depth >= DEPTH_MAX {
            return self.wrong("it is a choice of choices without an end");
        }
        self.depth += 1;
        let written = self.write_for_message(used, node);
        self.depth -= 1;
        written
    }

    fn write_for_message(&mut self, used: Use, node: &Node) -> Result {
        let kind = self.types.kind(used.ty);
        if node.value == Value::Null {
            return match kind {
                _ if used.nullable => {
                    self.out.null();
                    Ok(())
                }
                Kind::Json => {
                    self.out.string("null");
                    Ok(())
                }
                _ => self.wrong("null stands where a value has to be"),
            };
        }
        match kind {
            Kind::Scalar(scalar) => match is_scalar(scalar, node) {
                true => {
                    self.plain(node);
                    Ok(())
                }
                false => {
                    self.wrong(format!("{} stands where {} is due", node.kind(), called(scalar)))
                }
            },
            Kind::Json => {
                self.out.string(&node.to_json());
                Ok(())
            }
            Kind::Array(items) => {
                self.out.begin_object();
                if !is_empty(node) {
                    self.out.name("item");
                    self.items_for_message(*items, node)?;
                }
                self.out.end_object();
                Ok(())
            }
            Kind::Choice(branches) => {
                let Some(branch) = self.branch(branches, node) else {
                    return self.wrong("none of the kinds of value that may stand here fits");
                };
                self.out.begin_object();
                self.out.name(&branch.name);
                self.for_message(Use { ty: branch.ty, nullable: false }, node)?;
                self.out.end_object();
                Ok(())
            }
            Kind::Object(object) => self.object_for_message(used.ty, object, node),
        }
    }

    fn items_for_message(&mut self, items: Items, node: &Node) -> Result {
        let Value::Array(listed) = &node.value else {
            return self.wrong(format!("{} stands where an array is due", node.kind()));
        };
        self.out.begin_array();
        for (number, item) in listed.iter().enumerate() {
            self.at(&number.to_string(), |this| this.for_message(items.used, item))?;
        }
        self.out.end_array();
        Ok(())
    }

    fn object_for_message(&mut self, ty: TypeId, object: &Object, node: &Node) -> Result {
        let Some(members) = node.as_object() else {
            return self.wrong(format!("{} stands where an object is due", node.kind()));
        };
        let actual = self.actual(ty, object, node)?;
        let object = self.types.object(actual).unwrap_or(object);
        self.out.begin_object();
        if actual != ty {
            let name = self.types.get(actual).map_or("", |ty| &ty.name);
            self.out.name("$type");
            self.out.string(name);
        }
        let fields = self.types.fields(actual);
        for field in &fields {
            let Some(member) = members.get(&field.key) else { continue };
            self.field_for_message(field, &member.value)?;
        }
        if let Some(extra) = &object.extra {
            let tag = object.tag.as_ref().map(|tag| tag.key.as_str());
            let known = |member: &&Member| {
                tag == Some(&*member.key) || fields.iter().any(|field| field.key == member.key)
            };
            let mut others = members.iter().filter(|member| !known(member)).peekable();
            if others.peek().is_some() {
                self.out.name(&extra.name);
                self.out.begin_array();
                for member in others {
                    self.out.begin_object();
                    self.out.name("@key");
                    self.out.string(&member.key);
                    self.out.name("value");
                    self.at(&member.key, |this| this.for_message(extra.used, &member.value))?;
                    self.out.end_object();
                }
                self.out.end_array();
            }
        }
        self.out.end_object();
        Ok(())
    }

    /// Of which type an object is, where a member says so.
    fn actual(&self, ty: TypeId, object: &Object, node: &Node) -> Result<TypeId> {
        let Some(tag) = &object.tag else { return Ok(ty) };
        let said = node.get(&tag.key).and_then(Node::as_str);
        let says = |ty: &TypeId| {
            let tag = self.types.object(*ty).and_then(|object| object.tag.as_ref());
            tag.is_some_and(|tag| tag.value.as_deref() == said)
        };
        match said.and_then(|_| self.types.concrete(ty).into_iter().find(says)) {
            Some(actual) => Ok(actual),
            // What nothing extends says it to no purpose.
            None if object.derived.is_empty() && !object.is_abstract => Ok(ty),
            None => {
                let said =
                    said.map_or_else(|| "is missing".to_owned(), |said| format!("is {said:?}"));
                self.wrong(format!(
                    "the member {} {said}, which is no type that may stand here",
                    tag.key
                ))
            }
        }
    }

    fn field_for_message(&mut self, field: &Field, value: &Node) -> Result {
        // What may be absent is absent when it is null.
        if value.value == Value::Null && !field.used.nullable && !field.required {
            return Ok(());
        }
        let repeated = self.types.repeated(field.used);
        if repeated.is_some() && is_empty(value) {
            return Ok(());
        }
        let name = match field.attribute {
            true => format!("@{}", field.name),
            false => field.name.clone(),
        };
        self.out.name(&name);
        match repeated {
            Some(items) => self.at(&field.key, |this| this.items_for_message(items, value)),
            None => self.at(&field.key, |this| this.for_message(field.used, value)),
        }
    }

    /// The branch that a value is of: as its member says, or the one that fits and leaves the fewest members out.
    fn branch<'b>(&mut self, branches: &'b [Branch], node: &Node) -> Option<&'b Branch> {
        let said = |branch: &&Branch| {
            let tag = branch.tag.as_ref();
            tag.is_some_and(|(key, value)| node.get(key).and_then(Node::as_str) == Some(value))
        };
        if let Some(branch) = branches.iter().find(said) {
            return Some(branch);
        }
        let mut best: Option<(usize, &Branch)> = None;
        for branch in branches {
            if !self.fits(Use { ty: branch.ty, nullable: false }, node) {
                continue;
            }
            let unknown = self.unknown(branch.ty, node);
            if best.is_none_or(|(least, _)| unknown < least) {
                best = Some((unknown, branch));
            }
        }
        best.map(|(_, branch)| branch)
    }

    /// How much of a value a type has no place for.
    fn unknown(&self, ty: TypeId, node: &Node) -> usize {
        match (self.types.kind(ty), node.as_object()) {
            // Anything fits there, so everything else comes first.
            (Kind::Json, _) => usize::MAX,
            (Kind::Object(object), Some(members)) if object.extra.is_none() => {
                let fields = self.types.fields(ty);
                let known = |member: &&Member| fields.iter().any(|field| field.key == member.key);
                members.iter().filter(|member| !known(member)).count()
            }
            _ => 0,
        }
    }

    fn fits(&mut self, used: Use, node: &Node) -> bool {
        self.looks += 1;
        if self.looks > LOOKS_MAX || self.depth >= DEPTH_MAX {
            return false;
        }
        self.depth += 1;
        let fits = self.is_like(used, node);
        self.depth -= 1;
        fits
    }

    fn is_like(&mut self, used: Use, node: &Node) -> bool {
        if node.value == Value::Null {
            return used.nullable;
        }
        match self.types.kind(used.ty) {
            Kind::Scalar(scalar) => {
                let listed = scalar.facets.iter().any(|(name, _)| *name == "enumeration");
                let among = || match &node.value {
                    Value::String(text) | Value::Number(text) => {
                        scalar.facets.iter().any(|(_, value)| value == text)
                    }
                    _ => true,
                };
                is_scalar(scalar, node) && (!listed || among())
            }
            Kind::Json => true,
            Kind::Array(items) => match &node.value {
                Value::Array(listed) => listed.iter().all(|item| self.fits(items.used, item)),
                _ => false,
            },
            Kind::Choice(branches) => branches
                .iter()
                .any(|branch| self.fits(Use { ty: branch.ty, nullable: false }, node)),
            Kind::Object(object) => {
                let Some(members) = node.as_object() else { return false };
                let Ok(actual) = self.actual(used.ty, object, node) else { return false };
                self.types.fields(actual).into_iter().all(|field| match members.get(&field.key) {
                    None => !field.required,
                    Some(member) if member.value.value == Value::Null => {
                        field.used.nullable || !field.required
                    }
                    Some(member) => self.fits(field.used, &member.value),
                })
            }
        }
    }
}

fn is_empty(node: &Node) -> bool {
    matches!(&node.value, Value::Array(items) if items.is_empty())
}

fn is_scalar(scalar: &Scalar, node: &Node) -> bool {
    match &node.value {
        Value::String(_) => !scalar.base.is_number() && scalar.base != Base::Boolean,
        Value::Bool(_) => scalar.base == Base::Boolean,
        // 5 and 5.0 are one number of JSON, and so is 5e0.
        Value::Number(digits) if scalar.base.is_whole() => {
            let fraction = digits.split_once('.').map_or("", |(_, rest)| rest);
            fraction.contains(['e', 'E']) || fraction.bytes().all(|byte| byte == b'0')
        }
        Value::Number(_) => scalar.base.is_number(),
        _ => false,
    }
}

fn called(scalar: &Scalar) -> &'static str {
    match scalar.base {
        Base::Boolean => "a boolean",
        base if base.is_whole() => "a whole number",
        base if base.is_number() => "a number",
        _ => "a string",
    }
}

/// Where the time zone of a date begins.
fn zone_at(text: &str) -> Option<usize> {
    if text.ends_with('Z') {
        return Some(text.len() - 1);
    }
    let at = text.len().checked_sub(6)?;
    let zone = text.get(at..)?.as_bytes();
    let digits = [1, 2, 4, 5].iter().all(|i| zone.get(*i).is_some_and(u8::is_ascii_digit));
    (matches!(zone.first(), Some(b'+' | b'-')) && zone.get(3) == Some(&b':') && digits)
        .then_some(at)
}
