//! A service's fault as problem details (RFC 9457).

use pasarela_model::Code;
use pasarela_soap::{ExpandedName, envelope::Code as SoapCode, exchange::Thrown};
use serde_json::json;

use super::reply::Setting;
use crate::respond::fault_status;

/// The status and the document.
pub(super) fn of(thrown: &Thrown, setting: &Setting<'_>) -> (u16, Vec<u8>) {
    let fault = &thrown.fault;
    let declared = thrown.declared.as_deref();
    let chosen = declared.and_then(|name| setting.route.faults.get(name).copied());
    let status = chosen.unwrap_or_else(|| fault_status(&fault.code, &fault.subcodes));
    let masked = setting.soap.mask_faults;
    let mut told = json!({ "code": code(&fault.code) });
    if !masked {
        if !fault.subcodes.is_empty() {
            told["subcodes"] = fault.subcodes.iter().map(ToString::to_string).collect();
        }
        for (key, text) in [("role", &fault.role), ("node", &fault.node)] {
            if !text.is_empty() {
                told[key] = json!(text);
            }
        }
    }
    let mut problem = json!({
        "type": match declared {
            Some(name) => format!("{}:{name}", setting.fault_type),
            None => format!("urn:pasarela:problem:{}", Code::ServiceFault.code()),
        },
        "title": declared.unwrap_or(Code::ServiceFault.title()),
        "status": status,
        "code": Code::ServiceFault.code(),
        "instance": setting.instance,
        "fault": told,
    });
    let reason = reason(thrown, &setting.languages).trim();
    problem["detail"] = match reason {
        _ if masked => json!("the service's own words are not told"),
        "" => json!("the service gave no reason"),
        reason => json!(reason),
    };
    let mut out = problem.to_string().into_bytes();
    for (key, value) in [("details", &thrown.details), ("$headers", &thrown.headers)] {
        let Some(value) = value else { continue };
        // As they are: a reader of JSON could lose digits.
        out.pop();
        out.extend_from_slice(format!(",\"{key}\":").as_bytes());
        out.extend_from_slice(value);
        out.push(b'}');
    }
    (status, out)
}

fn code(code: &SoapCode) -> String {
    match code {
        SoapCode::VersionMismatch => "VersionMismatch".to_owned(),
        SoapCode::MustUnderstand => "MustUnderstand".to_owned(),
        SoapCode::DataEncodingUnknown => "DataEncodingUnknown".to_owned(),
        SoapCode::Sender => "Sender".to_owned(),
        SoapCode::Receiver => "Receiver".to_owned(),
        SoapCode::Other(ExpandedName { namespace, local }) if namespace.is_empty() => {
            local.to_string()
        }
        SoapCode::Other(name) => name.to_string(),
    }
}

/// The reason in the language that the caller likes best of those there are (RFC 9110 §12.5.4).
fn reason<'t>(thrown: &'t Thrown, accepted: &[u8]) -> &'t str {
    let text = String::from_utf8_lossy(accepted);
    let mut wanted: Vec<(&str, f32)> = text
        .split(',')
        .filter_map(|part| {
            let (tag, quality) = part.split_once(';').unwrap_or((part, ""));
            let quality =
                quality.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.parse().ok())?;
            (quality > 0.0).then_some((tag.trim(), quality))
        })
        .collect();
    wanted.sort_by(|a, b| b.1.total_cmp(&a.1));
    let reasons = &thrown.fault.reasons;
    let fits = |wanted: &str, there: &str| {
        let start = there.get(..wanted.len()).unwrap_or_default();
        let ends = matches!(there.as_bytes().get(wanted.len()), None | Some(b'-'));
        !wanted.is_empty() && start.eq_ignore_ascii_case(wanted) && ends
    };
    let found = wanted.iter().find_map(|(tag, _)| {
        let primary = tag.split('-').next().unwrap_or_default();
        let by = |wanted: &str| reasons.iter().find(|(there, _)| fits(wanted, there));
        by(tag).or_else(|| by(primary))
    });
    found.or(reasons.first()).map_or("", |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use pasarela_soap::envelope::SoapFault;

    use super::*;

    #[test]
    fn a_reason_is_given_in_the_language_asked_for() {
        let mut fault = SoapFault::new(SoapCode::Sender, "no");
        fault.reasons.push(("es-MX".into(), "¡no!".into()));
        fault.reasons.push(("de".into(), "nein".into()));
        let thrown = Thrown { fault, declared: None, details: None, headers: None };
        for (accepted, expected) in [
            ("", "no"),
            ("de", "nein"),
            ("de-AT, en;q=0.5", "nein"),
            ("fr, es;q=0.2, de;q=0.9", "nein"),
            ("es", "¡no!"),
            ("de;q=0, es;q=0.1", "¡no!"),
            ("d", "no"),
            ("fr", "no"),
        ] {
            assert_eq!(reason(&thrown, accepted.as_bytes()), expected, "{accepted}");
        }
    }
}
