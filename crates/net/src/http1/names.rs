//! Field names that mean something to the gateway, recognised once when a head is parsed.

use smallvec::SmallVec;

macro_rules! names {
    ($($variant:ident = $text:literal,)*) => {
        /// A field name the gateway treats specially; everything else is [`Name::Other`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Name {
            $(#[doc = $text] $variant,)*
            /// Any other name.
            Other,
        }

        impl Name {
            /// The name in lower case; empty for [`Name::Other`].
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* Self::Other => "" }
            }

            #[cfg(test)]
            const ALL: &'static [Self] = &[$(Self::$variant,)*];
        }
    };
}

names! {
    Accept = "accept",
    Authorization = "authorization",
    Connection = "connection",
    ContentLength = "content-length",
    ContentType = "content-type",
    Cookie = "cookie",
    Date = "date",
    Expect = "expect",
    Forwarded = "forwarded",
    Host = "host",
    Http2Settings = "http2-settings",
    KeepAlive = "keep-alive",
    Origin = "origin",
    ProxyAuthenticate = "proxy-authenticate",
    ProxyAuthorization = "proxy-authorization",
    ProxyConnection = "proxy-connection",
    RetryAfter = "retry-after",
    Server = "server",
    SoapAction = "soapaction",
    Te = "te",
    Traceparent = "traceparent",
    Tracestate = "tracestate",
    Trailer = "trailer",
    TransferEncoding = "transfer-encoding",
    Upgrade = "upgrade",
    UserAgent = "user-agent",
    Via = "via",
    XApiKey = "x-api-key",
    XForwardedFor = "x-forwarded-for",
    XForwardedHost = "x-forwarded-host",
    XForwardedPort = "x-forwarded-port",
    XForwardedProto = "x-forwarded-proto",
    XRealIp = "x-real-ip",
    XRequestId = "x-request-id",
}

impl Name {
    /// Recognises a name, whatever its case. The name is a token (RFC 9110 §5.1).
    #[inline]
    pub fn of(name: &[u8]) -> Self {
        use Name::*;
        // The length picks a handful of candidates, so a name costs one or two comparisons.
        let candidates: &[Self] = match name.len() {
            2 => &[Te],
            3 => &[Via],
            4 => &[Host, Date],
            6 => &[Accept, Cookie, Expect, Origin, Server],
            7 => &[Upgrade, Trailer],
            9 => &[XApiKey, Forwarded, XRealIp],
            10 => &[Connection, UserAgent, KeepAlive, SoapAction, Tracestate],
            11 => &[Traceparent, RetryAfter],
            12 => &[ContentType, XRequestId],
            13 => &[Authorization],
            14 => &[ContentLength, Http2Settings],
            15 => &[XForwardedFor],
            16 => &[XForwardedHost, XForwardedPort, ProxyConnection],
            17 => &[TransferEncoding, XForwardedProto],
            18 => &[ProxyAuthenticate],
            19 => &[ProxyAuthorization],
            _ => return Other,
        };
        for candidate in candidates {
            if is_same(name, candidate.as_str().as_bytes()) {
                return *candidate;
            }
        }
        Other
    }

    /// Fields that belong to one connection and are never passed on (RFC 9110 §7.6.1).
    #[inline]
    pub const fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::KeepAlive
                | Self::ProxyConnection
                | Self::ProxyAuthenticate
                | Self::ProxyAuthorization
                | Self::Te
                | Self::Trailer
                | Self::TransferEncoding
                | Self::Upgrade
                | Self::Http2Settings
        )
    }
}

/// Whether a token is this name, which is in lower case and as long. Of all token characters only
/// the capital becomes a letter, a digit or a hyphen by the bit that tells the cases apart, so eight
/// of them are compared at once.
#[inline]
fn is_same(token: &[u8], lower: &[u8]) -> bool {
    const CASE: u64 = 0x2020_2020_2020_2020;
    let ((words, rest), (lower_words, lower_rest)) =
        (token.as_chunks::<8>(), lower.as_chunks::<8>());
    words
        .iter()
        .zip(lower_words)
        .all(|(word, lower)| u64::from_ne_bytes(*word) | CASE == u64::from_ne_bytes(*lower))
        && rest.iter().zip(lower_rest).all(|(byte, lower)| byte | 0x20 == *lower)
}

/// Whether a field says about a caller what only the gateway may say to a service: where it comes
/// from, which certificate it showed, which application it is (T7). What a caller says itself
/// under such a name is never passed on. The names known to [`Name`] are not asked about here.
#[inline]
pub fn is_vouched(name: &[u8]) -> bool {
    let begins = |with: &[u8]| name.get(..with.len()).is_some_and(|n| n.eq_ignore_ascii_case(with));
    match name {
        [b'x' | b'X', b'-', ..] => {
            begins(b"x-forwarded-")
                || begins(b"x-pasarela-")
                || begins(b"x-consumer-")
                || begins(b"x-client-cert")
                || begins(b"x-ssl-client-")
        }
        // RFC 9440.
        [b'c' | b'C', b'l' | b'L', ..] => begins(b"client-cert"),
        _ => false,
    }
}

/// Whether a field may stand in a trailer section that we write. What frames, routes, identifies,
/// or changes how the body is read may not (RFC 9110 §6.5.1).
pub fn may_trail(name: &[u8]) -> bool {
    // Servers that hand fields on as variables cannot tell `_` from `-` (T8). In a head that is
    // refused; in trailers gRPC uses it, so it is read as what it could be taken for.
    let dashed: SmallVec<[u8; 64]> =
        name.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte }).collect();
    super::is_token(name)
        && Name::of(&dashed) == Name::Other
        && !is_vouched(&dashed)
        && ![&b"content-encoding"[..], b"content-range", b"set-cookie"]
            .iter()
            .any(|never| dashed.eq_ignore_ascii_case(never))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_by_its_length() {
        for name in Name::ALL {
            assert_eq!(Name::of(name.as_str().as_bytes()), *name, "{}", name.as_str());
            assert_eq!(Name::of(name.as_str().to_ascii_uppercase().as_bytes()), *name);
        }
        assert_eq!(Name::of(b"x-custom"), Name::Other);
        for near in [&b"Hosu"[..], b"dat~", b"content-lengti", b"x_api_key", b"transfer-encodinG~"]
        {
            assert_eq!(Name::of(near), Name::Other);
        }
        assert_eq!(Name::of(b""), Name::Other);
    }

    #[test]
    fn t07_what_the_gateway_says_about_callers_is_known_by_its_name() {
        for name in [
            "X-Forwarded-Prefix",
            "x-forwarded-client-cert",
            "X-PASARELA-Application",
            "X-Consumer-Username",
            "X-Client-Cert",
            "X-SSL-Client-Verify",
            "Client-Cert",
            "Client-Cert-Chain",
        ] {
            assert!(is_vouched(name.as_bytes()), "{name}");
            assert!(!may_trail(name.as_bytes()), "{name}");
        }
        for name in ["", "x", "x-forwarded", "X-Request-Tag", "client", "Clientele"] {
            assert!(!is_vouched(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn trailers_hold_nothing_that_had_to_be_known_before_the_body() {
        for name in [
            "Content-Length",
            "Host",
            "Set-Cookie",
            "content-encoding",
            "Authorization",
            "content_length",
            "X_Pasarela-Application",
            "a\"b",
        ] {
            assert!(!may_trail(name.as_bytes()), "{name}");
        }
        for name in ["grpc-status", "Content-Digest", "X-Checksum", "server_timing"] {
            assert!(may_trail(name.as_bytes()), "{name}");
        }
    }
}
