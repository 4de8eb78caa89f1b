//! The typed walk over the tree: asks for keys and values, and writes down what is wrong.
//!
//! Every question answers `Option`: `None` means that a fault was written down and the walk goes
//! on with the next thing. Nobody who asks has to think about positions, environment variables or
//! secrets; that is all here.

use std::{
    cell::RefCell,
    collections::HashSet,
    fmt::Write as _,
    fs::File,
    io::{self, Read as _},
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use super::{
    fault::{Code, Fault, Faults, Severity, Span},
    source::{Source, sounds_secret},
    tree::{Entry, Kind, Node},
    units,
};
use crate::import::Bundle;

/// Looks an environment variable up.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

pub(crate) struct Walk<'a> {
    file: &'a Path,
    environment: Environment<'a>,
    /// What a name of a file means, where it is none of this machine's.
    documents: Option<&'a Bundle>,
    found: RefCell<Found>,
}

#[derive(Default)]
struct Found {
    faults: Vec<Fault>,
    dropped: usize,
    secrets: Vec<Span>,
    files: Vec<PathBuf>,
    seen_files: HashSet<PathBuf>,
}

/// Keys that are often written in the wrong place, and where they belong.
const HOMES: [(&[&str], &str); 5] = [
    (&["rate", "quota", "price"], "to a plan, under `plans`"),
    (
        &[
            "upstreams",
            "contract",
            "visibility",
            "faces",
            "timeouts",
            "retries",
            "health",
            "balance",
        ],
        "to an API, under `apis`",
    ),
    (&["subscriptions", "keys"], "to an application, under `applications`"),
    (&["gateway", "console", "internal", "smtp"], "under `listen`"),
    (&["otlp", "sample", "service"], "under `traces`"),
];

/// The keys of one map, all of them known.
pub(crate) struct Fields<'n> {
    pub(crate) span: Span,
    entries: &'n [Entry],
    what: &'n str,
}

impl<'n> Fields<'n> {
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    pub(crate) fn key_span(&self, key: &str) -> Span {
        let entry = self.entries.iter().find(|entry| entry.key == key);
        entry.map_or(self.span, |entry| entry.key_span)
    }
}

/// A scalar with its environment variables put in.
#[derive(Clone)]
pub(crate) struct Text {
    pub(crate) value: String,
    pub(crate) span: Span,
    /// How messages call it: quoted, or by what stands in the file where it came from outside.
    pub(crate) shown: String,
    /// Whether it may not be told, not even in part: it came from the environment, or is secret.
    pub(crate) outside: bool,
}

impl Text {
    /// Takes the value out of everything that is printed.
    pub(crate) fn keep_secret(&mut self) {
        self.shown = "This value".into();
        self.outside = true;
    }

    /// `: why`, unless that would quote a character of a value that may not be told.
    fn reason(&self, why: &str) -> String {
        if self.outside && why.contains('`') { String::new() } else { format!(": {why}") }
    }
}

impl<'a> Walk<'a> {
    pub(crate) fn new(file: &'a Path, environment: Environment<'a>) -> Self {
        let walk = Self { file, environment, documents: None, found: RefCell::default() };
        walk.note_file(file.to_path_buf());
        walk
    }

    /// Over what somebody sent: files are those that came with it, and `${…}` are characters. Nothing of this machine
    /// can be asked for.
    pub(crate) fn over_sent(documents: &'a Bundle) -> Self {
        let (file, environment) = (Path::new(""), &|_: &str| None);
        Self { file, environment, documents: Some(documents), found: RefCell::default() }
    }

