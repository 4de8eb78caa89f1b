//! F18: whatever a configuration file holds, reading it ends, and never in a panic.

use pasarela::config::{self, Code, Faults, Severity};

use super::good;

const MUTATIONS: u64 = 500;

#[test]
fn f18_five_hundred_mutations_of_a_good_file() {
    let mut refused = 0;
    for seed in 0..MUTATIONS {
        for good in [good::DESIGN, good::BRIEF] {
            let bytes = mutate(good.as_bytes(), &mut Dice(seed * 2 + 1));
            let result = std::panic::catch_unwind(|| {
                config::read(&bytes, &super::path(), &super::environment, seed)
            });
            let Ok(result) = result else { panic!("seed {seed} panicked") };
            if let Err(faults) = result {
                refused += 1;
                makes_sense(seed, &bytes, &faults);
            }
        }
    }
    assert!(refused > MUTATIONS, "mutations should mostly do harm: {refused}");
}

fn makes_sense(seed: u64, bytes: &[u8], faults: &Faults) {
    let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    assert!(faults.errors() > 0, "seed {seed}: refused without a reason");
    assert!(faults.list.len() <= Faults::KEPT_MAX);
    let here: Vec<_> = faults.list.iter().filter(|fault| fault.file == super::path()).collect();
    assert!(here.is_sorted_by_key(|fault| fault.span), "seed {seed}: out of order");
    for fault in here {
        assert!(fault.span.line as usize <= lines, "seed {seed}: {fault:?}");
        assert!(!fault.message.is_empty() && !fault.cure.is_empty(), "seed {seed}: {fault:?}");
        if let Some(excerpt) = &fault.excerpt {
            let length = excerpt.text.chars().count();
            assert!(excerpt.caret <= length && excerpt.width >= 1, "seed {seed}: {fault:?}");
            assert!(
                length < 200 && excerpt.caret + excerpt.width <= length + 1,
                "seed {seed}: {fault:?}"
            );
        }
        let text = fault.text();
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "seed {seed}: {text:?}");
    }
}

/// One to four changes, each a cut, a flip, a swap of lines, a repetition or something nasty put in.
fn mutate(good: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=dice.up_to(3) {
        let at = dice.up_to(bytes.len());
        match dice.up_to(8) {
            0 => bytes.truncate(at),
            1 => {
                let end = (at + dice.up_to(40)).min(bytes.len());
                bytes.drain(at..end);
            }
            2 => {
                for _ in 0..8 {
                    let at = dice.up_to(bytes.len());
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << dice.up_to(8);
                    }
                }
            }
            3 => {
                let deep = b"[{".repeat(dice.up_to(2_000));
                bytes.splice(at..at, deep);
            }
            4 => {
                let copy = bytes.clone();
                for _ in 0..9 {
                    bytes.extend_from_slice(&copy);
                }
            }
            5 => {
                let mut lines: Vec<Vec<u8>> =
                    bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
                let (a, b) = (dice.up_to(lines.len()), dice.up_to(lines.len()));
                if a < lines.len() && b < lines.len() {
                    lines.swap(a, b);
                }
                bytes = lines.join(&b'\n');
            }
            6 => {
                let nasty: [&[u8]; 12] = [
                    b"\0",
                    b"\xff\xfe",
                    b"\"",
                    b"'",
                    b"${",
                    b"&a *a",
                    b"!!map",
                    b"\n---\n",
                    b"? [x]: y",
                    b"|2\n",
                    b"99999999999999999999999",
                    b"\t",
                ];
                bytes.splice(at..at, nasty[dice.up_to(nasty.len())].to_vec());
            }
            _ => {
                let digits = bytes.iter().position(|byte| byte.is_ascii_digit()).unwrap_or(0);
                bytes.splice(digits..digits, b"-".to_vec());
            }
        }
    }
    bytes
}

/// Random enough, and the same for the same seed.
struct Dice(u64);

impl Dice {
    /// A number below `most`; 0 for 0.
    fn up_to(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or(0) % most.max(1)
    }
}

#[test]
fn f18_a_file_that_is_too_large_is_refused() {
    let read = |bytes: &[u8]| config::read(bytes, &super::path(), &super::environment, 1);
    let code = |bytes: &[u8]| read(bytes).expect_err("refused").list[0].code;
    assert_eq!(code(&vec![b'#'; (16 << 20) + 1]), Code::TooLarge);
    assert_eq!(code(b"a: \xff\n"), Code::Encoding);
    assert_eq!(code("[".repeat(1 << 16).as_bytes()), Code::TooLarge);
    assert_eq!(
        code(format!("version: 1\napis: [{}]", "a,".repeat(1_000_001)).as_bytes()),
        Code::TooLarge
    );
}

#[test]
fn f18_very_many_faults_are_counted_and_not_kept() {
    let text = format!(
        "version: 1\nlimits:\n{}",
        (0..20_000).fold(String::new(), |t, n| t + &format!("  k{n}: 1\n"))
    );
    let faults = super::read(&text).expect_err("refused");
    assert_eq!((faults.list.len(), faults.dropped), (Faults::KEPT_MAX, 19_000));
    assert!(faults.list.iter().all(|fault| fault.severity == Severity::Error));
    assert!(faults.to_string().ends_with("… and 19000 more.\n"));
}

#[test]
fn f18_a_file_that_is_not_there_is_a_fault_like_others() {
    let faults = config::load(&super::folder().join("missing.yaml"), &super::environment, 1)
        .expect_err("refused");
    assert_eq!(faults.list[0].code, Code::Unreadable);
    assert!(faults.to_string().contains("there is no such file"));
}
