//! `cargo xtask tidy`: the house rules that a machine can look after.
//!
//! Every rule returns the faults it found, all of them, each in a line that says what to do.

mod arrows;
mod links;
mod pages;
mod private;

use anyhow::{Result, bail};

use crate::source::{self, File};

/// Files over this many lines need a sentence in [`LONG_FILES`].
const LINES_MAX: usize = 1_000;

/// Files that may be longer, each with the reason.
const LONG_FILES: &[(&str, &str)] = &[];

/// Runs every rule; prints all faults.
pub(crate) fn run() -> Result<()> {
    let files = source::files()?;
    let mut faults = arrows::faults()?;
    faults.extend(first_lines(&files));
    faults.extend(lengths(&files));
    faults.extend(pages::faults(&files));
    faults.extend(links::faults(&files));
    faults.extend(private::faults(&files));
    faults.extend(crate::rows::missing(&files));
    if faults.is_empty() {
        println!("tidy: {} files, nothing to say", files.len());
        return Ok(());
    }
    for fault in &faults {
        eprintln!("tidy: {fault}");
    }
    bail!("tidy found {} faults", faults.len())
}

/// Every Rust file says in its first line what it is.
fn first_lines(files: &[File]) -> Vec<String> {
    files
        .iter()
        .filter(|file| file.is_rust() && !file.text.starts_with("//! "))
        .map(|file| {
            format!("{}: the first line has to be `//! …`, saying what the file is", file.path)
        })
        .collect()
}

fn lengths(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let (lines, listed) =
            (file.text.lines().count(), LONG_FILES.iter().any(|(path, _)| *path == file.path));
        if lines > LINES_MAX && !listed {
            faults.push(format!(
                "{}: {lines} lines; cut it along an idea, or list it in xtask/src/tidy.rs with a sentence",
                file.path
            ));
        }
        if lines <= LINES_MAX && listed {
            faults.push(format!(
                "{}: no longer long; take it off the list in xtask/src/tidy.rs",
                file.path
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_does_not_introduce_itself_is_found() {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let files = [file("a.rs", "//! A.\n"), file("b.rs", "// B.\n"), file("c.md", "C\n")];
        assert_eq!(first_lines(&files).len(), 1);
    }
}
