//! Broken files and what is said about them: one `.case` file each, input above a line of dashes,
//! the expected words below it. `UPDATE=1` rewrites the words; review them as prose.

use std::{fs, path::Path};

use pasarela::commands::check::{Format, render};

const LINE: &str =
    "\n--------------------------------------------------------------------------------\n";

#[test]
fn every_broken_file_is_told_what_is_wrong() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/cases");
    let mut names: Vec<_> =
        fs::read_dir(&cases).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let mut wrong = Vec::new();
    for path in &names {
        assert!(path.extension().is_some_and(|e| e == "case"), "{} is never run", path.display());
        if !check(path) {
            wrong.push(path.file_stem().unwrap().to_string_lossy().into_owned());
        }
    }
    assert!(names.len() >= 25, "cases are missing");
    assert!(wrong.is_empty(), "these cases say something else now: {wrong:?}");
}

#[test]
fn every_kind_of_fault_has_a_case() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/cases");
    let all: String = fs::read_dir(&cases)
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    // A file that is not there, not text or too large is no text to put into a case.
    let elsewhere = ["CF0001", "CF0003", "CF0007"];
    for code in pasarela::config::Code::ALL.iter().map(|code| code.code()) {
        let shown = all.contains(&format!("[{code}]"));
        assert!(shown || elsewhere.contains(&code), "{code} is in no case");
    }
}

fn check(path: &Path) -> bool {
    let case = fs::read_to_string(path).unwrap();
    let (input, expected) = case.split_once(LINE).unwrap_or((case.trim_end_matches('\n'), ""));
    let result = super::read(input);
    let shown = render(Path::new("pasarela.yaml"), &result, Format::Text);
    let shown = shown.replace(&format!("{}/", super::folder().display()), "");
    if shown == expected {
        return true;
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, format!("{input}{LINE}{shown}")).unwrap();
        return true;
    }
    let name = path.file_name().unwrap().to_string_lossy();
    eprintln!("==== {name}: expected\n{expected}==== but it says\n{shown}");
    false
}
