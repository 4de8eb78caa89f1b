//! Links between our own pages lead somewhere: the file is there, and so is the heading.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::command::root;
use crate::source::File;

pub(super) fn faults(files: &[File]) -> Vec<String> {
    let pages: BTreeMap<&str, BTreeSet<String>> = files
        .iter()
        .filter(|file| file.is_markdown())
        .map(|file| (file.path.as_str(), anchors(&file.text)))
        .collect();
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| file.is_markdown()) {
        for (number, target) in links(&file.text) {
            if let Some(why) = broken(&file.path, &target, &pages) {
                faults.push(format!("{}:{number}: {target}: {why}", file.path));
            }
        }
    }
    faults
}

fn broken(page: &str, target: &str, pages: &BTreeMap<&str, BTreeSet<String>>) -> Option<String> {
    let outside = target.contains("://") || target.starts_with("mailto:");
    if outside {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() { page.to_owned() } else { resolve(page, path) };
    if !root().join(&path).exists() && !pages.contains_key(path.as_str()) {
        return Some("there is no such file".to_owned());
    }
    let anchors = pages.get(path.as_str())?;
    (!anchor.is_empty() && !anchors.contains(anchor)).then(|| format!("{path} has no such heading"))
}

/// A link's path, from the root of the repository.
fn resolve(page: &str, link: &str) -> String {
    let mut path = PathBuf::new();
    for part in Path::new(page).parent().unwrap_or(Path::new("")).join(link).components() {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            Component::Normal(name) => path.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => (),
        }
    }
    path.to_string_lossy().into_owned()
}

/// The targets of `[text](target)` outside code, with their line.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut list = Vec::new();
    for (number, line) in outside_fences(text) {
        // Code between backticks: every second piece.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        let mut rest = prose.as_str();
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, tail)) = after.split_once(')') else { break };
            list.push((number, target.split(' ').next().unwrap_or_default().to_owned()));
            rest = tail;
        }
    }
    list
}

/// The anchors that headings get: lower case, spaces to hyphens, punctuation gone.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    for (_, line) in outside_fences(text) {
        let Some(heading) = line.strip_prefix('#') else { continue };
        let anchor: String = heading
            .trim_start_matches('#')
            .trim()
            .to_lowercase()
            .chars()
            .filter_map(|letter| match letter {
                ' ' => Some('-'),
                '-' | '_' => Some(letter),
                _ => letter.is_alphanumeric().then_some(letter),
            })
            .collect();
        let count = seen.entry(anchor.clone()).or_default();
        anchors.insert(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
        *count += 1;
    }
    anchors
}

fn outside_fences(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut inside = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            inside = !inside;
            return None;
        }
        (!inside).then_some((index + 1, line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_followed_to_its_heading() {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let guide = "See [limits](../reference/limits.md#body-size-l12), [gone](gone.md), [no](../reference/limits.md#no), `[x](y)`.\n```\n[z](z)\n```\n";
        let files = [
            file("docs/guide/a.md", guide),
            file("docs/reference/limits.md", "# Limits\n## Body size (L12)\n"),
        ];
        let found = faults(&files);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].starts_with("docs/guide/a.md:1: gone.md: there is no such file"),
            "{found:?}"
        );
        assert!(found[1].contains("has no such heading"), "{found:?}");
    }
}
