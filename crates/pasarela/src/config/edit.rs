//! Changes to the text of a configuration that its author would have made: an entry at the end of `apis`, everything else as
//! it was, comments and order too.
//!
//! The place is known from the tree; whether the change did what it should, and nothing else, is seen by reading the
//! result again. Files that are written in another way than lines under keys are left to their authors.

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

/// A file with this API and nothing else.
pub(crate) fn new_file(api: &NewApi) -> String {
    format!("version: 1\napis:\n{}", api.item(2, "\n"))
}

/// The text with one more API. `None`: it is written in a way that is not changed here.
pub(crate) fn add_api(text: &str, api: &NewApi) -> Option<String> {
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
    let before = tree::read(bare).root?;
    let Kind::Map(entries) = &before.kind else { return None };
    let lines = Lines::new(bare);
    let place = entries.iter().position(|entry| entry.key == "apis");
    let changed = match place.and_then(|at| Some((at, entries.get(at)?))) {
        None => lines.with_apis(entries, api)?,
        Some((at, entry)) => {
            let next = entries.get(at + 1).map(|next| next.key_span.line as usize - 1);
            match &entry.value.kind {
                Kind::Nothing => lines.with_first(entry, api)?,
                Kind::List(items) if items.is_empty() => lines.with_first(entry, api)?,
                Kind::List(items) => lines.with_last(items, next, api)?,
                Kind::Scalar(_) | Kind::Map(_) => return None,
            }
        }
    };
    let reading = tree::read(&changed);
    let fits = reading.remarks.is_empty() && is_one_more(&before, reading.root.as_ref()?, api);
    fits.then(|| text.replacen(bare, &changed, 1))
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
    fn what_is_written_in_another_way_is_left_to_its_author() {
        for text in [
            "{ version: 1, apis: [] }",
            "{ \"version\": 1,\n  \"apis\": [ { \"name\": \"a\" } ] }",
            "version: 1\napis: [ { name: a } ]\n",
            "version: 1\napis: [\n  { name: a }\n]\n",
            "version: 1\napis: { a: 1 }\n",
            "- 1\n",
            "",
        ] {
            assert_eq!(add_api(text, &api()), None, "{text}");
        }
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
