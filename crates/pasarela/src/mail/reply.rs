//! The letter that answers a letter, and whether there is one.
//!
//! Whoever did not prove to be somebody is not answered: the address on a letter may be a stranger's, who would get what he never
//! asked for (T53). Nor is what a program sent by itself, nor anything to an address of ours.

use pasarela_gateway::{Plane, inside::Answered};
use pasarela_model::{Code, LetterId, MailAddress, Timestamp};
use pasarela_soap::mail::{self, Letter};
use pasarela_store::LetterAnswer;

/// What is being answered.
pub(super) struct Question<'q> {
    /// The call.
    pub(super) id: &'q LetterId,
    /// To whom it was sent.
    pub(super) recipient: &'q MailAddress,
    /// Who sent it, as the envelope says.
    pub(super) sender: &'q MailAddress,
    /// Who proved to send it, when it came or when it was read.
    pub(super) application: Option<&'q str>,
    /// It was proved when it came, and not only by the message.
    pub(super) by_letter: bool,
    /// The letter.
    pub(super) letter: &'q Letter,
}

/// To whom the answer goes; `None`: to nobody.
pub(super) fn addressee(plane: &Plane, question: &Question<'_>) -> Option<MailAddress> {
    let Question { sender, letter, .. } = question;
    let application = question.application?;
    if letter.is_bulk || !matches!(letter.auto_submitted.as_deref(), None | Some("no")) {
        return None;
    }
    let listed = |address: &MailAddress| plane.sender(address) == Some(application);
    // A message proves who wrote it, but not that he has this address.
    if !question.by_letter && !listed(sender) {
        return None;
    }
    let wanted = letter.reply_to.as_deref().or(letter.from.as_deref());
    let wanted = wanted.and_then(mail::mailbox).and_then(MailAddress::read);
    let near = |address: &MailAddress| address.domain().eq_ignore_ascii_case(sender.domain());
    let to = wanted.filter(|address| listed(address) || near(address));
    let to = to.unwrap_or_else(|| (*sender).clone());
    plane.mailbox(&to).is_none().then_some(to)
}

/// What is to be mailed. `name`: ours; `chance`: 128 random bits.
pub(super) fn write(
    question: &Question<'_>,
    to: &MailAddress,
    answered: &Answered,
    (name, bounces): (&str, Option<&MailAddress>),
    (now, chance): (Timestamp, u128),
) -> Option<LetterAnswer> {
    let media = answered.media.as_deref().unwrap_or("text/xml; charset=utf-8");
    // One-way: there is nothing to say.
    if answered.body.is_empty() {
        return None;
    }
    let enclosed = mail::enclose(media, &answered.body, chance);
    let (fields, body) = match enclosed {
        Ok(enclosed) => enclosed,
        Err(_) => {
            let answer = fault(Code::UpstreamInvalid, "its parts cannot be told apart", false);
            mail::enclose("text/xml; charset=utf-8", answer.as_bytes(), chance).ok()?
        }
    };
    let Question { id, recipient, letter, .. } = question;
    let mut head = format!(
        "From: <{recipient}>\r\nTo: <{to}>\r\nDate: {}\r\nSubject: {}\r\n\
         Message-ID: <{id}@{name}>\r\nX-Message-ID: <{id}@{name}>\r\n",
        date(now),
        subject(letter.subject.as_deref().unwrap_or_default()),
    );
    if let Some(id) = letter.answered_id() {
        head += &format!("In-Reply-To: {id}\r\nReferences: {id}\r\n");
    }
    head += &format!("Auto-Submitted: auto-replied\r\n{fields}\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(&body);
    let sender = bounces.map(ToString::to_string).unwrap_or_default();
    Some(LetterAnswer { sender, recipient: to.to_string(), bytes })
}

/// `Re:` and what was written, in a line: plain where it is, else as an encoded word (RFC 2047) or two.
fn subject(text: &str) -> String {
    let text = text.trim();
    let begins = text.get(..3).is_some_and(|begin| begin.eq_ignore_ascii_case("re:"));
    let text = if begins { text.to_owned() } else { format!("Re: {text}") };
    let text: String = text.trim_end().chars().take(200).collect();
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text;
    }
    let mut words: Vec<String> = vec![String::new()];
    for c in text.chars().filter(|c| !c.is_control()) {
        match words.last_mut() {
            Some(word) if word.len() + c.len_utf8() <= 39 => word.push(c),
            _ => words.push(c.to_string()),
        }
    }
    let encode = |word: &String| {
        let mut out = Vec::new();
        pasarela_soap::mime::base64_append(&mut Vec::new(), word.as_bytes(), true, &mut out);
        format!("=?utf-8?B?{}?=", String::from_utf8_lossy(&out))
    };
    words.iter().map(encode).collect::<Vec<_>>().join("\r\n ")
}

/// `Wed, 25 Nov 2026 13:00:00 +0000` (RFC 5322, 3.3).
fn date(at: Timestamp) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // `2026-11-25T13:00:00.000Z`
    let text = at.to_string();
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    let month = part(5..7).parse::<usize>().unwrap_or(1).clamp(1, 12);
    let day = usize::try_from(at.millis().div_euclid(86_400_000).rem_euclid(7)).unwrap_or(0);
    format!(
        "{}, {} {} {} {} +0000",
        DAYS[day % 7],
        part(8..10),
        MONTHS[month - 1],
        part(0..4),
        part(11..19)
    )
}

/// A fault of our own, where no worker wrote one.
pub(super) fn fault(code: Code, detail: &str, soap12: bool) -> String {
    let reason = format!("{}: {detail}", code.title());
    let problem = format!(
        "<problem xmlns=\"urn:pasarela:problem\"><code>{}</code><status>{}</status></problem>",
        code.code(),
        code.status()
    );
    match soap12 {
        false => format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
             <soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body><soap:Fault>\
             <faultcode>soap:Server</faultcode><faultstring>{reason}</faultstring><detail>{problem}</detail>\
             </soap:Fault></soap:Body></soap:Envelope>\n"
        ),
        true => format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
             <soap:Envelope xmlns:soap=\"http://www.w3.org/2003/05/soap-envelope\"><soap:Body><soap:Fault>\
             <soap:Code><soap:Value>soap:Receiver</soap:Value></soap:Code>\
             <soap:Reason><soap:Text xml:lang=\"en\">{reason}</soap:Text></soap:Reason>\
             <soap:Detail>{problem}</soap:Detail></soap:Fault></soap:Body></soap:Envelope>\n"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_letters_have_them() {
        let at: Timestamp = "2026-11-25T13:00:59.250Z".parse().unwrap();
        assert_eq!(date(at), "Wed, 25 Nov 2026 13:00:59 +0000");
        assert_eq!(date(Timestamp::from_millis(0)), "Thu, 01 Jan 1970 00:00:00 +0000");
    }

    #[test]
    fn a_subject_stays_in_its_line() {
        assert_eq!(subject("Order 7"), "Re: Order 7");
        assert_eq!(subject("RE: Order 7"), "RE: Order 7");
        assert_eq!(subject(""), "Re:");
        assert_eq!(subject("Año"), "=?utf-8?B?UmU6IEHDsW8=?=");
        let long = subject(&"ñ".repeat(60));
        assert!(long.split("\r\n ").all(|word| word.len() <= 75 && word.starts_with("=?utf-8?B?")));
    }
}
