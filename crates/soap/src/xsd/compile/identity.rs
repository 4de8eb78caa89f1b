//! Identity constraints and their subset of XPath.

use super::{At, Compiler};
use crate::name::{NsId, XML};
use crate::xml::is_ncname;
use crate::xsd::model::{Constraint, ConstraintId, ConstraintKind, NameTest, Path};

impl<'d> Compiler<'_, 'd> {
    pub(super) fn read_constraint(&mut self, at: At<'d>) -> Option<ConstraintId> {
        let local = at.attribute("name")?;
        let name = self.s.symbols.add(self.target(at), local);
        let selector = at.named("selector")?;
        let selector_text = selector.attribute("xpath").unwrap_or_default();
        let paths = self.paths(selector, selector_text, false)?;
        let (mut fields, mut texts) = (Vec::new(), Vec::new());
        for field in at.children().filter(|child| child.is("field")) {
            let text = field.attribute("xpath").unwrap_or_default();
            fields.push(self.paths(field, text, true)?);
            texts.push(text.into());
        }
        let id = ConstraintId::at(self.s.constraints.len());
        let kind = match at.node.tag_name().name() {
            "key" => ConstraintKind::Key,
            "unique" => ConstraintKind::Unique,
            _ => {
                let refer = self.constraint_name(at, at.attribute("refer")?)?;
                self.pending.keyrefs.push((id, refer, at));
                // Itself, until the other one is found.
                ConstraintKind::Keyref(id)
            }
        };
        self.s.constraints.push(Constraint {
            name,
            kind,
            selector: paths,
            fields,
            xpaths: (selector_text.into(), texts),
            place: self.place(at),
            handed_up: false,
        });
        if self.constraint_names.insert(name, id).is_some() {
            let message = format!("a second identity constraint {}", self.s.text_of(name));
            self.fault(at, "sch-props-correct.2", message);
        }
        Some(id)
    }

    /// Finds what each keyref refers to.
    pub(super) fn join_keyrefs(&mut self) {
        for (id, refer, at) in std::mem::take(&mut self.pending.keyrefs) {
            let target = self.constraint_names.get(&refer).copied();
            let target = target.filter(|t| {
                !matches!(self.s.constraints[t.index()].kind, ConstraintKind::Keyref(_))
            });
            let Some(target) = target else {
                let message = format!("there is no key or unique {}", self.s.text_of(refer));
                self.fault(at, "src-resolve", message);
                continue;
            };
            let count = |id: ConstraintId| self.s.constraints[id.index()].fields.len();
            if count(id) != count(target) {
                let message =
                    format!("a keyref with {} fields, its key has {}", count(id), count(target));
                self.fault(at, "c-props-correct.2", message);
                continue;
            }
            self.s.constraints[id.index()].kind = ConstraintKind::Keyref(target);
            let both = |c: &[ConstraintId]| c.contains(&id) && c.contains(&target);
            if !self.s.elements.iter().any(|element| both(&element.constraints)) {
                self.s.constraints[target.index()].handed_up = true;
            }
        }
    }

    fn paths(&mut self, at: At<'d>, text: &str, field: bool) -> Option<Vec<Path>> {
        let mut paths = Vec::new();
        for part in text.split('|') {
            match self.path(at, part.trim(), field) {
                Ok(path) => paths.push(path),
                Err(reason) => {
                    let rule = if field { "c-fields-xpaths" } else { "c-selector-xpath" };
                    self.fault(at, rule, format!("{text:?}: {reason}"));
                    return None;
                }
            }
        }
        Some(paths)
    }

    fn path(&mut self, at: At<'d>, text: &str, field: bool) -> Result<Path, String> {
        let mut rest = text;
        let mut path = Path { descendants: false, steps: Vec::new(), attribute: None };
        if let Some(after) = rest.strip_prefix('.')
            && let Some(after) = after.trim_start().strip_prefix("//")
        {
            path.descendants = true;
            rest = after.trim_start();
        }
        let steps: Vec<&str> = rest.split('/').map(str::trim).collect();
        for (index, step) in steps.iter().enumerate() {
            let last = index + 1 == steps.len();
            let attribute = step.strip_prefix('@').or_else(|| {
                step.strip_prefix("attribute").and_then(|s| s.trim_start().strip_prefix("::"))
            });
            if let Some(name) = attribute {
                if !field || !last {
                    return Err("an attribute may only end a field".to_owned());
                }
                path.attribute = Some(self.name_test(at, name.trim())?);
                continue;
            }
            if *step == "." {
                continue;
            }
            let name = step.strip_prefix("child").and_then(|s| s.trim_start().strip_prefix("::"));
            let test = self.name_test(at, name.unwrap_or(step).trim())?;
            path.steps.push(test);
        }
        Ok(path)
    }

    fn name_test(&mut self, at: At<'d>, text: &str) -> Result<NameTest, String> {
        if text == "*" {
            return Ok(NameTest::Any);
        }
        let (prefix, local) = text.split_once(':').unwrap_or(("", text));
        if !(local == "*" || is_ncname(local))
            || text.starts_with(':')
            || !(prefix.is_empty() || is_ncname(prefix))
        {
            return Err(format!("{text:?} is no step of the paths that are allowed here"));
        }
        let namespace = match prefix {
            "" => NsId::NONE,
            "xml" => self.s.symbols.add_namespace(XML),
            _ => match at.node.lookup_namespace_uri(Some(prefix)) {
                Some(uri) => self.s.symbols.add_namespace(uri),
                None => return Err(format!("the prefix {prefix:?} is not declared")),
            },
        };
        if local == "*" {
            return Ok(NameTest::Namespace(namespace));
        }
        Ok(NameTest::Name(self.s.symbols.add(namespace, local)))
    }
}
