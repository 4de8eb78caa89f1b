//! `pasarela publish --update`: the contract of an API that is there, brought again.
//!
//! The file of the configuration stays as it is: the contract itself keeps its file's name. The old documents and the new
//! ones change places in one step, after the new ones were read with everything that the file says about the API.

use std::{fmt::Write as _, path::PathBuf};

use serde_json::json;

use super::{Code, Format, Job, Refusal, Staged, Stop, refusal};
use crate::{
    config::edit,
    import::{Bundle, LOCK_FILE, Lock},
};

/// What became of the documents, by where they came from.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    new: Vec<String>,
    changed: Vec<String>,
    gone: Vec<String>,
}

impl Job<'_> {
    pub(super) fn update(self, bundle: Bundle) -> Result<String, Stop> {
        let (text, span, path, old) = self.stored()?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bundle = bundle.called(&file);
        let changes = Changes::between(&old, bundle.lock());
        let untouched = old.verify(&path).is_empty();
        if changes == Changes::default() && untouched {
            return Ok(self.told(&changes));
        }
        let folder = path.parent().unwrap_or(&path).to_path_buf();
        let staged = Staged::new(&bundle, &folder)?;
        let there = self.relative(&staged.made().join(&file));
        let trial = edit::replace(text, span, &there);
        self.accepted(&trial.ok_or_else(|| self.not_stored("is written in several lines"))?)?;
        let ours = |name: &str| name == LOCK_FILE || old.by_file(name).is_some();
        staged.exchange(&ours)?;
        Ok(self.told(&changes))
    }

    /// The text, where the contract stands in it, its file and its lock.
    fn stored(&self) -> Result<(&str, crate::config::Span, PathBuf, Lock), Stop> {
        let text = self.place.text.as_deref().unwrap_or_default();
        let found = edit::find_api(text, &self.name, self.version);
        let Some((contract, span)) = found.and_then(|api| api.contract) else {
            // Of a file that is no configuration, that is what there is to say.
            self.accepted(text)?;
            return Err(self.not_stored("is not there").into());
        };
        let path = self.place.folder().join(&contract);
        match Lock::of(&path) {
            Ok(Some(lock))
                if lock
                    .by_file(&path.file_name().unwrap_or_default().to_string_lossy())
                    .is_some() =>
            {
                Ok((text, span, path, lock))
            }
            _ => Err(self.not_stored("has no lock file").into()),
        }
    }

    fn not_stored(&self, why: &str) -> Refusal {
        let Self { name, version, .. } = self;
        let file = self.place.path.display();
        let message =
            format!("{name}, version {version}, has no stored contract in {file}: it {why}.");
        let cure = "Without --update an API is added. A contract that is a file of yours is changed there; a running `pasarela serve` takes it up.";
        refusal(Code::NotStored, message, cure.to_owned())
    }

    fn told(&self, changes: &Changes) -> String {
        let Self { name, version, .. } = self;
        let Changes { new, changed, gone } = changes;
        if self.args.format == Format::Json {
            let told = json!({
                "published": true, "name": name, "version": version,
                "new": new, "changed": changed, "gone": gone,
            });
            return format!("{told:#}\n");
        }
        let mut out = String::new();
        for (what, urls) in [("new", new), ("changed", changed), ("gone", gone)] {
            for url in urls {
                let _ = writeln!(out, "  {what:<7}  {url}");
            }
        }
        match out.is_empty() {
            true => format!("{name}, version {version}: the contract is as it was.\n"),
            false => format!(
                "{name}, version {version}, has a new contract:\n{out}A `pasarela serve` that runs takes it up by itself.\n"
            ),
        }
    }
}

impl Changes {
    fn between(old: &Lock, new: &Lock) -> Self {
        let find = |lock: &'_ Lock, url: &str| {
            lock.documents
                .iter()
                .find(|locked| locked.url == url)
                .map(|locked| locked.sha256.clone())
        };
        let mut changes = Self::default();
        for locked in &new.documents {
            match find(old, &locked.url) {
                None => changes.new.push(locked.url.clone()),
                Some(sha256) if sha256 != locked.sha256 => changes.changed.push(locked.url.clone()),
                Some(_) => (),
            }
        }
        let gone = old.documents.iter().filter(|locked| find(new, &locked.url).is_none());
        changes.gone = gone.map(|locked| locked.url.clone()).collect();
        changes
    }
}
