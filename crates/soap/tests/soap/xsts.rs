//! The W3C XML Schema Test Suite, as far as the corpus beside the workspace has it: schemas that have to load or be
//! refused, documents that have to be valid or not.
//!
//! `xsts-waivers.txt` lists the tests that we do not pass, each with its reason. A test that fails and is not in the
//! list fails this one; so does one that is in the list and passes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

use pasarela_soap::xml::Reader;
use pasarela_soap::xsd::{Document, Mode, Options, Resolver, Root, Schemas, Start, validate};
use pasarela_soap::{Fault, Limits};

const SUITE: &str = "http://www.w3.org/XML/2004/xml-schema-test-suite/";
const XLINK: &str = "http://www.w3.org/1999/xlink";
const WAIVERS: &str = include_str!("xsts-waivers.txt");

#[test]
fn the_w3c_schema_test_suite() {
    let Some(suite) = unpacked("xsts") else {
        eprintln!("skipped: the corpus is not beside the workspace");
        return;
    };
    let waivers = waivers();
    let mut score = Score::default();
    for set in test_sets(&suite) {
        run_set(&set, &mut score);
    }
    eprintln!("{}", score.summary());
    if let Some(file) = std::env::var_os("XSTS_REPORT") {
        std::fs::write(file, score.report()).expect("a report can be written");
    }
    let failed: BTreeSet<&str> = score.failures.keys().map(String::as_str).collect();
    let new: Vec<_> = failed.iter().filter(|id| !waivers.contains_key(**id)).collect();
    let passing: Vec<_> = waivers.keys().filter(|id| !failed.contains(**id)).collect();
    for id in &new {
        eprintln!("fails: {id}: {}", score.failures[**id]);
    }
    assert!(new.is_empty(), "{} tests fail that are not waived", new.len());
    assert!(passing.is_empty(), "waived, and they pass: take them off the list: {passing:?}");
    assert!(score.share() >= 0.99, "{}", score.summary());
}

/// A part of the corpus, unpacked first if need be.
pub(crate) fn unpacked(part: &str) -> Option<PathBuf> {
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let target = workspace.join("target/corpus");
    if !target.join(part).is_dir() {
        let archive = workspace
            .ancestors()
            .map(|folder| folder.join(format!("shared/corpus/{part}.tar.xz")))
            .find(|archive| archive.is_file())?;
        std::fs::create_dir_all(&target).ok()?;
        let status = Command::new("tar").arg("-xJf").arg(archive).arg("-C").arg(&target).status();
        assert!(status.is_ok_and(|status| status.success()), "the corpus cannot be unpacked");
    }
    Some(target.join(part))
}

fn test_sets(suite: &Path) -> Vec<PathBuf> {
    let mut sets = Vec::new();
    for folder in ["msMeta", "sunMeta", "boeingMeta"] {
        let files = std::fs::read_dir(suite.join(folder)).expect("the suite has the folder");
        let files = files.filter_map(|file| Some(file.ok()?.path()));
        sets.extend(files.filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.ends_with(".testSet") || name.ends_with("_w3c.xml")
        }));
    }
    sets.sort();
    sets
}

fn waivers() -> BTreeMap<&'static str, &'static str> {
    let lines = WAIVERS.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (id, reason) = line.split_once('|').expect("a waiver is `id | reason`");
            assert!(!reason.trim().is_empty(), "{id}: a waiver needs a reason");
            (id.trim(), reason.trim())
        })
        .collect()
}

#[derive(Default)]
struct Score {
    schemas: (usize, usize),
    instances: (usize, usize),
    failures: BTreeMap<String, String>,
}

impl Score {
    fn note(&mut self, id: String, schema: bool, expected: bool, outcome: Result<(), String>) {
        let count = if schema { &mut self.schemas } else { &mut self.instances };
        count.1 += 1;
        if outcome.is_ok() == expected {
            count.0 += 1;
            return;
        }
        let text = match outcome {
            Ok(()) => "accepted, and it is invalid".to_owned(),
            Err(reason) => format!("refused, and it is valid: {reason}"),
        };
        self.failures.insert(id, text);
    }

    fn share(&self) -> f64 {
        let passed = (self.schemas.0 + self.instances.0) as f64;
        passed / (self.schemas.1 + self.instances.1).max(1) as f64
    }

    fn summary(&self) -> String {
        format!(
            "schema tests {} of {}, instance tests {} of {}: {:.2} %",
            self.schemas.0,
            self.schemas.1,
            self.instances.0,
            self.instances.1,
            self.share() * 100.0
        )
    }

    fn report(&self) -> String {
        let mut text = self.summary();
        for (id, reason) in &self.failures {
            let _ = write!(text, "\n{id}\t{}", reason.replace('\n', " "));
        }
        text
    }
}

fn run_set(path: &Path, score: &mut Score) {
    let text = std::fs::read_to_string(path).expect("a test set is text");
    let tree = roxmltree::Document::parse(&text).expect("a test set is XML");
    let set = tree.root_element().attribute("name").unwrap_or_default().to_owned();
    let folder = path.parent().expect("a test set is in a folder");
    for group in tree.root_element().children().filter(|n| n.has_tag_name((SUITE, "testGroup"))) {
        if is_for_11(group) {
            continue;
        }
        run_group(&set, group, folder, score);
    }
}

