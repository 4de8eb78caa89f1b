//! Changes to the text of a configuration that its author would have made: an entry at the end of `apis`, everything else as
//! it was, comments and order too.
//!
//! The place is known from the tree; whether the change did what it should, and nothing else, is seen by reading the
//! result again. Where no way to add fits, the file is left to its author.

use saphyr_parser::{Event, Parser};

use super::{
    fault::Span,
    tree::{self, Entry, Kind, Node},
};

/// An API as it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewApi {
    pub(crate) name: String,
    pub(crate) version: u32,
    /// Relative to the file.
    pub(crate) contract: String,
    pub(crate) upstreams: Vec<String>,
    pub(crate) visibility: &'static str,
    pub(crate) plans: Vec<String>,
}

/// An API that is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Present {
    /// The line it begins in.
    pub(crate) line: u32,
    /// Its contract as it is written, and where.
    pub(crate) contract: Option<(String, Span)>,
}

impl NewApi {
    /// Its lines, not indented.
    pub(crate) fn lines(&self) -> Vec<String> {
        let list =
            |texts: &[String]| texts.iter().map(|t| scalar(t)).collect::<Vec<_>>().join(", ");
        let mut lines = vec![
            format!("name: {}", scalar(&self.name)),
            format!("version: {}", self.version),
            format!("contract: {}", scalar(&self.contract)),
            format!("upstreams: [{}]", list(&self.upstreams)),
            format!("visibility: {}", self.visibility),
        ];
        if !self.plans.is_empty() {
            lines.push(format!("plans: [{}]", list(&self.plans)));
        }
        lines
    }

    /// As an item of a list in brackets; `json`: of a file that is JSON.
    fn in_brackets(&self, json: bool) -> String {
        if !json {
            return format!("{{ {} }}", self.lines().join(", "));
        }
        let mut object = serde_json::json!({
            "name": self.name, "version": self.version, "contract": self.contract.replace("${", "$${"),
            "upstreams": self.upstreams, "visibility": self.visibility,
        });
        if !self.plans.is_empty() {
            object["plans"] = self.plans.as_slice().into();
        }
        object.to_string()
    }

    /// As an item of a list, indented by so many spaces.
    fn item(&self, indent: usize, newline: &str) -> String {
        let mut out = String::new();
        for (number, line) in self.lines().iter().enumerate() {
            let mark = if number == 0 { "- " } else { "  " };
            out.push_str(&format!("{:indent$}{mark}{line}{newline}", ""));
        }
        out
    }
}

/// A file with this API and nothing else. Others get to it when its owner says so.
pub(crate) fn new_file(api: &NewApi) -> String {
    let listen =
        "listen: { gateway: 127.0.0.1:8080 }   # this machine only; 0.0.0.0:8080 lets others in";
    format!("version: 1\n{listen}\napis:\n{}", api.item(2, "\n"))
}

/// The text with one more API. `None`: it is written in a way that is not changed here.
pub(crate) fn add_api(text: &str, api: &NewApi) -> Option<String> {
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
    let before = tree::read(bare).root?;
    let Kind::Map(entries) = &before.kind else { return None };
    let fits = |changed: &String| {
        let reading = tree::read(changed);
        let one_more = |after: &Node| is_one_more(&before, after, api);
        reading.remarks.is_empty() && reading.root.as_ref().is_some_and(one_more)
    };
    let in_lines = in_lines(bare, entries, api).into_iter();
    let changed = in_lines.chain(in_brackets(bare, api)).find(fits)?;
    Some(text.replacen(bare, &changed, 1))
}

/// The text with the API as lines under `apis`, where that is written so.
fn in_lines(text: &str, entries: &[Entry], api: &NewApi) -> Option<String> {
    let lines = Lines::new(text);
    let Some(at) = entries.iter().position(|entry| entry.key == "apis") else {
        return lines.with_apis(entries, api);
    };
    let entry = entries.get(at)?;
    let next = entries.get(at + 1).map(|next| next.key_span.line as usize - 1);
    match &entry.value.kind {
        Kind::Nothing => lines.with_first(entry, api),
        Kind::List(items) if items.is_empty() => lines.with_first(entry, api),
        Kind::List(items) => lines.with_last(items, next, api),
        Kind::Scalar(_) | Kind::Map(_) => None,
    }
}

