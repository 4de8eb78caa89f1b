//! A message on its way out as a letter: in base64, because nothing else is the same on every server.

use super::{Result, read_media, wrong};
use crate::mime::{self, Boundary, Related, Whole, Writer};

/// Characters of a line of base64 (RFC 2045, section 6.8).
const LINE: usize = 76;

/// The fields of a letter that speak of its body, each with its end of line, and the body. `chance`: 128 random bits.
///
/// # Errors
/// When the message says that it has parts and they cannot be told apart.
pub fn enclose(media: &str, message: &[u8], chance: u128) -> Result<(String, Vec<u8>)> {
    let mut body = Vec::with_capacity(message.len() / 2 * 3 + 256);
    let Some(related) = Related::read(&read_media(Some(media))?).map_err(wrong)? else {
        // Nothing of it becomes a field of its own.
        let media: String = media.chars().filter(|c| matches!(c, ' '..='~')).collect();
        in_lines(message, &mut body);
        let fields = format!(
            "MIME-Version: 1.0\r\nContent-Type: {media}\r\nContent-Transfer-Encoding: base64\r\n"
        );
        return Ok((fields, body));
    };
    let Whole { mut head, root, parts } = Whole::read(&related, mime::Limits::default(), message)?;
    let root_id = head.id.get_or_insert_with(|| "root@letter".to_owned()).clone();
    let root_type = related.root_type.clone().unwrap_or_else(|| "text/xml".to_owned());
    let mut writer = Writer::new(Boundary::new(chance));
    let info = related.start_info.as_deref().map(|info| ("start-info", info));
    let media = writer.content_type(&root_type, &root_id, info.as_slice()).replace("; ", ";\r\n ");
    for (head, bytes) in std::iter::once((head, root)).chain(parts) {
        writer.encoded("base64", &head, &mut body);
        in_lines(&bytes, &mut body);
    }
    writer.end(&mut body);
    Ok((format!("MIME-Version: 1.0\r\nContent-Type: {media}\r\n"), body))
}

fn in_lines(bytes: &[u8], out: &mut Vec<u8>) {
    for line in bytes.chunks(LINE / 4 * 3) {
        base64_simd::STANDARD.encode_append(line, out);
        out.extend_from_slice(b"\r\n");
    }
}
