//! Samples with bytes changed at random, by seed, through the properties of the fuzz targets.

use std::sync::Arc;

use pasarela_soap::sample::Sampler;
use pasarela_soap::transcode::{Options, Plan};
use pasarela_soap::xsd::Schemas;

use crate::transcode_samples::there_and_back;

#[path = "../../../../fuzz/src/transcode.rs"]
mod fuzz;

const SEEDS: u64 = 600;

#[test]
fn what_the_transcoders_take_comes_back_whatever_is_changed_in_it() {
    let (schemas, faults) =
        Schemas::from_bytes("fuzz.xsd", include_bytes!("../../../../fuzz/src/transcode.xsd"));
    assert!(faults.iter().all(|fault| !fault.is_error()), "{faults:?}");
    let plan = Plan::new(Arc::new(schemas), Options::default());
    let (element, _) = plan.schemas().global_elements().next().unwrap();
    for seed in 0..SEEDS {
        let Some(xml) = Sampler::new(plan.schemas(), seed).document(element) else { continue };
        let json =
            there_and_back(&plan, element, &xml).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        let mut draw = Draw(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..6 {
            fuzz::xml(&changed(xml.as_bytes(), &mut draw));
            fuzz::json(&changed(json.as_bytes(), &mut draw));
        }
    }
}

#[test]
fn values_and_patterns_hold_for_whatever_bytes() {
    let mut draw = Draw(7);
    let alphabet = b"0123456789+-.eETZPYMDHS:INFaz \\[](){}*?|,^$pLuIsGreek\n";
    for _ in 0..20_000 {
        let bytes: Vec<u8> =
            (0..draw.below(24)).map(|_| alphabet[draw.below(alphabet.len())]).collect();
        fuzz::regex(&bytes);
        let mut chosen = vec![u8::try_from(draw.below(256)).unwrap()];
        chosen.extend(bytes);
        fuzz::values(&chosen);
    }
}

struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % limit.max(1)
    }
}

/// A few bytes changed, taken out, or copied from elsewhere in the text.
fn changed(text: &[u8], draw: &mut Draw) -> Vec<u8> {
    let mut bytes = text.to_vec();
    for _ in 0..=draw.below(3) {
        let at = draw.below(bytes.len());
        let length = 1 + draw.below(12);
        let end = (at + length).min(bytes.len());
        match draw.below(4) {
            0 => bytes[at] = b"0159-.\"{}[],:<>/ aeNt$@"[draw.below(23)],
            1 => drop(bytes.drain(at..end)),
            2 => {
                let piece = bytes[at..end].to_vec();
                let to = draw.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => {
                // Members and elements from one comma or tag to the next change their places.
                let marks: Vec<_> =
                    (0..bytes.len()).filter(|&i| matches!(bytes[i], b',' | b'<')).collect();
                if marks.len() > 3 {
                    let from = draw.below(marks.len() - 1);
                    let piece: Vec<u8> = bytes.drain(marks[from]..marks[from + 1]).collect();
                    let to = draw.below(bytes.len());
                    bytes.splice(to..to, piece);
                }
            }
        }
        if bytes.is_empty() {
            return bytes;
        }
    }
    bytes
}