/// The text with the API as the last item in the brackets of `apis`, with a comma before it and without.
fn in_brackets(text: &str, api: &NewApi) -> Vec<String> {
    let Some((before, after)) = closing(text).and_then(|at| text.split_at_checked(at)) else {
        return Vec::new();
    };
    let item = api.in_brackets(serde_json::from_str::<serde_json::Value>(text).is_ok());
    let said = before.trim_end();
    let space = before.get(said.len()..).unwrap_or_default();
    let last = said.lines().next_back().unwrap_or_default();
    let indent = last.get(..last.len() - last.trim_start().len()).unwrap_or_default();
    let newline = if space.contains("\r\n") { "\r\n" } else { "\n" };
    let with = |comma: &str| match (last.contains('#'), space.contains('\n')) {
        // Behind a comment everything is one.
        (true, _) => format!("{before}{comma}{item} {after}"),
        (false, true) => format!("{said}{comma}{newline}{indent}{item}{space}{after}"),
        (false, false) if said.ends_with('[') => format!("{said} {item} {after}"),
        (false, false) => format!("{said}{comma} {item}{space}{after}"),
    };
    vec![with(","), with("")]
}

/// Where the bracket stands that closes the list `apis` of the whole file.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut key, mut inside) = (0, false, false);
    for event in Parser::new_from_str(text) {
        let (event, span) = event.ok()?;
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                inside |= key && depth == 1 && matches!(event, Event::SequenceStart(..));
                depth += 1;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                depth -= 1;
                if inside && depth == 1 {
                    let (line, column) = (span.start.line(), span.start.col());
                    let start = text.split_inclusive('\n').take(line.checked_sub(1)?);
                    let start: usize = start.map(str::len).sum();
                    let (at, c) = text.get(start..)?.char_indices().nth(column)?;
                    return (c == ']').then_some(start + at);
                }
            }
            _ => (),
        }
        key = matches!(&event, Event::Scalar(text, ..) if depth == 1 && text == "apis");
    }
    None
}

/// Every API of a name, by its version as it is written.
pub(crate) fn find_api(text: &str, name: &str, version: u32) -> Option<Present> {
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = tree::read(bare).root?;
    let Kind::List(items) = &value(&root, "apis")?.kind else { return None };
    let item = items.iter().find(|item| {
        let is = |key: &str, wanted: &str| value(item, key).and_then(word) == Some(wanted);
        is("name", name) && is("version", &version.to_string())
    })?;
    let contract = value(item, "contract");
    let contract = contract.and_then(|node| Some((word(node)?.to_owned(), node.span)));
    Some(Present { line: item.span.line, contract })
}

/// The text with another value at a place on one line.
pub(crate) fn replace(text: &str, span: Span, with: &str) -> Option<String> {
    if span.line != span.end_line {
        return None;
    }
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
    let start: usize = bare.split_inclusive('\n').take(span.line as usize - 1).map(str::len).sum();
    let line = bare.get(start..)?;
    let at = |column: u32| line.char_indices().nth(column as usize - 1).map(|(at, _)| start + at);
    let (from, to) = (at(span.column)?, at(span.end_column).unwrap_or(bare.len()));
    // The end of what is in quotes comes with the white space behind it.
    let to = from + bare.get(from..to)?.trim_end().len();
    Some(format!("{}{}{}", bare.get(..from)?, scalar(with), bare.get(to..)?))
}

/// A value as it is written: plain where that has one reading, and no `${…}` by accident.
pub(crate) fn scalar(text: &str) -> String {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._/:-".contains(c);
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric() || c == '/');
    let word = !matches!(text, "null" | "Null" | "NULL");
    if first && word && text.chars().all(fine) && !text.ends_with(':') {
        return text.to_owned();
    }
    // A string of JSON is one of YAML.
    serde_json::Value::from(text.replace("${", "$${")).to_string()
}

