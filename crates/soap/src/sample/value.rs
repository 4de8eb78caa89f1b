//! Values: guesses by type, and the first that the facets let pass.

use super::Sampler;
use crate::xsd::model::TypeId;
use crate::xsd::values::{
    Builtin, Primitive, SimpleType, Variety, write_decimal, write_double, write_float,
};

impl Sampler<'_> {
    /// A value of a simple type, its white space processed.
    pub(super) fn value(&mut self, ty: TypeId) -> Option<String> {
        let simple = self.schemas.simple_content(ty)?;
        let compiled = std::sync::Arc::clone(&simple.compiled);
        self.text(&compiled, 0)
    }

    fn text(&mut self, ty: &SimpleType, depth: usize) -> Option<String> {
        if depth > 8 {
            return None;
        }
        for _ in 0..24 {
            let Some(guess) = self.guess(ty, depth) else { continue };
            let mut scratch = String::new();
            if let Ok(text) = ty.check(&guess, &(), &mut scratch) {
                let spelled = canonical(ty, text);
                // A pattern may ask for another spelling.
                let fits =
                    ty.facets.patterns.is_empty() || ty.check_normalised(&spelled, &()).is_ok();
                return Some(if fits { spelled } else { text.to_owned() });
            }
        }
        None
    }

    fn guess(&mut self, ty: &SimpleType, depth: usize) -> Option<String> {
        if let Some(enumeration) = &ty.facets.enumeration {
            return enumeration.lexicals.get(self.pick(enumeration.lexicals.len())).cloned();
        }
        if let Some(step) = ty.facets.patterns.last() {
            return Some(step.regex.sample(&mut |limit| self.pick(limit)));
        }
        match &ty.variety {
            Variety::Atomic => Some(self.atom(ty)),
            Variety::Union(members) => {
                let member = members.get(self.pick(members.len()))?;
                self.text(member, depth + 1)
            }
            Variety::List(item) => {
                let least = ty.facets.length.or(ty.facets.min_length).unwrap_or(0);
                let most =
                    ty.facets.length.or(ty.facets.max_length).unwrap_or(least + 3).min(least + 3);
                let count = least as usize + self.pick((most - least) as usize + 1);
                let items: Option<Vec<_>> =
                    (0..count).map(|_| self.text(item, depth + 1)).collect();
                Some(items?.join(" "))
            }
        }
    }

    fn atom(&mut self, ty: &SimpleType) -> String {
        let facets = &ty.facets;
        // The bounds themselves are always worth a try.
        let bounds = [facets.min.as_ref(), facets.max.as_ref()];
        if let Some(Some(bound)) = bounds.get(self.pick(5)) {
            return bound.lexical.clone();
        }
        match ty.primitive() {
            Primitive::Boolean => self.one_of(&["true", "false"]),
            Primitive::Decimal => self.decimal(ty),
            Primitive::Float => {
                self.one_of(&["0", "1.5", "-2.25", "INF", "-INF", "NaN", "1e10", "0.1"])
            }
            Primitive::Double => {
                self.one_of(&["0", "1.5", "-2.25", "INF", "NaN", "1e300", "0.1", "123456789.125"])
            }
            Primitive::Duration => self.one_of(&["P1Y", "PT1.5S", "-P3D", "P1Y2M3DT4H5M6S"]),
            Primitive::DateTime => self.one_of(&[
                "2026-11-25T24:00:00",
                "1999-12-31T23:59:59.999Z",
                "2026-01-01T00:00:00+02:00",
            ]),
            Primitive::Time => self.one_of(&["24:00:00", "13:20:00-05:00", "00:00:00.001"]),
            Primitive::Date => self.one_of(&["2026-11-25", "2000-02-29Z", "1970-01-01+01:00"]),
            Primitive::GYearMonth => self.one_of(&["2026-11", "1999-01Z"]),
            Primitive::GYear => self.one_of(&["2026", "-0044"]),
            Primitive::GMonthDay => self.one_of(&["--02-29", "--12-31Z"]),
            Primitive::GDay => self.one_of(&["---31", "---01Z"]),
            Primitive::GMonth => self.one_of(&["--11", "--02+01:00"]),
            Primitive::QName | Primitive::Notation => self.one_of(&["local", "other"]),
            Primitive::HexBinary => self.sized(ty, |n| "A7".repeat(n)),
            Primitive::Base64Binary => self.sized(ty, |n| {
                let rest = ["", "YQ==", "YWI="];
                format!("{}{}", "YWJj".repeat(n / 3), rest.get(n % 3).unwrap_or(&""))
            }),
            Primitive::AnyUri => {
                self.sized(ty, |n| "urn:example:a-b-c-d-e-f".chars().cycle().take(n).collect())
            }
            Primitive::String | Primitive::AnySimpleType => self.string(ty),
        }
    }

    fn one_of(&mut self, choices: &[&str]) -> String {
        choices.get(self.pick(choices.len())).copied().unwrap_or("").to_owned()
    }

    fn decimal(&mut self, ty: &SimpleType) -> String {
        let most = ty.facets.total_digits.unwrap_or(30).min(30) as usize;
        let fraction = ty.facets.fraction_digits.unwrap_or(6).min(most as u64) as usize;
        let digits = 1 + self.pick(most);
        let mut text = String::new();
        if self.chance(4) {
            text.push('-');
        }
        let after = self.pick(fraction + 1).min(digits - 1);
        for at in 0..digits {
            if at == digits - after {
                text.push('.');
            }
            let digit = if at == 0 { 1 + self.pick(9) } else { self.pick(10) };
            text.push(char::from_digit(u32::try_from(digit).unwrap_or(0), 10).unwrap_or('0'));
        }
        if self.chance(6) { self.one_of(&["0", "1", "5", "10", "100", "-1"]) } else { text }
    }

    fn length(&mut self, ty: &SimpleType) -> usize {
        let facets = &ty.facets;
        let least = facets.length.or(facets.min_length).unwrap_or(0);
        let most = facets.length.or(facets.max_length).unwrap_or(least + 12).min(least + 12);
        usize::try_from(least).unwrap_or(0).min(100_000)
            + self.pick(usize::try_from(most - least).unwrap_or(0) + 1)
    }

    fn sized(&mut self, ty: &SimpleType, make: impl Fn(usize) -> String) -> String {
        let length = self.length(ty);
        make(length)
    }

    fn string(&mut self, ty: &SimpleType) -> String {
        let length = self.length(ty);
        if ty.builtin == Builtin::Language {
            return self.one_of(&["en", "es-419", "de"]);
        }
        if ty.builtin.derives_from(Builtin::Name) || ty.builtin == Builtin::NmToken {
            self.next += 1;
            let name = format!("n{}", self.next);
            let pad = length.saturating_sub(name.len());
            return name + &"x".repeat(pad);
        }
        let alphabet = ['a', 'B', 'ñ', '7', '&', '<', '"', '😀', '\'', ']', '>', '.', 'z'];
        (0..length)
            .map(|_| alphabet.get(self.pick(alphabet.len())).copied().unwrap_or('a'))
            .collect()
    }
}

/// The spelling that comes back from JSON.
fn canonical(ty: &SimpleType, text: &str) -> String {
    match &ty.variety {
        Variety::List(item) => {
            let words: Vec<_> = text
                .split(' ')
                .filter(|w| !w.is_empty())
                .map(|word| canonical(item, word))
                .collect();
            return words.join(" ");
        }
        Variety::Union(_) => {
            let Ok(member) = ty.member(text, &()) else { return text.to_owned() };
            return canonical(member, text);
        }
        Variety::Atomic => {}
    }
    let write: fn(&str, &mut Vec<u8>) = match ty.primitive() {
        Primitive::Decimal => write_decimal,
        Primitive::Float => write_float,
        Primitive::Double => write_double,
        Primitive::HexBinary => return text.to_ascii_uppercase(),
        Primitive::Boolean => {
            return if matches!(text, "1" | "true") { "true" } else { "false" }.to_owned();
        }
        Primitive::Base64Binary => return text.replace(' ', ""),
        _ => return text.to_owned(),
    };
    let mut out = Vec::new();
    write(text, &mut out);
    String::from_utf8(out).unwrap_or_default().trim_matches('"').to_owned()
}
