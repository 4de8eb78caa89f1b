//! What is wrong with a configuration, where, and what to do about it.
//!
//! A [`Fault`] is written for the person who wrote the file: it shows their own line, says in one
//! sentence what is wrong with it and in another how to mend it. Faults are collected, never
//! thrown: a file is read to its end and all of them come back together, in the order of the file.

use std::{
    fmt::{self, Write as _},
    path::PathBuf,
};

use serde_json::Value;

pub use crate::finding::{Excerpt, Severity};
use crate::finding::{Finding, code_list as codes};

codes! {
    Unreadable = "CF0001", "The configuration file cannot be read";
    Syntax = "CF0002", "The file is not YAML";
    TooLarge = "CF0003", "The file is too large or too deep";
    Document = "CF0004", "The file holds no document, or several";
    DuplicateKey = "CF0005", "A key is there twice";
    Feature = "CF0006", "A YAML feature that is not read here";
    Encoding = "CF0007", "The file is not UTF-8 text";
    UnknownKey = "CF0010", "A key is not known";
    MissingKey = "CF0011", "A key is missing";
    WrongType = "CF0012", "A value has the wrong shape";
    Impossible = "CF0013", "A value is not possible here";
    Version = "CF0014", "The version of the file is not supported";
    EnvironmentUnset = "CF0015", "An environment variable is not set";
    Expression = "CF0016", "A ${…} expression cannot be read";
    Duration = "CF0020", "A duration cannot be read";
    Size = "CF0021", "A size cannot be read";
    Rate = "CF0022", "A rate cannot be read";
    Quota = "CF0023", "A quota cannot be read";
    Percent = "CF0024", "A percentage cannot be read";
    Money = "CF0025", "An amount of money cannot be read";
    Currency = "CF0026", "A currency is not known";
    Name = "CF0027", "A name does not follow the rules";
    Address = "CF0028", "An address to listen on cannot be read";
    Url = "CF0029", "A URL cannot be used";
    Host = "CF0030", "A host cannot be read";
    Path = "CF0031", "A path cannot be used";
    Header = "CF0032", "A header field cannot be used";
    Network = "CF0033", "A network cannot be read";
    ListenTwice = "CF0034", "Two listeners want the same address";
    DuplicateName = "CF0040", "A name is taken";
    DuplicateRoute = "CF0041", "Two APIs answer at the same address";
    Reference = "CF0042", "A name refers to nothing";
    Subscription = "CF0043", "A subscription does not fit";
    DuplicateCredential = "CF0044", "Two applications have the same key";
    TlsIncomplete = "CF0045", "TLS is asked for but not complete";
    File = "CF0050", "A file that the configuration names cannot be read";
    Certificate = "CF0051", "A certificate cannot be used";
    PrivateKey = "CF0052", "A private key cannot be used";
    ApiKey = "CF0053", "An API key cannot be used";
    Contract = "CF0054", "A contract cannot be read";
    Mapping = "CF0055", "A mapping file cannot be used";
    Password = "CF0056", "A password cannot be used";
    Keys = "CF0057", "A set of keys cannot be used";
    Tiers = "CF0060", "Price tiers do not make sense";
    Share = "CF0061", "Shares add up to more than everything";
    CurrencyMix = "CF0062", "One customer would be billed in two currencies";
    Lock = "CF0070", "A stored contract is not what its lock file says";
    Reserve = "CF0100", "More is reserved than there is";
    Scope = "CF0110", "Scopes cannot be used";
    ScopeOperation = "CF0111", "Scopes are given to an operation that is not there";
    Issuing = "CF0112", "Tokens cannot be issued so";
    Shadowed = "CF0113", "The gateway answers at an address of an API";
    ClientCertificate = "CF0120", "A client certificate is not named as one can be known";
    SignatureKey = "CF0125", "A key for signatures cannot be used";
    NoSoapFace = "CF0140", "A REST service cannot be offered over SOAP";
    OperationLeftOut = "CF0141", "An operation is not offered over SOAP";
    MailFace = "CF0150", "An API without a SOAP face cannot be written to";
    MailAddress = "CF0151", "An address of mail cannot be used";
    MailStore = "CF0152", "Mail has nowhere to be kept";
    Relay = "CF0153", "A relay for mail cannot be used";
    PriceUnused = "CF0902", "Prices are checked, not charged yet";
    SharedLimitsUnused = "CF0905", "Shared limits are checked, not used yet";
    FaceUnused = "CF0906", "A face is checked, not offered yet";
    Unreachable = "CF0907", "An API answers nobody";
    NoEffect = "CF0908", "A setting has no effect";
}

