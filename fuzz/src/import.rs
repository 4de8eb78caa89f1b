//! URLs that documents are fetched from: a base and, in the next line, a reference that stands in it.

use pasarela::import::Url;

/// One text is one URL, written and read again, and a reference that names no server stays with the one it is in.
pub(crate) fn url(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (base, reference) = text.split_once('\n').unwrap_or((&text, ""));
    let Ok(base) = Url::parse(base) else { return };
    holds(&base);
    let Ok(joined) = base.join(reference) else { return };
    holds(&joined);
    if !reference.contains(':') && !reference.trim().starts_with("//") {
        let server = |url: &Url| (url.secure, url.host.clone(), url.port);
        assert_eq!(server(&base), server(&joined), "{reference:?} leads to another server");
    }
}

fn holds(url: &Url) {
    assert_eq!(Url::parse(&url.to_string()).as_ref(), Ok(url));
    // As it stands in the first line of a request.
    assert!(url.target.starts_with('/'), "{url:?}");
    assert!(url.target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'), "{url:?}");
    assert!(!url.host.is_empty() && !url.host.contains(['/', '\\', '@', '%', '?', '[']), "{url:?}");
}
