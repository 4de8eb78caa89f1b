//! Field names that mean something to the gateway, recognised once when a head is parsed.

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
    /// Recognises a name, whatever its case.
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
            if name.eq_ignore_ascii_case(candidate.as_str().as_bytes()) {
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
        assert_eq!(Name::of(b""), Name::Other);
    }
}
