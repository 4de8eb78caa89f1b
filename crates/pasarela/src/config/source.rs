//! The text of a configuration file, and how a line of it may be shown.
//!
//! Showing a line is where secrets would leak, so it happens here and nowhere else. Three nets
//! hold: places the reader marked as secret, anything between `://` and `@`, and, where the file
//! could not be understood at all, everything below a key that sounds like a secret.

use super::fault::{Excerpt, Span};

/// What stands in for a secret.
const HIDDEN: &str = "‹hidden›";

/// Characters of a line that are shown.
const SHOWN_MAX: usize = 120;

/// Keys whose values are never shown while the file's structure is unknown.
const SENSITIVE: [&str; 12] = [
    "keys",
    "key",
    "secret",
    "secrets",
    "password",
    "passwd",
    "token",
    "sha256",
    "env",
    "storage",
    "shared_limits",
    "otlp",
];

/// Whether a key sounds as if its value were nobody's business.
pub(crate) fn sounds_secret(key: &str) -> bool {
    const PARTS: [&str; 8] = ["key", "secret", "pass", "token", "cred", "auth", "private", "sign"];
    let key = key.to_lowercase();
    SENSITIVE.contains(&key.as_str()) || PARTS.iter().any(|part| key.contains(part))
}

/// A text by lines.
#[derive(Debug)]
pub(crate) struct Source {
    text: String,
    /// Byte ranges of the lines, line breaks left out.
    lines: Vec<(usize, usize)>,
}

impl Source {
    pub(crate) fn new(text: String) -> Self {
        let mut lines = Vec::new();
        let mut start = 0;
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let break_bytes = match byte {
                b'\r' if bytes.get(at + 1) == Some(&b'\n') => 2,
                b'\r' | b'\n' => 1,
                _ => 0,
            };
            if break_bytes > 0 {
                lines.push((start, at));
                start = at + break_bytes;
                at = start;
            } else {
                at += 1;
            }
        }
        lines.push((start, text.len()));
        Self { text, lines }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// A line by its number from 1; empty past the end.
    pub(crate) fn line(&self, number: u32) -> &str {
        let index = (number as usize).wrapping_sub(1);
        self.lines
            .get(index)
            .and_then(|&(start, end)| self.text.get(start..end))
            .unwrap_or_default()
    }

    /// The line where `span` begins, with every place of `secrets` hidden.
    pub(crate) fn excerpt(&self, span: Span, secrets: &[Span]) -> Excerpt {
        let line = self.line(span.line);
        let mut hidden = user_infos(line);
        for secret in secrets {
            if (secret.line..=secret.end_line).contains(&span.line) {
                let first = if secret.line == span.line { secret.column } else { 1 };
                let past = if secret.end_line == span.line { secret.end_column } else { u32::MAX };
                hidden.push((first as usize - 1, (past as usize).saturating_sub(1)));
            }
        }
        show(line, span, &hidden)
    }

    /// The same for a file whose structure is not known: hides all that might be a secret.
    pub(crate) fn cautious_excerpt(&self, span: Span) -> Excerpt {
        let line = self.line(span.line);
        let mut hidden = user_infos(line);
        if let Some(from) = first_sensitive_value(line) {
            hidden.push((from, usize::MAX));
        } else if self.below_sensitive_key(span.line) || looks_like_key_material(line) {
            hidden.push((0, usize::MAX));
        }
        show(line, span, &hidden)
    }

    /// Whether one of the lines this one is indented under names something secret.
    fn below_sensitive_key(&self, number: u32) -> bool {
        let mut indent = indent_of(self.line(number));
        if self.line(number).trim_start().starts_with("- ") {
            indent += 1; // `- x` belongs to a key at its own indentation
        }
        for above in (1..number).rev() {
            let line = self.line(above);
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                continue;
            }
            if indent_of(line) < indent {
                if first_sensitive_value(line).is_some() {
                    return true;
                }
                indent = indent_of(line);
            }
            if indent == 0 {
                return false;
            }
        }
        false
    }
}

fn indent_of(line: &str) -> usize {
    line.chars().take_while(|c| *c == ' ').count()
}

/// Character ranges of `user:password` in URLs.
fn user_infos(line: &str) -> Vec<(usize, usize)> {
    let characters: Vec<char> = line.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at + 3 <= characters.len() {
        if characters.get(at..at + 3) != Some(&[':', '/', '/']) {
            at += 1;
            continue;
        }
        let start = at + 3;
        let rest = characters.get(start..).unwrap_or_default();
        let length =
            rest.iter().take_while(|c| !c.is_whitespace() && !"\"',]}".contains(**c)).count();
        if let Some(sign) = rest.get(..length).and_then(|url| url.iter().rposition(|c| *c == '@')) {
            found.push((start, start + sign));
        }
        at = start + length;
    }
    found
}

/// The character after the first sensitive word that is used as a key.
fn first_sensitive_value(line: &str) -> Option<usize> {
    let mut word = String::new();
    for (index, c) in line.chars().enumerate() {
        if c.is_alphanumeric() || c == '_' {
            word.extend(c.to_lowercase());
            continue;
        }
        // In a broken file the colon itself may be what is missing: any end of a word counts.
        if sounds_secret(&word) {
            return Some(index);
        }
        word.clear();
    }
    sounds_secret(&word).then(|| line.chars().count())
}

/// Base64 or hexadecimal in bulk, as in a PEM block that was pasted into the file.
fn looks_like_key_material(line: &str) -> bool {
    let mut run = 0;
    for c in line.chars() {
        run = if c.is_ascii_alphanumeric() || "+/=".contains(c) { run + 1 } else { 0 };
        if run >= 40 {
            return true;
        }
    }
    false
}

