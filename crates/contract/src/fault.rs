//! What is wrong with a document, where, and what to do about it.

/// A place in a text. Both numbers count from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
    /// Of which document: 0 for the one that was read, and a number for each that it refers to.
    pub document: u16,
}

impl Position {
    /// The first character.
    pub const START: Self = Self { line: 1, column: 1, document: 0 };

    /// The place that follows `text` when it stands at the start.
    pub fn after(text: &str) -> Self {
        let mut position = Self::START;
        position.advance(text);
        position
    }

    /// Moves over `text`.
    pub(crate) fn advance(&mut self, text: &str) {
        for c in text.chars() {
            if c == '\n' {
                *self =
                    Self { line: self.line.saturating_add(1), column: 1, document: self.document };
            } else {
                self.column = self.column.saturating_add(1);
            }
        }
    }
}

/// What a fault is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Subject {
    /// The document that was read.
    #[default]
    Contract,
    /// A document that belongs to it, by its URL.
    Document(String),
    /// What is chosen for the REST face of an operation.
    Mapping(String),
    /// What is chosen for the whole REST face, by its key.
    Rest(&'static str),
}

/// One fault of a contract document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}; {cure}")]
pub struct ContractFault {
    /// What it is about.
    pub subject: Subject,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub cure: String,
}

impl ContractFault {
    pub(crate) fn new(at: Position, message: impl Into<String>, cure: impl Into<String>) -> Self {
        let Position { line, column, document } = at;
        // Whoever knows the documents gives the others their names.
        let subject = match document {
            0 => Subject::Contract,
            number => Subject::Document(number.to_string()),
        };
        Self { subject, line, column, message: message.into(), cure: cure.into() }
    }

    /// A fault of the document as a whole.
    pub(crate) fn start(message: &str, cure: &str) -> Self {
        Self::new(Position::START, message, cure)
    }
}

/// The faults of one document, collected.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<ContractFault>);

impl Faults {
    /// More than anybody mends in one go; a hostile document cannot make us keep more.
    const MOST: usize = 100;

    pub(crate) fn push(
        &mut self,
        at: Position,
        message: impl Into<String>,
        cure: impl Into<String>,
    ) {
        self.extend([ContractFault::new(at, message, cure)]);
    }

    pub(crate) fn extend(&mut self, faults: impl IntoIterator<Item = ContractFault>) {
        let room = Self::MOST.saturating_sub(self.0.len());
        self.0.extend(faults.into_iter().take(room));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= Self::MOST
    }

    /// `value` when there were no faults, else the faults in the order of the document.
    pub(crate) fn or<T>(mut self, value: T) -> Result<T, Vec<ContractFault>> {
        if self.0.is_empty() {
            return Ok(value);
        }
        let foreign = |fault: &ContractFault| match &fault.subject {
            Subject::Contract => String::new(),
            Subject::Document(name) | Subject::Mapping(name) => name.clone(),
            Subject::Rest(key) => (*key).to_owned(),
        };
        self.0.sort_by_key(|fault| (foreign(fault), fault.line, fault.column));
        Err(self.0)
    }
}