/// A text by lines, to be put together again with more between them.
struct Lines<'t> {
    lines: Vec<&'t str>,
    newline: &'static str,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let newline =
            if lines.first().is_some_and(|line| line.ends_with("\r\n")) { "\r\n" } else { "\n" };
        Self { lines, newline }
    }

    /// The file has no `apis` yet: they come last.
    fn with_apis(&self, entries: &[Entry], api: &NewApi) -> Option<String> {
        let key = entries.first()?.key_span;
        let indent = key.column as usize - 1;
        self.begins_with(key, indent)?;
        let newline = self.newline;
        let more = format!("{:indent$}apis:{newline}{}", "", api.item(indent + 2, newline));
        Some(self.with(self.end(), &more))
    }

    /// `apis` is there and holds nothing.
    fn with_first(&self, entry: &Entry, api: &NewApi) -> Option<String> {
        let at = entry.key_span.line as usize - 1;
        let indent = entry.key_span.column as usize - 1;
        self.begins_with(entry.key_span, indent)?;
        let (key, rest) = self.lines.get(at)?.split_once(':')?;
        let rest = rest.trim_end();
        let (said, comment) = match rest.find(" #") {
            Some(comment) => rest.split_at(comment),
            None => (rest, ""),
        };
        if !matches!(said.trim(), "" | "[]" | "[ ]" | "~" | "null" | "Null" | "NULL") {
            return None;
        }
        let newline = self.newline;
        let line = format!("{key}:{comment}{newline}{}", api.item(indent + 2, newline));
        let rest = Self { lines: self.lines.get(at + 1..)?.to_vec(), newline };
        Some(format!("{}{line}{}", self.lines.get(..at)?.concat(), rest.lines.concat()))
    }

    /// Behind the last item; `next` is the line of the key that follows.
    fn with_last(&self, items: &[Node], next: Option<usize>, api: &NewApi) -> Option<String> {
        let (first, last) = (self.dash(items.first()?)?, self.dash(items.last()?)?);
        let indent = first.1;
        let mut at = next.unwrap_or_else(|| self.end());
        // What stands before the next key, or at the end of the file, is not about the last item.
        while at > last.0 + 1 {
            let line = self.lines.get(at - 1)?;
            let deep = line.len() - line.trim_start().len();
            let about_items = deep > indent || (deep == indent && (next.is_none() || indent > 0));
            let comment = line.trim_start().starts_with('#') && !about_items;
            if !comment && !line.trim().is_empty() {
                break;
            }
            at -= 1;
        }
        let before = |line: usize| line.checked_sub(1).and_then(|above| self.lines.get(above));
        let spaced = items.len() > 1 && before(last.0).is_some_and(|line| line.trim().is_empty());
        let gap = if spaced { self.newline } else { "" };
        Some(self.with(at, &format!("{gap}{}", api.item(indent, self.newline))))
    }

    /// The line and the indentation of an item's dash. `None`: the list is written in brackets.
    fn dash(&self, item: &Node) -> Option<(usize, usize)> {
        let mut at = (item.span.line as usize).checked_sub(1)?;
        let line = self.lines.get(at)?;
        let mut before: String = line.chars().take(item.span.column as usize - 1).collect();
        while before.trim().is_empty() {
            // A dash may stand on a line of its own.
            at = at.checked_sub(1)?;
            let line = self.lines.get(at)?.trim_end();
            before = line.split(" #").next().unwrap_or_default().to_owned();
        }
        let indent = before.len() - before.trim_start_matches(' ').len();
        (before.trim() == "-").then_some((at, indent))
    }

    /// Whether a key is the first thing on its line.
    fn begins_with(&self, key: Span, indent: usize) -> Option<()> {
        let line = self.lines.get(key.line as usize - 1)?;
        line.get(..indent)?.trim().is_empty().then_some(())
    }

    /// Where the document ends.
    fn end(&self) -> usize {
        let end = self.lines.iter().position(|line| line.trim_end() == "...");
        end.unwrap_or(self.lines.len())
    }

    /// The text with more before a line.
    fn with(&self, at: usize, more: &str) -> String {
        let (before, after) = self.lines.split_at(at.min(self.lines.len()));
        let open = before.last().is_some_and(|line| !line.ends_with('\n'));
        let newline = if open { self.newline } else { "" };
        format!("{}{newline}{more}{}", before.concat(), after.concat())
    }
}

/// Whether a tree has one more API, that one, and is the same otherwise.
fn is_one_more(before: &Node, after: &Node, api: &NewApi) -> bool {
    let Kind::Map(entries) = &after.kind else { return false };
    let Some(apis) = value(after, "apis") else { return false };
    let Kind::List(items) = &apis.kind else { return false };
    let Some((last, others)) = items.split_last() else { return false };
    let wanted = tree::read(&api.lines().join("\n")).root;
    if !wanted.is_some_and(|wanted| same(&wanted, last)) {
        return false;
    }
    let old: &[Node] = match value(before, "apis").map(|apis| &apis.kind) {
        Some(Kind::List(items)) => items,
        _ => &[],
    };
    let rest = |node: &Node| -> Vec<String> {
        let Kind::Map(entries) = &node.kind else { return Vec::new() };
        entries.iter().map(|entry| entry.key.clone()).filter(|key| key != "apis").collect()
    };
    let alike = |entry: &Entry| {
        entry.key == "apis" || value(before, &entry.key).is_some_and(|old| same(old, &entry.value))
    };
    rest(before) == rest(after)
        && entries.iter().all(alike)
        && old.len() == others.len()
        && old.iter().zip(others).all(|(old, new)| same(old, new))
}

