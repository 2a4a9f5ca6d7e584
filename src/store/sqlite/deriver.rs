//! Columns that are functions of stored texts: addresses out of the list of hops.

use std::borrow::Cow;

use super::layout::Derivation;

/// What deriving a column needs to know of the store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deriver {
    trusted: Vec<(std::net::IpAddr, u8)>,
}

impl Deriver {
    /// Reads addresses and CIDR blocks; the error names the first that is neither.
    pub(crate) fn new(proxies: &[String]) -> std::result::Result<Deriver, String> {
        let parse = |text: &String| {
            let (address, prefix) = text
                .split_once('/')
                .map_or((text.as_str(), None), |(a, p)| (a, Some(p)));
            let address: std::net::IpAddr = address.trim().parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let prefix = prefix.map_or(Some(most), |prefix| prefix.trim().parse().ok())?;
            (prefix <= most).then_some((address, prefix))
        };
        let trusted = proxies.iter().map(|text| {
            parse(text).ok_or_else(|| {
                format!("`{text}` is neither an address nor a CIDR block such as 10.0.0.0/8")
            })
        });
        Ok(Deriver {
            trusted: trusted.collect::<std::result::Result<_, _>>()?,
        })
    }

    fn trusts(&self, address: &str) -> bool {
        let Ok(address) = address.parse::<std::net::IpAddr>() else {
            return false;
        };
        self.trusted
            .iter()
            .any(|&(network, prefix)| match (network, address) {
                (std::net::IpAddr::V4(network), std::net::IpAddr::V4(address)) => {
                    let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                    u32::from(network) & mask == u32::from(address) & mask
                }
                (std::net::IpAddr::V6(network), std::net::IpAddr::V6(address)) => {
                    let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                    u128::from(network) & mask == u128::from(address) & mask
                }
                _ => false,
            })
    }

    /// The derived text of a stored one.
    pub(crate) fn derive(&self, derivation: Derivation, text: &str) -> Option<String> {
        match derivation {
            Derivation::FirstHop => addresses(text).into_iter().next(),
            Derivation::TrustedHop => {
                let addresses = addresses(text);
                let hop = addresses.iter().rev().find(|address| !self.trusts(address));
                // All hops are trusted: the farthest one is as near as the record goes.
                hop.or(addresses.first()).cloned()
            }
        }
    }
}

/// The addresses of a recorded `sourceIPs` array.
fn addresses(json: &str) -> Vec<String> {
    let addresses = crate::model::json::texts(json).into_iter();
    addresses.map(Cow::into_owned).collect()
}
