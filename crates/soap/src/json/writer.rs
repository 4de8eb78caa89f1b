//! Writing JSON, value by value, onto bytes.
//!
//! Commas are set by themselves. That begins and ends match, and that names stand in objects only, is the caller's affair.

/// A JSON text that is being written.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
    /// Whether a value stands before, in the same array or object.
    comma: bool,
}

impl Writer {
    /// Writes after what `out` holds.
    pub fn new(out: Vec<u8>) -> Self {
        Self { out, comma: false }
    }

    /// `{`
    #[inline]
    pub fn begin_object(&mut self) {
        self.open(b'{');
    }

    /// `}`
    #[inline]
    pub fn end_object(&mut self) {
        self.out.push(b'}');
        self.comma = true;
    }

    /// `[`
    #[inline]
    pub fn begin_array(&mut self) {
        self.open(b'[');
    }

    /// `]`
    #[inline]
    pub fn end_array(&mut self) {
        self.out.push(b']');
        self.comma = true;
    }

    /// The name of a member, whose value is next.
    #[inline]
    pub fn name(&mut self, name: &str) {
        self.separate();
        self.out.push(b'"');
        escape(name, &mut self.out);
        self.out.extend_from_slice(b"\":");
        self.comma = false;
    }

    /// A string.
    #[inline]
    pub fn string(&mut self, text: &str) {
        self.begin_string();
        self.piece(text);
        self.end_string();
    }

    /// Begins a string that comes in pieces.
    #[inline]
    pub fn begin_string(&mut self) {
        self.separate();
        self.out.push(b'"');
    }

    /// A piece of a string.
    #[inline]
    pub fn piece(&mut self, text: &str) {
        escape(text, &mut self.out);
    }

    /// Ends a string that came in pieces.
    #[inline]
    pub fn end_string(&mut self) {
        self.out.push(b'"');
        self.comma = true;
    }

    /// A number, by its lexeme, which is the caller's affair.
    #[inline]
    pub fn number(&mut self, lexeme: &str) {
        self.token(lexeme);
    }

    /// `true` or `false`
    pub fn bool(&mut self, value: bool) {
        self.token(if value { "true" } else { "false" });
    }

    /// `null`
    pub fn null(&mut self) {
        self.token("null");
    }

    /// A JSON value as it is.
    pub fn verbatim(&mut self, json: &str) {
        self.token(json);
    }

    /// What was written so far.
    pub fn written(&self) -> &[u8] {
        &self.out
    }

    /// Takes away what was written so far, to pass it on; writing goes on after it.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    #[inline]
    fn token(&mut self, token: &str) {
        self.separate();
        self.out.extend_from_slice(token.as_bytes());
        self.comma = true;
    }

    #[inline]
    fn open(&mut self, bracket: u8) {
        self.separate();
        self.out.push(bracket);
        self.comma = false;
    }

    #[inline]
    fn separate(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
    }
}

/// Bytes that cannot stand in a string as they are.
const ESCAPED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table
};

/// Appends text as it stands between quotes.
pub fn escape(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    let mut run = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if !ESCAPED.get(usize::from(byte)).copied().unwrap_or_default() {
            continue;
        }
        out.extend_from_slice(bytes.get(run..at).unwrap_or_default());
        run = at + 1;
        let short = match byte {
            b'"' | b'\\' => byte,
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0C => b'f',
            _ => {
                let hex = |digit: u8| HEX.get(usize::from(digit)).copied().unwrap_or(b'0');
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
    }
    out.extend_from_slice(bytes.get(run..).unwrap_or_default());
}