    /// The documents that came with what is read, where that is no file.
    pub(crate) fn sent(&self) -> Option<&'a Bundle> {
        self.documents
    }

    // ---- what was found ----------------------------------------------------------------------

    pub(crate) fn fault(
        &self,
        code: Code,
        span: Span,
        message: impl Into<String>,
        cure: impl Into<String>,
    ) {
        self.add(code, Severity::Error, span, message.into(), cure.into());
    }

    pub(crate) fn warn(
        &self,
        code: Code,
        span: Span,
        message: impl Into<String>,
        cure: impl Into<String>,
    ) {
        self.add(code, Severity::Warning, span, message.into(), cure.into());
    }

    fn add(&self, code: Code, severity: Severity, span: Span, message: String, cure: String) {
        let file = self.file.to_path_buf();
        self.push(Fault { code, severity, file, span, excerpt: None, message, cure });
    }

    /// A fault in another file; its excerpt is its own.
    pub(crate) fn push(&self, fault: Fault) {
        let mut found = self.found.borrow_mut();
        if found.faults.len() < Faults::KEPT_MAX {
            found.faults.push(fault);
        } else if fault.severity == Severity::Error {
            // A warning may have to make room: whether the file is refused must not depend on it.
            match found.faults.iter().rposition(|kept| kept.severity == Severity::Warning) {
                Some(warning) => {
                    found.faults.remove(warning);
                    found.faults.push(fault);
                }
                None => found.dropped += 1,
            }
        }
    }

    /// From here on, the text at this place is never shown.
    pub(crate) fn hide(&self, span: Span) {
        self.found.borrow_mut().secrets.push(span);
    }

    /// Hides every scalar in a node.
    pub(crate) fn hide_all(&self, node: &Node) {
        match &node.kind {
            Kind::Nothing => (),
            Kind::Scalar(_) => self.hide(node.span),
            Kind::List(items) => items.iter().for_each(|item| self.hide_all(item)),
            Kind::Map(entries) => entries.iter().for_each(|entry| self.hide_all(&entry.value)),
        }
    }

    pub(crate) fn config(&self) -> &Path {
        self.file
    }

    pub(crate) fn note_file(&self, path: PathBuf) {
        let mut found = self.found.borrow_mut();
        if found.seen_files.insert(path.clone()) {
            found.files.push(path);
        }
    }

    /// Ends the walk: everything that was found, with lines to show, by position.
    pub(crate) fn finish(self, source: &Source, structure_known: bool) -> Faults {
        let Found { mut faults, dropped, secrets, files, .. } = self.found.into_inner();
        for fault in &mut faults {
            let here = fault.file == self.file && fault.span.line > 0;
            if here && fault.excerpt.is_none() {
                fault.excerpt = Some(if structure_known {
                    source.excerpt(fault.span, &secrets)
                } else {
                    source.cautious_excerpt(fault.span)
                });
            }
        }
        // The configuration first, then the files it names; each by position.
        faults.sort_by(|a, b| {
            let key = |fault: &Fault| (fault.file != self.file, fault.file.clone(), fault.span);
            key(a).cmp(&key(b)).then(a.code.cmp(&b.code))
        });
        Faults { list: faults, dropped, files }
    }

    // ---- shapes ------------------------------------------------------------------------------

    /// A map whose keys are all among `known`.
    pub(crate) fn fields<'n>(
        &self,
        node: &'n Node,
        what: &'n str,
        known: &[&str],
    ) -> Option<Fields<'n>> {
        let entries = self.entries(node, what)?;
        for entry in entries {
            if !known.contains(&entry.key.as_str()) {
                self.unknown_key(entry, what, known);
            }
        }
        Some(Fields { span: start_of(node), entries, what })
    }

    fn unknown_key(&self, entry: &Entry, what: &str, known: &[&str]) {
        if self.found.borrow().faults.len() >= Faults::KEPT_MAX {
            // It will only be counted: no words are looked for.
            return self.fault(Code::UnknownKey, entry.key_span, "", "");
        }
        let near = nearest(&entry.key, known.iter().copied());
        let is_word = entry.key.chars().all(|c| c.is_ascii_alphanumeric() || "_-/".contains(c));
        let of_credential = ["a key", "a password"].contains(&what);
        if !is_word || (of_credential && near.is_none()) {
            // Where a colon is missing, what should be the value is part of the key.
            self.hide(entry.key_span);
            self.hide_all(&entry.value);
            let cure = format!("Is there a colon missing? Possible are: {}.", known.join(", "));
            let message = format!("{} has no such key.", capital(what));
            return self.fault(Code::UnknownKey, entry.key_span, message, cure);
        }
        self.hide_sensitive(if of_credential { "key" } else { &entry.key }, &entry.value);
        let key = shown_word(&entry.key);
        let message = format!("{} has no key {key}.", capital(what));
        let home = HOMES.iter().find(|(keys, _)| keys.contains(&entry.key.as_str()));
        let cure = if matches!(entry.value.kind, Kind::Nothing)
            && entry.key.starts_with(|c: char| c.is_ascii_digit())
        {
            "Inside { } a comma ends the value: group digits with `_`, or use quotes.".into()
        } else if let Some(near) = near {
            format!("Did you mean `{near}`?")
        } else if let Some((_, home)) = home {
            format!("`{}` belongs {home}.", entry.key)
        } else {
            format!("Take it away, or use one of: {}.", known.join(", "))
        };
        self.fault(Code::UnknownKey, entry.key_span, message, cure);
    }

    /// Hides what stands under keys that sound secret, and nothing else.
    pub(crate) fn hide_sensitive(&self, key: &str, node: &Node) {
        if sounds_secret(key) {
            return self.hide_all(node);
        }
        match &node.kind {
            Kind::Nothing | Kind::Scalar(_) => (),
            Kind::List(items) => items.iter().for_each(|item| self.hide_sensitive(key, item)),
            Kind::Map(entries) => {
                entries.iter().for_each(|entry| self.hide_sensitive(&entry.key, &entry.value));
            }
        }
    }

    /// The entries of a map with keys of the author's own choosing.
    pub(crate) fn entries<'n>(&self, node: &'n Node, what: &str) -> Option<&'n [Entry]> {
        match &node.kind {
            Kind::Map(entries) => Some(entries),
            _ => self.wrong_type(node, what, "a group of keys", "Write `key: value` pairs."),
        }
    }

    pub(crate) fn list<'n>(&self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        match &node.kind {
            Kind::List(items) => Some(items),
            _ => self.wrong_type(
                node,
                what,
                "a list",
                "Write the items in [ ], or one to a line, each after a `- `.",
            ),
        }
    }

    pub(crate) fn wrong_type<T>(
        &self,
        node: &Node,
        what: &str,
        needs: &str,
        cure: &str,
    ) -> Option<T> {
        let (is, cure) = match &node.kind {
            Kind::Nothing => {
                ("is left empty", format!("{cure} Or take the key away: then the default holds."))
            }
            Kind::Scalar(_) => ("is a single value", cure.to_owned()),
            Kind::List(_) => ("is a list", cure.to_owned()),
            Kind::Map(_) => ("is a group of keys", cure.to_owned()),
        };
        let message = format!("{} needs {needs}, but it {is}.", capital(what));
        self.fault(Code::WrongType, start_of(node), message, cure);
        None
    }

    /// The value of a key that must be there.
    pub(crate) fn need<'n>(&self, fields: &Fields<'n>, key: &str, cure: &str) -> Option<&'n Node> {
        let node = fields.get(key);
        if node.is_none() {
            let message = format!("{} needs `{key}`, which is missing.", capital(fields.what));
            self.fault(Code::MissingKey, fields.span, message, cure);
        }
        node
    }

    // ---- scalars -----------------------------------------------------------------------------

    /// A scalar, environment variables put in.
    pub(crate) fn text(&self, node: &Node, what: &str) -> Option<Text> {
        let Kind::Scalar(raw) = &node.kind else {
            return self.wrong_type(node, what, "a single value", "Write one value.");
        };
        if !raw.contains("${") || self.documents.is_some() {
            let shown = shown_word(raw);
            let span = node.span;
            return Some(Text { value: raw.clone(), span, shown, outside: false });
        }
        let (value, outside) = self.expand(raw, node.span)?;
        let shown = if outside {
            format!("The value that {} stands for", shown_word(raw))
        } else {
            shown_word(&value)
        };
        Some(Text { value, span: node.span, shown, outside })
    }

    /// Puts environment variables in: `${NAME}`, `${NAME:-default}`; `$${` stays `${`. Also says
    /// whether a variable was really used.
    fn expand(&self, raw: &str, span: Span) -> Option<(String, bool)> {
        let mut out = String::new();
        let (mut outside, mut fine) = (false, true);
        let mut rest = raw;
        while let Some(at) = rest.find("${") {
            let (before, after) = rest.split_at(at);
            let after = after.get(2..).unwrap_or_default();
            if let Some(kept) = before.strip_suffix('$') {
                out.push_str(kept);
                out.push_str("${");
                rest = after;
                continue;
            }
            out.push_str(before);
            let Some((inside, tail)) = after.split_once('}') else {
                self.fault(
                    Code::Expression,
                    span,
                    "A `${` is opened here and never closed.",
                    "Write ${NAME} or ${NAME:-default}; write $${ for the characters ${ themselves.",
                );
                return None;
            };
            rest = tail;
            let (name, default) = match inside.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (inside, None),
            };
            if !is_variable_name(name) {
                self.fault(
                    Code::Expression,
                    span,
                    "What stands between `${` and `}` is not the name of an environment variable.",
                    "Write ${NAME} or ${NAME:-default}, NAME of letters, digits and `_`.",
                );
                fine = false;
                continue;
            }
            // As in a shell, `:-` also stands in for a variable that is set to nothing.
            match ((self.environment)(name).filter(|v| default.is_none() || !v.is_empty()), default)
            {
                (Some(value), _) => {
                    out.push_str(&value);
                    outside = true;
                }
                (None, Some(default)) => out.push_str(default),
                (None, None) => {
                    self.unset(name, span);
                    fine = false;
                }
            }
        }
        out.push_str(rest);
        fine.then_some((out, outside))
    }

    fn unset(&self, name: &str, span: Span) {
        self.fault(
            Code::EnvironmentUnset,
            span,
            format!("The environment variable {name} is not set."),
            format!(
                "Set {name} where Pasarela is started, or give a default: ${{{name}:-default}}."
            ),
        );
    }

    /// The value of the environment variable that a `{ env: NAME }` names.
    pub(crate) fn variable(&self, node: &Node, what: &str) -> Option<String> {
        let mut name = self.text(node, what)?;
        if !is_variable_name(&name.value) {
            // Somebody may have put the secret itself here.
            name.keep_secret();
            self.hide(name.span);
            self.fault(
                Code::Expression,
                name.span,
                format!("{} is not the name of an environment variable.", name.shown),
                "Write the name alone, such as ACME_KEY: letters, digits and `_`.",
            );
            return None;
        }
        let value = (self.environment)(&name.value);
        if value.is_none() {
            let message = format!("The environment variable {} is not set.", name.value);
            let cure = format!("Set {} where Pasarela is started.", name.value);
            self.fault(Code::EnvironmentUnset, name.span, message, cure);
        }
        value
    }

    /// A scalar that `read` understands. `read` says on failure why it does not, as in
    /// "the unit is missing".
    pub(crate) fn parse<T>(
        &self,
        node: &Node,
        what: &str,
        kind: &Shape,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(node, what)?;
        self.parse_text(&text, kind, read)
    }

    pub(crate) fn parse_text<T>(
        &self,
        text: &Text,
        kind: &Shape,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        match read(&text.value) {
            Ok(value) => Some(value),
            Err(why) => {
                let message = format!("{} is not {}{}.", text.shown, kind.noun, text.reason(&why));
                self.fault(kind.code, text.span, message, kind.cure);
                None
            }
        }
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&self, node: &Node, what: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(node, what)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text.value) {
            return Some(*value);
        }
        let list: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let cure = match nearest(&text.value, list.iter().copied()).filter(|_| !text.outside) {
            Some(near) => format!("Did you mean `{near}`? Possible are: {}.", list.join(", ")),
            None => format!("Write one of: {}.", list.join(", ")),
        };
        let message = format!("{} is not possible for {what}.", text.shown);
        self.fault(Code::Impossible, text.span, message, cure);
        None
    }

    pub(crate) fn flag(&self, node: &Node, what: &str) -> Option<bool> {
        self.word(node, what, &[("true", true), ("false", false)])
    }

    pub(crate) fn integer(
        &self,
        node: &Node,
        what: &str,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let text = self.text(node, what)?;
        let cure = format!(
            "Write a whole number from {} to {}.",
            units::grouped(*range.start()),
            units::grouped(*range.end())
        );
        match units::whole(&text.value) {
            Ok(value) if range.contains(&value) => Some(value),
            Ok(_) => {
                let message = format!("{} is out of range for {what}.", text.shown);
                self.fault(Code::Impossible, text.span, message, cure);
                None
            }
            Err(why) => {
                let why = text.reason(&why);
                let message = format!("{} is not a whole number{why}.", text.shown);
                self.fault(Code::WrongType, text.span, message, cure);
                None
            }
        }
    }

    /// The name of something: API, plan, application, organisation.
    pub(crate) fn name(&self, node: &Node, what: &str) -> Option<Text> {
        let text = self.text(node, what)?;
        let Some(why) = units::name_fault(&text.value) else {
            return Some(text);
        };
        let message = format!("{} cannot be a name{}.", text.shown, text.reason(&why));
        let suggestion = units::name_from(&text.value).filter(|_| !text.outside);
        let mut cure = String::from("A name is a-z, then a-z, 0-9 and `-`, at most 63 characters");
        if let Some(name) = suggestion {
            let _ = write!(cure, ", such as `{name}`");
        }
        cure.push('.');
        self.fault(Code::Name, text.span, message, cure);
        None
    }

    // ---- files -------------------------------------------------------------------------------

    /// A path as this file means it: relative to the file itself.
    pub(crate) fn resolve(&self, path: &str) -> PathBuf {
        if self.documents.is_some() {
            return PathBuf::from(path);
        }
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }

    /// The bytes of a file that is named here.
    pub(crate) fn file(&self, node: &Node, what: &str, bytes_max: u64) -> Option<(Text, Vec<u8>)> {
        let text = self.text(node, what)?;
        if let Some(documents) = self.documents {
            return self.document(documents, text, what, bytes_max);
        }
        let path = self.resolve(&text.value);
        self.note_file(path.clone());
        match read_file(&path, bytes_max) {
            Ok(bytes) => Some((text, bytes)),
            Err(why) => {
                let message = format!("{} cannot be read for {what}: {why}.", text.shown);
                let cure = if text.outside {
                    "Paths are relative to the folder of this file; look at the variable.".into()
                } else {
                    // Control characters say nothing on a terminal, and may do something there.
                    let shown = path.display().to_string().replace(char::is_control, " ");
                    format!("It was looked for at {shown}.")
                };
                self.fault(Code::File, text.span, message, cure);
                None
            }
        }
    }
}

