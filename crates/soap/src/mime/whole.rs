//! A message in parts that is there as a whole.

use super::{Event, Limits, PartHead, Reader, Related, head::wrong};
use crate::Fault;

/// Its parts: the root, and the others in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// What the root says about itself.
    pub head: PartHead,
    /// What is in the root.
    pub root: Vec<u8>,
    /// The others.
    pub parts: Vec<(PartHead, Vec<u8>)>,
}

impl Whole {
    /// Takes a message apart.
    ///
    /// # Errors
    /// When it is no message in parts, more than the limits allow, or has no root.
    pub fn read(related: &Related, limits: Limits, bytes: &[u8]) -> Result<Self, Box<Fault>> {
        let mut reader = Reader::new(related, limits);
        reader.feed(bytes);
        reader.finish();
        let mut parts: Vec<(PartHead, Vec<u8>)> = Vec::new();
        loop {
            match reader.pull()? {
                Event::Part => parts.push((reader.part().clone(), Vec::new())),
                Event::Data => {
                    if let Some((_, content)) = parts.last_mut() {
                        content.extend_from_slice(reader.data());
                    }
                }
                Event::Eof | Event::NeedMore => break,
                Event::End => {}
            }
        }
        let root = parts.iter().enumerate().position(|(at, (head, _))| related.is_root(head, at));
        let Some(root) = root else {
            return Err(wrong("no part of the message has the identifier that start names"));
        };
        let twice =
            |id: &String| parts.iter().filter(|(head, _)| head.id.as_ref() == Some(id)).count() > 1;
        if let Some(id) = parts.iter().filter_map(|(head, _)| head.id.as_ref()).find(|id| twice(id))
        {
            return Err(wrong(format!("two parts of the message have the identifier {id:?}")));
        }
        let (head, root) = parts.remove(root);
        Ok(Self { head, root, parts })
    }
}

impl Related {
    /// Whether a part is the root: the one that `start` names, or the first. `at` counts from 0.
    #[must_use]
    pub fn is_root(&self, head: &PartHead, at: usize) -> bool {
        match &self.start {
            Some(start) => head.id.as_ref() == Some(start),
            None => at == 0,
        }
    }
}
