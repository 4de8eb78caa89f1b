//! What kind of address an address is: on the Internet, inside somewhere, or nobody's.
//!
//! The lists are those of the IANA registries of special-purpose addresses (RFC 6890), with what carries an IPv4 address
//! inside an IPv6 one: behind NAT64 every address is one of those, and is what it carries. What is not known to be public
//! is not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Anybody can reach it.
    Public,
    /// Inside: this machine, this network, this organisation, or reserved.
    Inside,
    /// On the link, or one of the addresses where clouds keep metadata and credentials. Nobody's contract stands there.
    Never,
}

/// IPv4 networks that are not public: address and length of the prefix.
const INSIDE_V4: [([u8; 4], u32); 14] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// Where clouds answer that do not do it on the link: Azure, Alibaba, Oracle.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// Parts of 2000::/3 that are not public.
const INSIDE_V6: [([u16; 3], u32); 4] =
    [([0x2001, 0, 0], 23), ([0x2001, 0xdb8, 0], 32), ([0x2002, 0, 0], 16), ([0x3fff, 0, 0], 20)];

pub(super) fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    if address.is_link_local() || METADATA_V4.contains(&address) {
        return Reach::Never;
    }
    let bits = address.to_bits();
    let inside = INSIDE_V4.iter().any(|(network, length)| {
        let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
        bits & mask == u32::from_be_bytes(*network)
    });
    if inside { Reach::Inside } else { Reach::Public }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    if let Some(mapped) = address.to_ipv4_mapped() {
        // Never public, even around a public address: no name should lead there.
        return if reach_v4(mapped) == Reach::Never { Reach::Never } else { Reach::Inside };
    }
    let [a, b, c, d, e, f, g, h] = address.segments();
    let last = || {
        let ([g0, g1], [h0, h1]) = (g.to_be_bytes(), h.to_be_bytes());
        Ipv4Addr::new(g0, g1, h0, h1)
    };
    // NAT64 (RFC 6052).
    if [a, b, c, d, e, f] == [0x64, 0xff9b, 0, 0, 0, 0] {
        return reach_v4(last());
    }
    // fd00:ec2::254 is metadata, too.
    if a & 0xffc0 == 0xfe80 || (a == 0xfd00 && b == 0x0ec2) {
        return Reach::Never;
    }
    // ISATAP: an IPv4 address at the end, whatever the prefix.
    if e & !0x200 == 0 && f == 0x5efe {
        let carried = reach_v4(last());
        if carried != Reach::Public {
            return carried;
        }
    }
    let bits = u64::from(a) << 32 | u64::from(b) << 16 | u64::from(c);
    let inside = a & 0xe000 != 0x2000
        || INSIDE_V6.iter().any(|([a, b, c], length)| {
            let network = u64::from(*a) << 32 | u64::from(*b) << 16 | u64::from(*c);
            bits >> (48 - length) == network >> (48 - length)
        });
    if inside { Reach::Inside } else { Reach::Public }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Reach {
        reach(text.parse().unwrap())
    }

    #[test]
    fn what_is_inside_is_not_public() {
        for inside in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:8.8.8.8",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002:808:808::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12::1",
            "fec0::1",
            "ff02::1",
            "2600::5efe:a00:1",
            "2600::200:5efe:a00:1",
        ] {
            assert_eq!(of(inside), Reach::Inside, "{inside}");
        }
        for never in [
            "169.254.169.254",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "64:ff9b::a9fe:a9fe",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "::ffff:169.254.1.1",
        ] {
            assert_eq!(of(never), Reach::Never, "{never}");
        }
    }

    #[test]
    fn the_neighbours_of_what_is_inside_are_public() {
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "168.63.129.17",
            "2606:4700::1111",
            "2001:200::1",
            "2001:db7::1",
            "2003::1",
            "2600::5efe:808:808",
            "64:ff9b::808:808",
        ] {
            assert_eq!(of(public), Reach::Public, "{public}");
        }
    }
}