/// Whether two trees say the same, wherever it stands.
fn same(a: &Node, b: &Node) -> bool {
    match (&a.kind, &b.kind) {
        (Kind::Nothing, Kind::Nothing) => true,
        (Kind::Scalar(a), Kind::Scalar(b)) => a == b,
        (Kind::List(a), Kind::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Kind::Map(a), Kind::Map(b)) => {
            let alike = |(a, b): (&Entry, &Entry)| a.key == b.key && same(&a.value, &b.value);
            a.len() == b.len() && a.iter().zip(b).all(alike)
        }
        _ => false,
    }
}

fn value<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let Kind::Map(entries) = &node.kind else { return None };
    entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
}

fn word(node: &Node) -> Option<&str> {
    match &node.kind {
        Kind::Scalar(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api() -> NewApi {
        NewApi {
            name: "orders".to_owned(),
            version: 1,
            contract: "contracts/orders-v1/orders.wsdl".to_owned(),
            upstreams: vec!["http://10.1.0.7:9001/orders".to_owned()],
            visibility: "public",
            plans: Vec::new(),
        }
    }

    /// Every text with the place where the API has to come, as `@`, and the indentation.
    fn put(texts: &[(&str, usize)]) {
        for (text, indent) in texts {
            let (before, after) = text.split_once('@').unwrap();
            let expected = format!("{before}{}{after}", api().item(*indent, "\n"));
            let given = format!("{before}{after}");
            assert_eq!(add_api(&given, &api()).as_deref(), Some(&*expected), "{given}");
        }
    }

    #[test]
    fn an_api_comes_behind_the_last_one_and_nothing_else_is_touched() {
        put(&[
            ("version: 1\napis:\n  - name: a\n    version: 1\n@", 2),
            ("version: 1\napis:\n- name: a\n  version: 1\n@plans:\n- name: p\n", 0),
            (
                "apis:\n    - { name: a, version: 1 } # first\n@\n# about plans\nplans: []\nversion: 1\n",
                4,
            ),
            (
                "apis:\n  # the first\n  - name: a\n    text: |\n      # no comment\n\n      more\n@\nversion: 1\n",
                2,
            ),
            ("apis:\n  - name: a\n  # - name: b\n@# the end\n", 2),
            ("apis:\n  -\n    name: a\n@...\n", 2),
            ("apis:\n- name: a\n# - name: b\n@", 0),
            ("apis:\n- name: a\n@# about plans\nplans: {}\n", 0),
        ]);
        let spaced = "apis:\n  - name: a\n\n  - name: b\n";
        let item = api().item(2, "\n");
        assert_eq!(add_api(spaced, &api()), Some(format!("{spaced}\n{item}")));
    }

    #[test]
    fn the_first_api_gets_its_key() {
        let item = api().item(2, "\n");
        for (before, after) in [
            ("version: 1", format!("version: 1\napis:\n{item}")),
            ("# ours\nversion: 1\n", format!("# ours\nversion: 1\napis:\n{item}")),
            ("version: 1\n...\n", format!("version: 1\napis:\n{item}...\n")),
            ("version: 1\napis:\nplans: []\n", format!("version: 1\napis:\n{item}plans: []\n")),
            ("apis: [] # none yet\nversion: 1\n", format!("apis: # none yet\n{item}version: 1\n")),
            ("apis: ~", format!("apis:\n{item}")),
        ] {
            assert_eq!(add_api(before, &api()), Some(after), "{before}");
        }
        let (before, item) = ("version: 1\r\n", api().item(2, "\r\n"));
        assert_eq!(add_api(before, &api()), Some(format!("{before}apis:\r\n{item}")));
        let marked = add_api("\u{feff}version: 1\n", &api()).unwrap();
        assert!(marked.starts_with("\u{feff}version: 1\napis:\n"));
    }

    #[test]
    fn brackets_are_kept_and_json_stays_json() {
        let item = api().in_brackets(false);
        for (text, wanted) in [
            ("{ version: 1, apis: [] }", "{ version: 1, apis: [ @ ] }"),
            (
                "version: 1\napis: [ { name: a } ] # ours\n",
                "version: 1\napis: [ { name: a }, @ ] # ours\n",
            ),
            ("version: 1\napis: [{ name: a },]\n", "version: 1\napis: [{ name: a }, @]\n"),
            (
                "apis: [\n  { name: a }, # first\n  { name: b, plans: [] }\n]\nversion: 1\n",
                "apis: [\n  { name: a }, # first\n  { name: b, plans: [] },\n  @\n]\nversion: 1\n",
            ),
            ("apis: [\n  { name: é } # last\n]\n", "apis: [\n  { name: é } # last\n,@ ]\n"),
        ] {
            assert_eq!(add_api(text, &api()), Some(wanted.replace('@', &item)), "{text}");
        }
        let json =
            "{ \"version\": 1,\n  \"apis\": [\n    { \"name\": \"a\", \"apis\": [1] }\n  ]\n}\n";
        let added = add_api(json, &api()).unwrap();
        let read: serde_json::Value = serde_json::from_str(&added).unwrap();
        assert_eq!(read["apis"][1]["upstreams"][0], "http://10.1.0.7:9001/orders");
        assert!(added.contains("[1] },\n    {\"name\":\"orders\""), "{added}");
    }

    #[test]
    fn what_is_written_in_another_way_is_left_to_its_author() {
        for text in ["{ version: 1 }", "version: 1\napis: { a: 1 }\n", "- 1\n", ""] {
            assert_eq!(add_api(text, &api()), None, "{text}");
        }
    }

    #[test]
    fn every_file_that_we_show_can_be_added_to() {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = vec![here.join("src/config/default.yaml")];
        let good = std::fs::read_dir(here.join("tests/config/good")).unwrap();
        files.extend(good.map(|entry| entry.unwrap().path()));
        assert!(files.len() >= 3);
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            let added = add_api(&text, &api()).unwrap_or_else(|| panic!("{}", file.display()));
            // A line that was there is there.
            let kept = text.lines().filter(|line| *line != "apis: []");
            let mut now = added.lines();
            kept.for_each(|line| assert!(now.any(|one| one == line), "{}: {line}", file.display()));
        }
    }

    /// Files that are cut, and lines that are gone or stand elsewhere: nothing of it is an API too many or too few, which
    /// `add_api` sees for itself, and nothing of it makes it panic.
    #[test]
    fn files_that_are_torn_are_added_to_or_left() {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(here.join("tests/config/good/every-key.yaml")).unwrap();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let mut added = 0;
        for at in 0..lines.len() {
            let (before, after) = (lines[..at].concat(), lines[at + 1..].concat());
            for torn in [
                before.clone(),
                format!("{before}{after}"),
                format!("{before}  {}{after}", lines[at]),
                format!("{before}{}{after}", lines[at].trim_start()),
                format!("{before}{}", lines[at].get(..lines[at].len() / 2).unwrap_or_default()),
            ] {
                added += usize::from(add_api(&torn, &api()).is_some());
            }
        }
        assert!(added > lines.len(), "{added} of {} lines", lines.len());
    }

    #[test]
    fn values_have_one_reading() {
        for (text, written) in [
            ("orders", "orders"),
            ("http://10.1.0.7:9001/a-b_c", "http://10.1.0.7:9001/a-b_c"),
            ("http://[::1]:80/", "\"http://[::1]:80/\""),
            ("null", "\"null\""),
            ("-a", "\"-a\""),
            ("a: b", "\"a: b\""),
            ("a,b", "\"a,b\""),
            ("${HOME}", "\"$${HOME}\""),
            ("ñ\n\"", "\"ñ\\n\\\"\""),
            ("", "\"\""),
        ] {
            assert_eq!(scalar(text), written);
        }
    }

    #[test]
    fn an_api_is_found_and_its_contract_replaced() {
        let text = "apis:\n  - { name: a, version: 1, contract: \"é x.wsdl\" } # here\n  - { name: a, version: 2 }\n";
        let (contract, span) = find_api(text, "a", 1).unwrap().contract.unwrap();
        assert_eq!(contract, "é x.wsdl");
        let changed = replace(text, span, "b/c.wsdl").unwrap();
        assert_eq!(changed, text.replace("\"é x.wsdl\"", "b/c.wsdl"));
        assert_eq!(find_api(text, "a", 2).unwrap().contract, None);
        assert_eq!(find_api(text, "a", 3), None);
    }
}