/// Builds the excerpt: hides, replaces what a terminal would obey, cuts around the caret.
fn show(line: &str, span: Span, hidden: &[(usize, usize)]) -> Excerpt {
    let characters: Vec<char> = line.chars().collect();
    // Whoever read a quoted text may have read the blanks behind it too.
    let without_blanks = |start: usize, end: usize| {
        let end = end.min(characters.len());
        let range = characters.get(start..end).unwrap_or_default();
        let blanks = range.iter().rev().take_while(|c| c.is_whitespace()).count();
        start..end - blanks.min(end)
    };
    let hidden: Vec<_> = hidden.iter().map(|(start, end)| without_blanks(*start, *end)).collect();
    // Where each character of the line went in the text that is shown.
    let mut went = Vec::with_capacity(characters.len() + 1);
    let mut shown: Vec<char> = Vec::with_capacity(characters.len());
    let mut in_hidden = false;
    let indent = characters.iter().take_while(|c| **c == ' ').count();
    for (index, c) in characters.iter().enumerate() {
        let hide = index >= indent && hidden.iter().any(|range| range.contains(&index));
        if hide && !in_hidden {
            went.push(shown.len());
            shown.extend(HIDDEN.chars());
        } else if hide {
            went.push(shown.len() - HIDDEN.chars().count());
        } else {
            went.push(shown.len());
            shown.push(harmless(*c));
        }
        in_hidden = hide;
    }
    went.push(shown.len());

    let position = |column: usize| went.get(column).copied().unwrap_or(shown.len());
    let start = position((span.column as usize).saturating_sub(1));
    let end = if span.end_line == span.line {
        let first = (span.column as usize).saturating_sub(1);
        let past = (span.end_column as usize).saturating_sub(1);
        position(without_blanks(first, past).end)
    } else {
        shown.len()
    };
    let end = end.max(start + 1);
    // A caret that lies in a hidden place underlines its stand-in.
    let mut text = shown;
    while text.last() == Some(&' ') && text.len() > start + 1 {
        text.pop();
    }
    let end = end.min(text.len()).max(start + 1);
    cut(&text, start, end)
}

/// Control characters and those that reorder text would let a file repaint the terminal.
fn harmless(c: char) -> char {
    match c {
        '\t' => ' ',
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

fn cut(text: &[char], start: usize, end: usize) -> Excerpt {
    if text.len() <= SHOWN_MAX {
        return Excerpt { text: text.iter().collect(), caret: start, width: end - start };
    }
    let from = start.saturating_sub(SHOWN_MAX / 3);
    let to = (from + SHOWN_MAX).min(text.len());
    let mut shown = String::new();
    let mut caret = start - from;
    if from > 0 {
        shown.push('…');
        caret += 1;
    }
    shown.extend(text.get(from..to).unwrap_or_default());
    if to < text.len() {
        shown.push('…');
    }
    Excerpt { text: shown, caret, width: end.min(to).max(start + 1) - start }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(line: u32, column: u32, end_column: u32) -> Span {
        Span { line, column, end_line: line, end_column }
    }

    #[test]
    fn t55_a_password_in_a_url_is_hidden_and_the_caret_stays_right() {
        let source = Source::new("storage: postgres://me:hush@db/x y".into());
        let excerpt = source.excerpt(span(1, 34, 35), &[]);
        assert_eq!(excerpt.text, "storage: postgres://‹hidden›@db/x y");
        assert_eq!(excerpt.text.chars().nth(excerpt.caret), Some('y'));
    }

    #[test]
    fn t55_a_marked_place_is_hidden_over_several_lines() {
        let source = Source::new("a: |\n  hush\n  hush\nb: c".into());
        let secret = Span { line: 1, column: 4, end_line: 3, end_column: 7 };
        for line in 1..=3 {
            assert!(!source.excerpt(span(line, 1, 2), &[secret]).text.contains("hush"));
        }
        assert_eq!(source.excerpt(span(4, 4, 5), &[secret]).text, "b: c");
    }

    #[test]
    fn t55_in_a_broken_file_all_that_may_be_secret_is_hidden() {
        let text = "keys:\n  - {\n      \"hush\n  - hush\nkeys: [hush\nsha256 hush\nname: open\n";
        let source = Source::new(text.into());
        for line in [3, 4, 5, 6] {
            let shown = source.cautious_excerpt(span(line, 1, 2)).text;
            assert!(!shown.contains("hush"), "line {line} shows {shown:?}");
        }
        assert_eq!(source.cautious_excerpt(span(7, 1, 2)).text, "name: open");
    }

    #[test]
    fn lines_end_as_yaml_ends_them() {
        let source = Source::new("a\r\nb\rc\nd".into());
        let lines: Vec<_> = (1..=5).map(|n| source.line(n)).collect();
        assert_eq!(lines, ["a", "b", "c", "d", ""]);
    }

    #[test]
    fn a_long_line_is_cut_around_its_caret() {
        let source = Source::new(format!("{}x{}", "a".repeat(500), "b".repeat(500)));
        let excerpt = source.excerpt(span(1, 501, 502), &[]);
        assert!(excerpt.text.chars().count() <= SHOWN_MAX + 2);
        assert_eq!(excerpt.text.chars().nth(excerpt.caret), Some('x'));
    }

    #[test]
    fn a_terminal_is_not_repainted() {
        let source = Source::new("a: \u{1b}[2J\u{202e}".into());
        assert!(!source.excerpt(span(1, 1, 2), &[]).text.contains(['\u{1b}', '\u{202e}']));
    }
}
