//! What a server answers: a code, an enhanced code (RFC 2034, RFC 3463), and a sentence.

/// One answer, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Three digits.
    pub code: u16,
    /// `5.1.1`; its first digit is the code's. Empty where the answer has none (greetings, `354`).
    pub status: &'static str,
    /// For people. Visible ASCII and spaces.
    pub text: std::borrow::Cow<'static, str>,
}

impl Reply {
    /// An answer.
    pub fn new(
        code: u16,
        status: &'static str,
        text: impl Into<std::borrow::Cow<'static, str>>,
    ) -> Self {
        Self { code, status, text: text.into() }
    }

    /// Whether it says yes.
    pub fn is_positive(&self) -> bool {
        self.code < 400
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{} ", self.code).as_bytes());
        if !self.status.is_empty() {
            out.extend_from_slice(self.status.as_bytes());
            out.push(b' ');
        }
        // Whatever a text was made of, it stays one line.
        out.extend(self.text.bytes().map(|byte| match byte {
            b' '..=b'~' => byte,
            _ => b'?',
        }));
        out.extend_from_slice(b"\r\n");
    }
}