impl Walk<'_> {
    /// One of the documents that were sent.
    fn document(
        &self,
        documents: &Bundle,
        text: Text,
        what: &str,
        bytes_max: u64,
    ) -> Option<(Text, Vec<u8>)> {
        let why = match documents.piece(&text.value) {
            Some(piece) if piece.bytes.len() as u64 <= bytes_max => {
                return Some((text, piece.bytes.clone()));
            }
            Some(_) => format!("it has more than {} bytes", units::grouped(bytes_max)),
            None => "no document of this name came along".to_owned(),
        };
        let message = format!("{} cannot be read for {what}: {why}.", text.shown);
        let names: Vec<_> = documents.pieces.iter().map(|piece| &*piece.locked.file).collect();
        let cure = match names.is_empty() {
            true => "Send it in `documents`, with this `name`.".to_owned(),
            false => format!("Send it in `documents`. There are: {}.", names.join(", ")),
        };
        self.fault(Code::File, text.span, message, cure);
        None
    }
}

/// What a kind of value is called, which code its faults have, and how it is written.
pub(crate) struct Shape {
    pub(crate) code: Code,
    pub(crate) noun: &'static str,
    pub(crate) cure: &'static str,
}

/// Reads a regular file of a bounded size. Anything else that has a path, such as a device or a
/// pipe, could keep the reader waiting for ever.
pub(crate) fn read_file(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let metadata = std::fs::metadata(path).map_err(|error| io_reason(&error))?;
    if metadata.is_dir() {
        return Err("it is a folder".into());
    }
    if !metadata.is_file() {
        return Err("it is not a regular file".into());
    }
    let file = File::open(path).map_err(|error| io_reason(&error))?;
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|error| io_reason(&error))?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("it has more than {} bytes", units::grouped(bytes_max)));
    }
    Ok(bytes)
}

