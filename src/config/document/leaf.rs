//! The leaves of the file: words and numbers with a grammar of their own.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use ipnet::IpNet;
use schemars::{Schema, json_schema};

use super::read::FromText;
use crate::config::suggest;
use crate::ground::{duration, size};

impl FromText for String {
    const WANTED: &'static str = "a text";

    fn from_text(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("this text is empty; write something, or leave the key out".to_owned());
        }
        Ok(text.to_owned())
    }
}

impl FromText for bool {
    const WANTED: &'static str = "`true` or `false`";

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "true" | "True" | "TRUE" => Ok(true),
            "false" | "False" | "FALSE" => Ok(false),
            _ => Err(format!("`{text}` is not `true` or `false`")),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "boolean" })
    }
}

impl FromText for u32 {
    const WANTED: &'static str = "a whole number";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("`{text}` is not a whole number from 0 to {}; write digits alone", u32::MAX))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "integer", "minimum": 0 })
    }
}

impl FromText for Duration {
    const WANTED: &'static str = "a duration";

    fn from_text(text: &str) -> Result<Self, String> {
        duration::parse(text)
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" })
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromText for Size {
    const WANTED: &'static str = "a size";

    fn from_text(text: &str) -> Result<Self, String> {
        size::parse(text).map(Self)
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)$" })
    }
}

/// A colour: red, green, blue. Shown as `#205080`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour(pub [u8; 3]);

impl FromText for Colour {
    const WANTED: &'static str = "a colour";

    fn from_text(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6);
        let number = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let number = number.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let [_, red, green, blue] = number
            .ok_or_else(|| {
                format!("`{text}` is not a colour; write `#` and six hexadecimal digits in quotes: `\"#205080\"`")
            })?
            .to_be_bytes();
        Ok(Self([red, green, blue]))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^#[0-9A-Fa-f]{6}$" })
    }
}

impl std::fmt::Display for Colour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl FromText for SocketAddr {
    const WANTED: &'static str = "an address with a port";

    fn from_text(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(address);
        }
        if text.parse::<IpAddr>().is_ok() {
            let whole = if text.contains(':') { format!("[{text}]:8080") } else { format!("{text}:8080") };
            return Err(format!("`{text}` has no port; write for example `{whole}`"));
        }
        if let Some(port) = text.strip_prefix(':').or_else(|| text.strip_prefix("*:")) {
            return Err(format!(
                "`{text}` names no address; write `0.0.0.0:{port}` for all IPv4 addresses of this machine, `[::]:{port}` \
                 for IPv6 too, or `127.0.0.1:{port}` for this machine alone"
            ));
        }
        if let Some(port) = text.strip_prefix("localhost:") {
            return Err(format!("`localhost` is a name; write an address: `127.0.0.1:{port}` or `[::1]:{port}`"));
        }
        Err(format!("`{text}` is not an address with a port; write `127.0.0.1:8080`, `0.0.0.0:8443` or `[::]:8443`"))
    }
}

impl FromText for IpNet {
    const WANTED: &'static str = "a network";

    fn from_text(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::from(address));
        }
        let network: Self = text.parse().map_err(|_| {
            format!("`{text}` is not a network; write `10.0.0.0/8`, `fd00::/8` or one address such as `192.0.2.7`")
        })?;
        let exact = network.trunc();
        if exact != network {
            return Err(format!(
                "`{text}` has bits after its prefix; did you mean `{exact}` or the one address `{}`?",
                network.addr()
            ));
        }
        Ok(network)
    }
}

impl FromText for Method {
    const WANTED: &'static str = "an HTTP method";

    fn from_text(text: &str) -> Result<Self, String> {
        const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        if KNOWN.contains(&text) {
            return Self::from_bytes(text.as_bytes()).map_err(|fault| fault.to_string());
        }
        if matches!(text, "CONNECT" | "TRACE") {
            return Err(format!(
                "`{text}` cannot be offered; no API needs it, and it opens tunnels or echoes credentials"
            ));
        }
        let upper = text.to_ascii_uppercase();
        if let Some(near) = suggest::nearest(&upper, KNOWN.into_iter()) {
            return Err(format!("`{text}` is not an HTTP method; did you mean `{near}`?"));
        }
        match Self::from_bytes(text.as_bytes()) {
            Ok(method) if text == upper => Ok(method),
            _ => Err(format!(
                "`{text}` is not an HTTP method; methods are written in capitals: {}",
                suggest::list(KNOWN.into_iter())
            )),
        }
    }
}

impl FromText for HeaderName {
    const WANTED: &'static str = "the name of a header";

    fn from_text(text: &str) -> Result<Self, String> {
        Self::from_bytes(text.as_bytes()).map_err(|_| {
            format!("`{text}` is not the name of a header; letters, digits and `-`, for example `X-Frame-Options`")
        })
    }
}

impl FromText for HeaderValue {
    const WANTED: &'static str = "the value of a header";

    fn from_text(text: &str) -> Result<Self, String> {
        if !text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return Err("this cannot be the value of a header; use printable ASCII characters on one line".to_owned());
        }
        Self::from_str(text.trim()).map_err(|_| "this cannot be the value of a header".to_owned())
    }
}
