//! Whom may be talked to. A workflow's data often decides about a URL; the network behind the worker is not its to reach.
//!
//! Checked on the URL (an address in it never reaches the resolver) and on every address that a name resolves to.
//! The connection is then made to just these addresses, so that nothing can change in between.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
    sync::Arc,
};

use ipnet::IpNet;
use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};
use sagabus_adapter_sdk::{Failure, Standard};
use serde::Deserialize;
use thiserror::Error;

/// Whom may be talked to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reach {
    /// Everyone. For workflows whose author owns the machine.
    Everyone,
    /// Public addresses, and these.
    Public(Vec<Destination>),
}

/// A destination that may be talked to although it is not public.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub enum Destination {
    /// Addresses: `10.1.0.0/16`, `127.0.0.1`.
    Network(IpNet),
    /// A host by its name, whatever it resolves to.
    Host(String),
}

/// What is neither a network nor a host name.
#[derive(Debug, Error, PartialEq)]
#[error("`{0}` is neither an address, nor a network (10.1.0.0/16), nor a host name; leave out scheme, port and path")]
pub struct DestinationError(String);

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, DestinationError> {
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(Self::Network(network));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Network(address.into()));
        }
        let named = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        if text.is_empty() || !named(text) {
            return Err(DestinationError(text.to_owned()));
        }
        Ok(Self::Host(text.to_ascii_lowercase()))
    }
}

impl TryFrom<String> for Destination {
    type Error = DestinationError;

    fn try_from(text: String) -> Result<Self, DestinationError> {
        text.parse()
    }
}

/// Refuses whom [`Reach`] does not name.
pub(crate) struct Guard {
    reach: Reach,
}

/// A destination was refused.
#[derive(Debug)]
pub(crate) struct Denied {
    host: String,
    address: IpAddr,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, address } = self;
        write!(f, "`{host}` is at {address}, which is not a public address; name it in `allow` of the HTTP adapter")
    }
}

impl std::error::Error for Denied {}

impl From<&Denied> for Failure {
    fn from(denied: &Denied) -> Self {
        Self::without_effect(Standard::Authorization, denied.to_string())
    }
}

impl Guard {
    pub(crate) fn new(reach: Reach) -> Self {
        Self { reach }
    }

    /// Checks what can be seen of a URL before its host is resolved.
    pub(crate) fn check(&self, url: &Url) -> Result<(), Failure> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Failure::without_effect(
                Standard::Validation,
                format!("`{}:` is not a scheme of HTTP; use http or https", url.scheme()),
            ));
        }
        let Some(host) = url.host_str() else {
            return Err(Failure::without_effect(Standard::Validation, format!("`{url}` names no host")));
        };
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        literal.map_or(Ok(()), |address| self.admit(host, address).map_err(|denied| Failure::from(&denied)))
    }

    fn admit(&self, host: &str, address: IpAddr) -> Result<(), Denied> {
        let Reach::Public(allowed) = &self.reach else { return Ok(()) };
        let address = address.to_canonical();
        let named = allowed.iter().any(|destination| match destination {
            Destination::Network(network) => network.contains(&address),
            Destination::Host(name) => name.eq_ignore_ascii_case(host),
        });
        if named || public(address) { Ok(()) } else { Err(Denied { host: host.to_owned(), address }) }
    }
}

/// As reqwest's resolver: a name is looked up, and refused if any of its addresses is.
impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = Arc::new(Self { reach: self.reach.clone() });
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let addresses: Vec<_> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            for address in &addresses {
                guard.admit(&host, address.ip())?;
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the public internet, by the special-purpose registries of IANA (RFC 6890).
fn public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => public_v4(address),
        IpAddr::V6(address) => public_v6(address),
    }
}

fn public_v4(address: Ipv4Addr) -> bool {
    // This network, shared address space, protocol assignments, benchmarks, reserved; and the address at which a cloud's
    // machines find their platform, which is public by its number only.
    const CLOSED: [(Ipv4Addr, u8); 6] = [
        (Ipv4Addr::new(0, 0, 0, 0), 8),
        (Ipv4Addr::new(100, 64, 0, 0), 10),
        (Ipv4Addr::new(192, 0, 0, 0), 24),
        (Ipv4Addr::new(198, 18, 0, 0), 15),
        (Ipv4Addr::new(240, 0, 0, 0), 4),
        (Ipv4Addr::new(168, 63, 129, 16), 32),
    ];
    let within =
        |(network, bits): &(Ipv4Addr, u8)| address.to_bits() >> (32 - bits) == network.to_bits() >> (32 - bits);
    !(address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || CLOSED.iter().any(within))
}

fn public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // NAT64 (64:ff9b::/96) and 6to4 (2002::/16) carry an IPv4 address with them.
    let embedded = match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    };
    // Global unicast is 2000::/3; documentation and Teredo lie within it.
    let global = first & 0xe000 == 0x2000 && !(first == 0x2001 && (second == 0 || second == 0x0db8));
    embedded.map_or(global, public_v4)
}

#[cfg(test)]
mod tests {
    use reqwest::Url;

    use super::{Destination, Guard, Reach, public};

    #[test]
    fn only_public_addresses_are_public() {
        for address in ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::1.1.1.1"] {
            assert!(public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "168.63.129.16",
            "192.0.0.192",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "64:ff9b::127.0.0.1",
            "2002:7f00:1::",
            "2001:db8::1",
        ] {
            assert!(!public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn odd_spellings_of_an_address_do_not_get_past() {
        let guard = Guard::new(Reach::Public(Vec::new()));
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://169.254.169.254/latest/meta-data",
            "file:///etc/passwd",
        ] {
            assert!(guard.check(&Url::parse(url).unwrap()).is_err(), "{url}");
        }
        assert!(guard.check(&Url::parse("http://93.184.216.34/").unwrap()).is_ok());
    }

    #[test]
    fn what_is_named_is_allowed() {
        let allowed = ["127.0.0.0/8", "10.1.2.3", "Internal.example"].map(|text| text.parse().unwrap());
        let guard = Guard::new(Reach::Public(allowed.to_vec()));
        assert!(guard.check(&Url::parse("http://127.9.9.9/").unwrap()).is_ok());
        assert!(guard.check(&Url::parse("http://10.1.2.3/").unwrap()).is_ok());
        assert!(guard.check(&Url::parse("http://10.1.2.4/").unwrap()).is_err());
        assert!(guard.admit("internal.example", "10.9.9.9".parse().unwrap()).is_ok());
        assert!(guard.admit("other.example", "10.9.9.9".parse().unwrap()).is_err());
        assert!("http://x/".parse::<Destination>().is_err());
    }
}