pub(crate) fn io_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".into(),
        io::ErrorKind::PermissionDenied => "this user may not read it".into(),
        io::ErrorKind::IsADirectory => "it is a folder".into(),
        _ => error.to_string(),
    }
}

/// Where to point at for a node: a whole list or group is too much to underline.
pub(crate) fn start_of(node: &Node) -> Span {
    match &node.kind {
        Kind::Map(entries) => {
            entries.first().map(|entry| entry.key_span).filter(|key| *key <= node.span)
        }
        Kind::List(_) => None,
        Kind::Nothing | Kind::Scalar(_) => Some(node.span),
    }
    .unwrap_or(Span::point(node.span.line, node.span.column))
}

fn is_variable_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A word of the file as messages quote it: short, on one line, harmless to a terminal.
pub(crate) fn shown_word(word: &str) -> String {
    const MOST: usize = 48;
    let mut shown: String =
        word.chars()
            .take(MOST)
            .map(|c| {
                if c.is_control() || ('\u{202A}'..='\u{2069}').contains(&c) {
                    '\u{FFFD}'
                } else {
                    c
                }
            })
            .collect();
    if word.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    format!("\"{shown}\"")
}

pub(crate) fn capital(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    first + characters.as_str()
}

/// The known word that was probably meant.
pub(crate) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let word = plain(word);
    let length = word.chars().count();
    if length == 0 || length > 64 {
        return None;
    }
    let most = if length <= 3 { 1 } else { (length / 3).min(3) };
    known
        .map(|candidate| (distance(&word, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= most && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Letters to change, insert or drop to get from one word to the other; a swap of two counts one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > 3 {
        return usize::MAX;
    }
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1; b.len() + 1];
        for j in 0..b.len() {
            let change = last[j] + usize::from(a[i] != b[j]);
            row[j + 1] = change.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                row[j + 1] = row[j + 1].min(before_last[j - 1] + 1);
            }
        }
        before_last = last;
        last = row;
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_was_meant_is_found() {
        let keys = ["upstreams", "path", "host", "retries", "organisation", "rate"];
        let near = |word| nearest(word, keys.iter().copied());
        assert_eq!(near("upstream"), Some("upstreams"));
        assert_eq!(near("Upstreams"), Some("upstreams"));
        assert_eq!(near("reties"), Some("retries"));
        assert_eq!(near("rtae"), Some("rate"));
        assert_eq!(near("organization"), Some("organisation"));
        assert_eq!(near("colour"), None);
        assert_eq!(near(""), None);
    }

    #[test]
    fn variables_are_put_in_as_a_shell_would() {
        let env = |name: &str| match name {
            "HOST" => Some("inner".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let walk = Walk::new(Path::new("f"), &env);
        let expand = |raw| walk.expand(raw, Span::default()).map(|expanded| expanded.0);
        assert_eq!(expand("http://${HOST}:${PORT:-80}/").as_deref(), Some("http://inner:80/"));
        assert_eq!(expand("a$${HOST}b").as_deref(), Some("a${HOST}b"));
        assert_eq!(expand("x${EMPTY}y").as_deref(), Some("xy"));
        assert_eq!(expand("${EMPTY:-z}").as_deref(), Some("z"));
        assert_eq!(expand("${MISSING}"), None);
        assert_eq!(expand("${HOST"), None);
        assert_eq!(expand("${a b}"), None);
    }
}
