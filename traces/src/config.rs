//! `traces` in `hub.toml` and `node.toml`.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Where traces go, and how many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracesConfig {
    /// The collector.
    pub endpoint: Endpoint,
    /// The share that is kept.
    #[serde(default)]
    pub sample: Sample,
}

/// `http://host:port` of a collector that takes OTLP over gRPC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint(String);

impl Endpoint {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_loopback(&self) -> bool {
        let uri: Option<http::Uri> = self.0.parse().ok();
        let host = uri.as_ref().and_then(http::Uri::host).unwrap_or_default();
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

impl TryFrom<String> for Endpoint {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const MUST: &str = "the endpoint of traces must be http://host:port, for example \"http://127.0.0.1:4317\"; a collector on this machine sends them on with TLS";
        let uri: http::Uri = text.parse().map_err(|_| MUST)?;
        let plain = uri.scheme_str() == Some("http") && uri.path() == "/" && uri.query().is_none();
        let authority = uri.authority().filter(|found| {
            found.port_u16().is_some_and(|port| port > 0) && !found.as_str().contains('@')
        });
        match authority {
            Some(_) if plain => Ok(Self(text)),
            _ => Err(MUST),
        }
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.0
    }
}

/// The share of traces that is kept, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Sample(f64);

/// It is never NaN.
impl Eq for Sample {}

impl Sample {
    pub(crate) fn share(self) -> f64 {
        self.0
    }
}

impl Default for Sample {
    fn default() -> Self {
        Self(1.0)
    }
}

impl TryFrom<f64> for Sample {
    type Error = &'static str;

    fn try_from(share: f64) -> Result<Self, Self::Error> {
        let within = (0.0..=1.0).contains(&share);
        within
            .then_some(Self(share))
            .ok_or("the sample of traces must be from 0.0 to 1.0")
    }
}

impl From<Sample> for f64 {
    fn from(sample: Sample) -> Self {
        sample.0
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn read(text: &str) -> Result<TracesConfig, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn only_plain_addresses_and_shares_are_taken() {
        for good in [
            "http://127.0.0.1:4317",
            "http://[::1]:4317/",
            "http://otel:1",
        ] {
            let config = read(&format!("endpoint = \"{good}\"\nsample = 0.25")).unwrap();
            assert_eq!(config.endpoint.as_str(), good);
            assert_eq!(config.endpoint.is_loopback(), good != "http://otel:1");
        }
        for bad in [
            "https://127.0.0.1:4317",
            "127.0.0.1:4317",
            "http://127.0.0.1",
            "http://u:p@127.0.0.1:4317",
            "http://127.0.0.1:4317/v1/traces",
            "",
        ] {
            let told = read(&format!("endpoint = \"{bad}\"")).unwrap_err();
            assert!(told.contains("must be http://host:port"), "{bad}: {told}");
        }
        for bad in ["-0.1", "1.1", "nan", "inf"] {
            let told = read(&format!("endpoint = \"http://a:1\"\nsample = {bad}")).unwrap_err();
            assert!(told.contains("from 0.0 to 1.0"), "{bad}: {told}");
        }
        assert!(read("sample = 1.0").is_err() && read("endpoint = \"http://a:1\"\nx = 1").is_err());
    }
}
