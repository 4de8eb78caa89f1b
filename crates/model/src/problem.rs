//! The codes of everything that can go wrong in front of a person, in one list.

/// Whose doing a problem is; decides whether repeating makes sense and who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The caller sent something that cannot be served.
    Caller,
    /// The service behind the gateway failed.
    Upstream,
    /// The gateway failed, or protects itself.
    Ours,
}

macro_rules! codes {
    ($($variant:ident = $code:literal, $status:literal, $side:ident, $slug:literal, $title:literal;)*) => {
        /// A problem the data plane answers with. Its page is `docs/errors/<code>.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $title] $variant,)*
        }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// `GW0007`
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The HTTP status it is answered with.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// Whose doing it is.
            pub const fn side(self) -> Side {
                match self { $(Self::$variant => Side::$side,)* }
            }

            /// A name for metrics and access logs, `rate_limited`.
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$variant => $slug,)* }
            }

            /// The `title` member of the problem (RFC 9457 §3.1.3).
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

codes! {
    NoSuchApi = "GW0001", 404, Caller, "no_such_api", "There is no API at this address";
    NoSuchOperation = "GW0002", 404, Caller, "no_such_operation", "The API has no such operation";
    MethodNotAllowed = "GW0003", 405, Caller, "method_not_allowed", "The resource does not answer this method";
    CredentialMissing = "GW0004", 401, Caller, "credential_missing", "This API asks for a key";
    CredentialUnknown = "GW0005", 401, Caller, "credential_unknown", "The key is not known";
    NotSubscribed = "GW0006", 403, Caller, "not_subscribed", "The application does not subscribe to this API";
    RateLimited = "GW0007", 429, Caller, "rate_limited", "Too many requests for the plan";
    Malformed = "GW0008", 400, Caller, "malformed", "The request is not well-formed HTTP";
    AmbiguousFraming = "GW0009", 400, Caller, "ambiguous_framing", "The length of the request can be read in two ways";
    RequestLineTooLong = "GW0010", 414, Caller, "request_line_too_long", "The request line is too long";
    HeadersTooLarge = "GW0011", 431, Caller, "headers_too_large", "The header fields are too large or too many";
    RequestTooSlow = "GW0012", 408, Caller, "request_too_slow", "The request took too long to arrive";
    BodyTooLarge = "GW0013", 413, Caller, "body_too_large", "The request body is too large";
    AmbiguousPath = "GW0014", 400, Caller, "ambiguous_path", "The path can be read in two ways";
    ExpectationFailed = "GW0015", 417, Caller, "expectation_failed", "The expectation cannot be met";
    HostInvalid = "GW0016", 400, Caller, "host_invalid", "The host is missing, repeated or contradicts itself";
    Misdirected = "GW0017", 421, Caller, "misdirected", "The connection was opened for another host";
    ProtectedHeader = "GW0018", 400, Caller, "protected_header", "Connection names a field that may not be removed";
    UpgradeRefused = "GW0019", 400, Caller, "upgrade_refused", "This connection cannot be upgraded";
    MethodUnknown = "GW0020", 501, Caller, "method_unknown", "The method is not implemented here";
    VersionUnsupported = "GW0021", 505, Caller, "version_unsupported", "The HTTP version is not supported";
    UpstreamUnreachable = "GW0022", 502, Upstream, "upstream_unreachable", "The service cannot be reached";
    UpstreamInvalid = "GW0023", 502, Upstream, "upstream_invalid", "The service gave an invalid answer";
    UpstreamTimeout = "GW0024", 504, Upstream, "upstream_timeout", "The service did not answer in time";
    NoUpstream = "GW0025", 503, Upstream, "no_upstream", "No server of the service is healthy";
    Overloaded = "GW0026", 503, Ours, "overloaded", "The gateway is protecting itself from overload";
    Draining = "GW0027", 503, Ours, "draining", "The gateway is shutting down";
    Internal = "GW0028", 500, Ours, "internal", "The gateway failed";
    QuotaUsed = "GW0029", 429, Caller, "quota_used", "The quota of the plan is used up";
    MediaUnsupported = "GW0030", 415, Caller, "media_unsupported", "The body is in a form that cannot be read here";
    SoapInvalid = "GW0031", 400, Caller, "soap_invalid", "The message is not SOAP";
    SoapAction = "GW0032", 400, Caller, "soap_action", "The action and the body do not agree";
    SoapVersion = "GW0033", 400, Caller, "soap_version", "The envelope is of an unknown version of SOAP";
    ContractBroken = "GW0034", 400, Caller, "contract_broken", "The request is not what the contract says";
    NotAcceptable = "GW0035", 406, Caller, "not_acceptable", "The operation does not answer in this form";
    ServiceBroken = "GW0036", 502, Upstream, "service_broken", "The service's answer is not what its contract says";
    ServiceFault = "GW0037", 500, Upstream, "service_fault", "The service answered with a fault";
    ForeignReply = "GW0040", 400, Caller, "foreign_reply", "The message asks for its answer elsewhere";
    SecurityMissing = "GW0041", 401, Caller, "security_missing", "The message does not say who sends it";
    SecurityInvalid = "GW0042", 400, Caller, "security_invalid", "The security header cannot be taken";
    TokenUnsupported = "GW0043", 400, Caller, "token_unsupported", "The security header holds what is not taken here";
    AlgorithmUnsupported = "GW0044", 400, Caller, "algorithm_unsupported", "The signature is made in a way that is not taken here";
    AuthenticationFailed = "GW0045", 401, Caller, "authentication_failed", "The sender of the message is not known";
    TokenInvalid = "GW0046", 401, Caller, "token_invalid", "The certificate is not accepted";
    SignatureFailed = "GW0047", 401, Caller, "signature_failed", "The message is not what was signed";
    MessageExpired = "GW0048", 401, Caller, "message_expired", "The message is not of now";
    MessageRepeated = "GW0049", 401, Caller, "message_repeated", "The message was sent before";
    ShareUsed = "GW0060", 429, Caller, "share_used", "Too many calls at a time for the share";
    QuotaUnknown = "GW0061", 503, Ours, "quota_unknown", "What is left of the quota cannot be found out";
    ScopeMissing = "GW0065", 403, Caller, "scope_missing", "The credential does not reach as far as this operation";
    NetworkRefused = "GW0070", 403, Caller, "network_refused", "Calls from this address are not taken";
    CertificateOver = "GW0071", 403, Caller, "certificate_over", "The client certificate is no longer good";
    SignatureInvalid = "GW0072", 401, Caller, "signature_invalid", "The signature of the request cannot be taken";
    SignatureUnknown = "GW0073", 401, Caller, "signature_unknown", "The signature is nobody's";
    SignatureStale = "GW0074", 401, Caller, "signature_stale", "The signature is not of now";
    DigestMismatch = "GW0075", 401, Caller, "digest_mismatch", "The body is not what was signed";
    HeaderNotUnderstood = "GW0080", 400, Caller, "header_not_understood", "A header block that has to be understood is not";
    EffectUnknown = "GW0090", 500, Ours, "effect_unknown", "Nobody knows whether the message took effect";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_in_order() {
        let codes: Vec<_> = Code::ALL.iter().map(|code| code.code()).collect();
        let mut sorted = codes.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(codes, sorted);
    }

    #[test]
    fn a_status_agrees_with_its_side() {
        for code in Code::ALL {
            match code.side() {
                Side::Caller => assert!((400..500).contains(&code.status()) || code.status() > 500),
                Side::Upstream | Side::Ours => assert!(code.status() >= 500),
            }
        }
    }
}