fn run_group(set: &str, group: roxmltree::Node<'_, '_>, folder: &Path, score: &mut Score) {
    let group_name = group.attribute("name").unwrap_or_default();
    let mut loaded: Option<(Schemas, Vec<Fault>)> = None;
    let mut given: Vec<PathBuf> = Vec::new();
    for test in group.children().filter(|n| n.is_element()) {
        let schema = test.has_tag_name((SUITE, "schemaTest"));
        if !schema && !test.has_tag_name((SUITE, "instanceTest")) {
            continue;
        }
        let name = test.attribute("name").unwrap_or_default();
        let kind = if schema { "schema" } else { "instance" };
        let id = format!("{set}/{group_name}/{kind}/{name}");
        let documents = documents(test, folder);
        if schema {
            loaded = guarded(|| load(&documents));
            given.clone_from(&documents);
        }
        // The suite's instances also say where schemas are that their test does not name.
        let hinted: Vec<PathBuf> = given.iter().cloned().chain(hinted(&documents)).collect();
        let with_hints = if schema { None } else { guarded(|| load(&hinted)) };
        let broken = |l: &Option<(Schemas, Vec<Fault>)>| {
            l.as_ref().is_none_or(|(_, faults)| faults.iter().any(Fault::is_error))
        };
        let use_hints = !schema && (given.is_empty() || !broken(&with_hints));
        let loaded = if use_hints { &with_hints } else { &loaded };
        let Some(expected) = expected(test).filter(|_| !is_for_11(test)) else { continue };
        let outcome = match (loaded, schema) {
            (None, _) => Err("panic".to_owned()),
            (Some((_, faults)), true) => match faults.iter().find(|fault| fault.is_error()) {
                Some(fault) => Err(fault.to_string()),
                None => Ok(()),
            },
            (Some((_, faults)), false) if given.is_empty() && broken(&with_hints) => {
                Err(faults.iter().map(Fault::to_string).collect())
            }
            (Some((schemas, _)), false) => {
                guarded(|| instance(schemas, &documents)).unwrap_or(Err("panic".to_owned()))
            }
        };
        // A panic is never what was expected.
        let expected = expected || outcome.as_ref().is_err_and(|reason| reason == "panic");
        score.note(id, schema, expected, outcome);
    }
}

fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).ok()
}

fn is_for_11(node: roxmltree::Node<'_, '_>) -> bool {
    node.attribute("version").is_some_and(|v| v.contains("1.1") && !v.contains("1.0"))
}

/// What the suite expects for XSD 1.0 and today's Unicode.
fn expected(test: roxmltree::Node<'_, '_>) -> Option<bool> {
    let all = test.children().filter(|n| n.has_tag_name((SUITE, "expected")));
    let ours = |version: Option<&str>| match version {
        None => true,
        Some(version) => version.contains("1.0") || version.contains("Unicode_6"),
    };
    let mut ours = all.filter(|expected| ours(expected.attribute("version")));
    match ours.next()?.attribute("validity")? {
        "valid" => Some(true),
        "invalid" => Some(false),
        _ => None,
    }
}

fn documents(test: roxmltree::Node<'_, '_>, folder: &Path) -> Vec<PathBuf> {
    test.children()
        .filter(|n| {
            n.has_tag_name((SUITE, "schemaDocument")) || n.has_tag_name((SUITE, "instanceDocument"))
        })
        .filter_map(|n| n.attribute((XLINK, "href")))
        .map(|href| normal(&folder.join(href)))
        .collect()
}

fn hinted(instances: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in instances {
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        let Ok(tree) = roxmltree::Document::parse(&text) else { continue };
        let root = tree.root_element();
        let xsi = "http://www.w3.org/2001/XMLSchema-instance";
        let pairs = root.attribute((xsi, "schemaLocation")).unwrap_or_default();
        let pairs = pairs.split_ascii_whitespace().skip(1).step_by(2);
        let single = root.attribute((xsi, "noNamespaceSchemaLocation"));
        for location in pairs.chain(single) {
            found.push(normal(&path.parent().unwrap_or(path).join(location)));
        }
    }
    found
}

/// A path without `.` and `..`, so that one file has one name.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                normal.pop();
            }
            std::path::Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

/// Documents beside each other in the file system.
pub(crate) struct Files;

impl Resolver for Files {
    fn resolve(
        &mut self,
        _: Option<&str>,
        location: Option<&str>,
        base: &str,
    ) -> Result<Option<Document>, String> {
        let Some(location) = location else { return Ok(None) };
        let folder = Path::new(base).parent().unwrap_or(Path::new(""));
        let path = normal(&folder.join(location));
        Ok(read(&path))
    }
}

fn read(path: &Path) -> Option<Document> {
    let bytes = std::fs::read(path).ok()?;
    Some(Document { url: path.to_string_lossy().into_owned(), bytes })
}

fn load(documents: &[PathBuf]) -> (Schemas, Vec<Fault>) {
    let roots = documents.iter().filter_map(|path| read(path)).map(Root::Document).collect();
    let limits = Limits { depth: 1_000, attributes: 4_000, ..Limits::import() };
    Schemas::load(roots, &mut Files, &Options { strict: true, limits, ..Options::default() })
}

fn instance(schemas: &Schemas, documents: &[PathBuf]) -> Result<(), String> {
    for path in documents {
        let bytes = std::fs::read(path).map_err(|fault| fault.to_string())?;
        let limits = Limits { depth: 1_000, attributes: 4_000, ..Limits::import() };
        let mut reader = Reader::with(&bytes, None, &schemas.symbols, &limits)
            .map_err(|fault| fault.to_string())?;
        let faults = validate(schemas, &mut reader, Start::Global, Mode::default());
        if let Some(fault) = faults.first() {
            return Err(fault.to_string());
        }
    }
    Ok(())
}
