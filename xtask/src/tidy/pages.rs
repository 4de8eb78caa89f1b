//! Every problem code has a page in `docs/errors`, and every page a code.

use std::collections::BTreeSet;

use crate::source::File;

pub(super) fn faults(files: &[File]) -> Vec<String> {
    let sources = files.iter().filter(|file| file.is_rust() && file.path.starts_with("crates/"));
    let codes: BTreeSet<&str> = sources.flat_map(|file| codes(&file.text)).collect();
    let pages: BTreeSet<&str> = files
        .iter()
        .filter_map(|file| file.path.strip_prefix("docs/errors/")?.strip_suffix(".md"))
        .filter(|name| is_code(name))
        .collect();
    let without_page =
        codes.difference(&pages).map(|code| format!("{code}: write docs/errors/{code}.md"));
    let without_code = pages
        .difference(&codes)
        .map(|page| format!("docs/errors/{page}.md: there is no code {page}"));
    without_page.chain(without_code).collect()
}

/// The codes that a `codes! { … }` list declares: its literals of the shape `"GW0007"`.
fn codes(text: &str) -> Vec<&str> {
    let Some((_, list)) = text.split_once("\ncodes! {") else { return Vec::new() };
    let list = list.split_once("\n}").map_or(list, |(inside, _)| inside);
    list.split('"').filter(|literal| is_code(literal)).collect()
}

/// Two capital letters and four digits.
fn is_code(text: &str) -> bool {
    text.len() == 6
        && text.bytes().take(2).all(|byte| byte.is_ascii_uppercase())
        && text.bytes().skip(2).all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_without_a_page_and_a_page_without_a_code_are_both_faults() {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let list = "macro_rules! codes {}\n\ncodes! {\n    A = \"GW0001\", 404;\n    B = \"GW0002\", 404;\n}\n\"GW0009\"";
        let files = [
            file("crates/model/src/problem.rs", list),
            file("docs/errors/GW0001.md", ""),
            file("docs/errors/GW0003.md", ""),
            file("docs/errors/README.md", ""),
        ];
        assert_eq!(
            faults(&files),
            [
                "GW0002: write docs/errors/GW0002.md",
                "docs/errors/GW0003.md: there is no code GW0003"
            ]
        );
    }
}
