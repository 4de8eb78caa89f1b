//! `pasarela explain`: prints the page of an error code. The pages are part of the binary.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use serde_json::json;

use super::check::Format;

/// Every page of `docs/errors`, by code, in order. Made by `build.rs`.
pub const PAGES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/error_pages.rs"));

/// Explain an error code.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  pasarela explain CF0010\n\n\
    Exit code 0: printed; 2: there is no such code.")]
pub struct Args {
    /// The code, as messages show it.
    pub code: String,
    /// How to print the page.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Runs the command.
pub fn run(args: &Args) -> ExitCode {
    match page(&args.code) {
        Some((code, text)) => {
            let out = match args.format {
                Format::Text => text.to_owned(),
                Format::Json => format!("{:#}\n", json!({ "code": code, "page": text })),
            };
            let _ = io::stdout().lock().write_all(out.as_bytes());
            ExitCode::SUCCESS
        }
        None => {
            let _ = io::stderr().lock().write_all(unknown(&args.code).as_bytes());
            ExitCode::from(2)
        }
    }
}

/// The page of a code, which may be written in small letters and without its zeros.
pub fn page(code: &str) -> Option<(&'static str, &'static str)> {
    let wanted = letters_and_number(code)?;
    PAGES.iter().copied().find(|(known, _)| letters_and_number(known).as_ref() == Some(&wanted))
}

fn letters_and_number(code: &str) -> Option<(String, u32)> {
    let code = code.trim().to_ascii_uppercase();
    let digits = code.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
    let plain = digits.len() <= 4 && digits.bytes().all(|digit| digit.is_ascii_digit());
    let letters = code.strip_suffix(digits)?.to_owned();
    Some((letters, digits.parse().ok().filter(|_| plain)?))
}

/// What is said about a code that is not known: the ones that look most like it.
fn unknown(code: &str) -> String {
    let mut near: Vec<(usize, &(&str, &str))> =
        PAGES.iter().map(|page| (likeness(code, page.0), page)).collect();
    near.sort_by_key(|(likeness, page)| (std::cmp::Reverse(*likeness), page.0));
    let mut out = format!("There is no error code \"{}\". Near it are:\n", code.escape_debug());
    for (_, (code, text)) in near.iter().take(5) {
        let heading = text.lines().next().unwrap_or_default();
        let title =
            heading.trim_start_matches("# ").trim_start_matches(code).trim_start_matches(':');
        out.push_str(&format!("  {code} {title}\n"));
    }
    out
}

/// Letters and digits that two codes share, place by place, with leading zeros of no account.
fn likeness(given: &str, code: &str) -> usize {
    let parts = |text: &str| {
        let upper = text.trim().to_ascii_uppercase();
        let digits: String = upper.chars().filter(char::is_ascii_digit).collect();
        let letters: String = upper.chars().take_while(char::is_ascii_alphabetic).collect();
        (letters, format!("{:0>4}", digits.trim_start_matches('0')))
    };
    let ((letters, digits), (known_letters, known_digits)) = (parts(given), parts(code));
    let same = digits.chars().zip(known_digits.chars()).filter(|(a, b)| a == b).count();
    same + if digits == known_digits { 4 } else { 0 } + if letters == known_letters { 3 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_however_it_is_written() {
        assert_eq!(page(" cf0010").map(|page| page.0), Some("CF0010"));
        assert_eq!(page("gw9").map(|page| page.0), Some("GW0009"));
        for unknown in ["CF9999", "", "GW", "9", "GW+9", "GW9x", "GW00009"] {
            assert!(page(unknown).is_none(), "{unknown}");
        }
    }

    #[test]
    fn near_codes_are_offered() {
        let near = |code| unknown(code).lines().nth(1).map(|line| line[2..8].to_owned());
        assert_eq!(near("CF10").as_deref(), Some("CF0010"));
        assert_eq!(near("CF00l0").as_deref().map(|code| &code[..4]), Some("CF00"));
        assert!(unknown("\u{1b}[2J").is_ascii() || !unknown("\u{1b}[2J").contains('\u{1b}'));
    }
}
