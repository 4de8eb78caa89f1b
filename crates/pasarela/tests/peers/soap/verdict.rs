//! What was lost: answers as a caller understood them beside `peers/soap/expected.json`, and the losses that are known.

use std::fs;

use serde_json::Value;

use super::callers::Call;
use crate::harness::workspace;

/// The losses of one caller with one service, a line each under its name; only the name where nothing is lost.
pub(crate) fn section(name: &str, calls: &[Call]) -> String {
    let text = fs::read_to_string(workspace().join("peers/soap/expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let mut losses = Vec::new();
    for call in calls {
        let name = &call.name;
        let wanted = expected.get(name).unwrap_or_else(|| panic!("nobody expects {name}"));
        match &call.answer {
            Err(_) => losses.push(format!("  {name}: error\n")),
            Ok(answer) => differences("", wanted, answer, &mut |place, what| {
                losses.push(format!("  {name}{place}: {what}\n"));
            }),
        }
    }
    // The order of the keys of an object is nobody's promise.
    losses.sort();
    format!("{name}: {} calls\n{}", calls.len(), losses.concat())
}

/// Every call that came out otherwise through the gateway than directly, a line each.
pub(crate) fn worse(through: &[Call], directly: &[Call]) -> String {
    let mut lines = String::new();
    if through.len() != directly.len() {
        lines += &format!("{} calls, directly {}\n", through.len(), directly.len());
    }
    for (through, directly) in through.iter().zip(directly).filter(|(a, b)| a != b) {
        lines +=
            &format!("{}: {:?}\n  directly: {:?}\n", through.name, through.answer, directly.answer);
    }
    lines
}

/// Compares with what is known under a name. With `UPDATE_KNOWN=1` writes it down instead.
pub(crate) fn is_known(name: &str, lines: &str) {
    let name = format!("peers/soap/known/{name}.txt");
    let file = workspace().join(&name);
    if std::env::var_os("UPDATE_KNOWN").is_some() {
        fs::write(&file, lines).unwrap();
        return;
    }
    let known = fs::read_to_string(&file).unwrap_or_default();
    for ((number, known), now) in known.lines().enumerate().zip(lines.lines()) {
        assert_eq!(known, now, "{name}:{}: what is lost has changed", number + 1);
    }
    assert_eq!(
        known.lines().count(),
        lines.lines().count(),
        "{name}: other callers than are known:\n{lines}"
    );
}

/// Tells every place where something else was found than is wanted.
pub(crate) fn differences(
    place: &str,
    wanted: &Value,
    found: &Value,
    tell: &mut dyn FnMut(&str, &str),
) {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            for (name, value) in wanted {
                let place = format!("{place}.{name}");
                match found.get(name) {
                    Some(found) => differences(&place, value, found, tell),
                    None => tell(&place, "missing"),
                }
            }
            for (name, value) in found.iter().filter(|(name, _)| !wanted.contains_key(*name)) {
                tell(&format!("{place}.{name}"), &format!("{value}, and should not be there"));
            }
        }
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            for (number, (wanted, found)) in wanted.iter().zip(found).enumerate() {
                differences(&format!("{place}[{number}]"), wanted, found, tell);
            }
        }
        _ if wanted == found => {}
        _ => tell(place, &format!("{found}, not {wanted}")),
    }
}
