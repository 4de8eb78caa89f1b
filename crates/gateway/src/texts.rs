//! Many short texts in one, so that those that are read together lie together.

use crate::soon::soon;

/// Texts, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Texts(String);

/// Where a text stands in its [`Texts`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Text {
    start: u32,
    length: u32,
}

impl Text {
    /// Its length in bytes.
    #[inline]
    pub(crate) fn len(self) -> usize {
        self.length as usize
    }
}

impl Texts {
    /// Adds one. Past 4 GiB, which no configuration has, it would be empty.
    pub(crate) fn add(&mut self, text: &str) -> Text {
        let (start, length) = (u32::try_from(self.0.len()), u32::try_from(text.len()));
        let (Ok(start), Ok(length)) = (start, length) else { return Text::default() };
        self.0.push_str(text);
        Text { start, length }
    }

    /// The text that was added there.
    #[inline]
    pub(crate) fn get(&self, text: Text) -> &str {
        let start = text.start as usize;
        self.0.get(start..start + text.length as usize).unwrap_or_default()
    }

    /// A text will be read soon, and what was added with it.
    #[inline]
    pub(crate) fn soon(&self, text: Text) {
        if let Some(first) = self.0.as_bytes().get(text.start as usize) {
            soon(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_given_back_as_they_were_added() {
        let mut texts = Texts::default();
        let added: Vec<_> = ["rates", "", "ü"].map(|text| (texts.add(text), text)).into();
        for (place, text) in added {
            assert_eq!(texts.get(place), text);
        }
        assert_eq!(texts.get(Text::default()), "");
    }
}