/// A place in a text: lines and columns count from 1, columns in characters; the end is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span {
    /// First line.
    pub line: u32,
    /// First column.
    pub column: u32,
    /// Last line.
    pub end_line: u32,
    /// Column after the last character.
    pub end_column: u32,
}

impl Span {
    /// A place without an extent.
    pub const fn point(line: u32, column: u32) -> Self {
        Self { line, column, end_line: line, end_column: column + 1 }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What kind of thing.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// The file it is in: the configuration, or a contract it names.
    pub file: PathBuf,
    /// Where; line 0 means the file as a whole.
    pub span: Span,
    /// The line itself.
    pub excerpt: Option<Excerpt>,
    /// What is wrong and why, one sentence.
    pub message: String,
    /// What to do, one or two sentences.
    pub cure: String,
}

impl Fault {
    /// The fault as a person reads it, several lines, ending in a line feed.
    pub fn text(&self) -> String {
        self.finding().text()
    }

    /// The fault as one JSON object.
    pub fn json(&self) -> Value {
        self.finding().json()
    }

    /// The fault as it is printed.
    pub fn finding(&self) -> Finding {
        Finding {
            severity: self.severity,
            code: self.code.code(),
            rule: None,
            file: Some(self.file.display().to_string()),
            line: self.span.line,
            column: self.span.column,
            path: String::new(),
            excerpt: self.excerpt.clone(),
            message: self.message.clone(),
            cure: Some(self.cure.clone()),
        }
    }
}

/// Everything that is wrong with a file that is refused; at least one [`Severity::Error`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Faults {
    /// Errors and warnings, by position.
    pub list: Vec<Fault>,
    /// How many more were found than are kept: the first [`Faults::KEPT_MAX`] are.
    pub dropped: usize,
    /// Every file that was read or looked for, so that a watcher notices the repair.
    pub files: Vec<PathBuf>,
}

impl Faults {
    /// Faults kept of one file. A file with more is not being mended one by one.
    pub const KEPT_MAX: usize = 1_000;

    /// How many errors there are, those not kept included.
    pub fn errors(&self) -> usize {
        let kept = self.list.iter().filter(|fault| fault.severity == Severity::Error).count();
        kept + self.dropped
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_char('\n')?;
            }
            f.write_str(&fault.text())?;
        }
        if self.dropped > 0 {
            write!(f, "\n… and {} more.\n", self.dropped)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_in_order() {
        let codes: Vec<_> = Code::ALL.iter().map(|code| code.code()).collect();
        let mut sorted = codes.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(codes, sorted);
    }

    #[test]
    fn every_code_has_its_page_and_every_page_its_code() {
        use crate::{
            commands::{explain::PAGES, publish},
            config::sent,
            import,
        };
        // Some are of what brings and publishes contracts.
        let own = Code::ALL.iter().map(|code| (code.code(), code.title()));
        let of_import = import::Code::ALL.iter().map(|code| (code.code(), code.title()));
        let of_publish = publish::Code::ALL.iter().map(|code| (code.code(), code.title()));
        let of_sent = sent::Code::ALL.iter().map(|code| (code.code(), code.title()));
        let all: Vec<_> = own.chain(of_import).chain(of_publish).chain(of_sent).collect();
        for (code, title) in &all {
            let page = PAGES.iter().find(|page| page.0 == *code);
            let (_, text) = page.unwrap_or_else(|| panic!("{code} has no page"));
            let heading = format!("# {code}: {title}\n");
            assert!(text.starts_with(&heading), "the page must begin with {heading:?}");
            let sections =
                ["## What happened", "## Why we stop here", "## What to do", "## See also"];
            let mut from = 0;
            for section in sections {
                let at = text[from..].find(section);
                from += at.unwrap_or_else(|| panic!("{code} lacks {section:?} in order"));
            }
        }
        for (name, _) in PAGES.iter().filter(|page| page.0.starts_with("CF")) {
            assert!(all.iter().any(|(code, _)| code == name), "{name} is no code");
        }
    }
}
