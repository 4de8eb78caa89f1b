//! A finding as it is printed: one shape for configurations, contracts, schemas and documents.
//!
//! Who finds something keeps a type of its own (`config::Fault`, the fault of the SOAP room); this is what a person or a
//! program gets to see of any of them: as several lines with the place underlined, as one line, or as JSON.

use std::fmt::{self, Write as _};

use pasarela_soap::Fault as SoapFault;
use serde_json::{Value, json};

/// Declares the codes of faults, with the headings of their pages in `docs/errors`.
macro_rules! code_list {
    ($($variant:ident = $code:literal, $title:literal;)*) => {
        /// The kinds of faults and warnings. Each has a page `docs/errors/<code>.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $title] $variant,)*
        }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// `CF0010`
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The heading of its page.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}
pub(crate) use code_list;

/// Whether a finding keeps a file from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is used; something in it may not do what its author hopes.
    Warning,
}

impl Severity {
    /// `error`, `warning`
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// The line a finding is about, fit to be shown: secrets are hidden, control characters are gone,
/// a very long line is cut around the caret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The line.
    pub text: String,
    /// Characters before the caret.
    pub caret: usize,
    /// Characters the caret underlines, at least 1.
    pub width: usize,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of thing: `CF0010`.
    pub code: &'static str,
    /// The rule that is broken, where it has a name: `R2716`.
    pub rule: Option<&'static str>,
    /// The file or the URL; none for a message.
    pub file: Option<String>,
    /// From 1; 0: the file as a whole.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    /// The elements that are open at the place; may be empty.
    pub path: String,
    /// The line itself.
    pub excerpt: Option<Excerpt>,
    /// What is wrong and why.
    pub message: String,
    /// What to do about it.
    pub cure: Option<String>,
}

impl Finding {
    /// What the SOAP room found.
    pub fn of_soap(code: &'static str, fault: &SoapFault) -> Self {
        Self {
            severity: if fault.is_error() { Severity::Error } else { Severity::Warning },
            code,
            rule: fault.rule,
            file: fault.place.document.as_deref().map(str::to_owned),
            line: fault.place.line,
            column: fault.place.column,
            path: fault.path.clone(),
            excerpt: None,
            message: fault.message.clone(),
            cure: fault.cure.clone(),
        }
    }

    /// Something that is wrong with no place in a file.
    pub fn error(code: &'static str, message: String, cure: String) -> Self {
        Self {
            severity: Severity::Error,
            code,
            rule: None,
            file: None,
            line: 0,
            column: 0,
            path: String::new(),
            excerpt: None,
            message,
            cure: Some(cure),
        }
    }

    /// Whether the file cannot be used for it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// For a person who mends it: several lines, the last one the cure, ending in a line feed.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_text(&mut out);
        out
    }

    fn write_text(&self, out: &mut String) -> fmt::Result {
        write!(out, "{}[{}]: ", self.severity.word(), self.code)?;
        if let Some(rule) = self.rule {
            write!(out, "{rule}: ")?;
        }
        writeln!(out, "{}", self.message)?;
        match (&self.file, self.line) {
            (Some(file), 0) => writeln!(out, "  --> {file}")?,
            (Some(file), line) => writeln!(out, "  --> {file}:{line}:{}", self.column)?,
            (None, _) => (),
        }
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        if let Some(excerpt) = &self.excerpt {
            writeln!(out, " {margin} |")?;
            writeln!(out, " {number} | {}", excerpt.text)?;
            let (before, under) = (" ".repeat(excerpt.caret), "^".repeat(excerpt.width));
            writeln!(out, " {margin} | {before}{under}")?;
        }
        match &self.cure {
            Some(cure) => writeln!(out, " {margin} = {cure}"),
            None => Ok(()),
        }
    }

    /// One line, without a line feed: for many findings in many files.
    pub fn line(&self) -> String {
        let mut out = format!("{} {}: ", self.severity.word(), self.code);
        let _ = self.write_line(&mut out);
        out
    }

    fn write_line(&self, out: &mut String) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), 0) => write!(out, "{file}: ")?,
            (Some(file), line) => write!(out, "{file}:{line}:{}: ", self.column)?,
            (None, 0) => (),
            (None, line) => write!(out, "{line}:{}: ", self.column)?,
        }
        if let Some(rule) = self.rule {
            write!(out, "{rule}: ")?;
        }
        out.push_str(&self.message);
        if !self.path.is_empty() {
            write!(out, " (in {})", self.path)?;
        }
        match &self.cure {
            Some(cure) => write!(out, "; {cure}"),
            None => Ok(()),
        }
    }

    /// One JSON object; every finding of every command has these members.
    pub fn json(&self) -> Value {
        json!({
            "code": self.code,
            "severity": self.severity.word(),
            "rule": self.rule,
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "path": (!self.path.is_empty()).then_some(&self.path),
            "source": self.excerpt.as_ref().map(|excerpt| &excerpt.text),
            "message": self.message,
            "cure": self.cure,
        })
    }
}

/// `1 error`, `2 errors`
pub fn counted(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
