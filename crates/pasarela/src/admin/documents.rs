//! The documents of an API: as they are sent, as they are shown, and as one text in the store.

use serde_json::{Map, Value, json};

use super::problem::{Code, Problem};
use crate::import::{Bundle, Locked, Piece, digest};

/// Documents of an API.
const COUNT_MAX: usize = 500;
/// Bytes of all of them together.
const BYTES_MAX: usize = 16 << 20;

impl Default for Bundle {
    fn default() -> Self {
        Self::of(Vec::new())
    }
}

/// What a request brought; `None` where it says nothing about documents.
pub(super) fn sent(value: Option<&Value>) -> Result<Option<Bundle>, Problem> {
    let Some(Value::Array(items)) = value else { return Ok(None) };
    let wrong = |at: usize, why: &str| {
        Err(Problem::new(Code::Impossible, format!("documents.{at}: {why}")))
    };
    let mut pieces: Vec<Piece> = Vec::new();
    let mut bytes = 0;
    for (at, item) in items.iter().enumerate() {
        let Some(item) = item.as_object() else { return wrong(at, "write an object") };
        let Some(piece) = piece(item) else {
            return wrong(at, "it needs a `name`, and its `text` or its `base64`, one of the two");
        };
        let name = &piece.locked.file;
        if name.is_empty() || name.chars().any(char::is_control) {
            return wrong(at, "its name is one line of text");
        }
        if pieces.iter().any(|other| other.locked.file == *name) {
            return wrong(at, "there is another one of its name");
        }
        bytes += piece.bytes.len();
        pieces.push(piece);
    }
    if pieces.len() > COUNT_MAX || bytes > BYTES_MAX {
        let why = format!("documents: at most {COUNT_MAX}, and 16 MiB of them");
        return Err(Problem::new(Code::Impossible, why));
    }
    Ok(Some(Bundle::of(pieces)))
}

fn piece(item: &Map<String, Value>) -> Option<Piece> {
    let text = |key: &str| item.get(key).and_then(Value::as_str);
    let bytes = match (text("text"), text("base64")) {
        (Some(text), None) => text.as_bytes().to_vec(),
        (None, Some(coded)) => base64_simd::STANDARD.decode_to_vec(coded.as_bytes()).ok()?,
        _ => return None,
    };
    let name = text("name")?.to_owned();
    let locked = Locked {
        url: text("url").map_or_else(|| name.clone(), str::to_owned),
        found: text("found").map(str::to_owned),
        sha256: digest(&bytes),
        file: name,
    };
    Some(Piece { locked, bytes })
}

/// As one text; the same documents give the same one.
pub(crate) fn written(bundle: &Bundle) -> String {
    let all = bundle.pieces.iter().map(|piece| {
        let Locked { file, url, found, .. } = &piece.locked;
        let mut one = json!({ "name": file, "url": url });
        if let Some(found) = found {
            one["found"] = found.as_str().into();
        }
        match std::str::from_utf8(&piece.bytes) {
            Ok(text) => one["text"] = text.into(),
            Err(_) => one["base64"] = base64_simd::STANDARD.encode_to_string(&piece.bytes).into(),
        }
        one
    });
    Value::Array(all.collect()).to_string()
}

/// From that text.
pub(super) fn read(text: &str) -> Option<Bundle> {
    let all: Vec<Value> = serde_json::from_str(text).ok()?;
    let pieces: Option<Vec<_>> = all.iter().map(|item| piece(item.as_object()?)).collect();
    Some(Bundle::of(pieces?))
}

/// As they are shown. A private key is not.
pub(super) fn shown(bundle: &Bundle) -> Value {
    let all = bundle.pieces.iter().map(|piece| {
        let secret = is_secret(&piece.bytes);
        let text = std::str::from_utf8(&piece.bytes).ok().filter(|_| !secret);
        let coded = (text.is_none() && !secret)
            .then(|| base64_simd::STANDARD.encode_to_string(&piece.bytes));
        json!({
            "name": piece.locked.file, "url": piece.locked.url, "found": piece.locked.found,
            "bytes": piece.bytes.len(), "secret": secret, "text": text, "base64": coded,
        })
    });
    all.collect()
}

fn is_secret(bytes: &[u8]) -> bool {
    const MARK: &[u8] = b"PRIVATE KEY-----";
    bytes.windows(MARK.len()).any(|window| window == MARK)
}

/// A contract that was fetched, beside what was sent by hand: authorities, a mapping file.
pub(super) fn beside(fetched: Bundle, before: Bundle) -> Bundle {
    let mut pieces = fetched.pieces;
    for piece in before.pieces {
        let by_hand = piece.locked.url == piece.locked.file && piece.locked.found.is_none();
        if by_hand && pieces.iter().all(|other| other.locked.file != piece.locked.file) {
            pieces.push(piece);
        }
    }
    Bundle::of(pieces)
}
