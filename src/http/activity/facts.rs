//! [`Facts`]: the relevant headers of a request.

use http::{HeaderMap, header};

/// The relevant headers, read in one pass. Looking each of them up takes twice as long.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts<'a> {
    pub(super) agent: &'a [u8],
    pub(super) referrer: Option<&'a [u8]>,
    pub(super) host: Option<&'a [u8]>,
    /// Whether the browser reports a request from the same origin (`Sec-Fetch-Site`).
    pub(super) is_same_origin: bool,
    /// The destination that the browser reports (`Sec-Fetch-Dest`).
    pub(super) destination: Option<&'a [u8]>,
    pub(super) is_prefetch: bool,
    /// Whether there is a cookie or a language, as a person's browser sends.
    pub(super) is_personal: bool,
}

impl<'a> Facts<'a> {
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        let mut facts = Self::default();
        for (name, value) in headers {
            let value = value.as_bytes();
            // Standard header names are numbers, which compare faster than strings.
            if *name == header::USER_AGENT {
                facts.agent = value;
            } else if *name == header::HOST {
                facts.host = Some(value);
            } else if *name == header::REFERER {
                facts.referrer = Some(value);
            } else if *name == header::ACCEPT_LANGUAGE || *name == header::COOKIE {
                facts.is_personal = true;
            } else {
                match name.as_str() {
                    "sec-fetch-dest" => facts.destination = Some(value),
                    "sec-fetch-site" => facts.is_same_origin = value == b"same-origin",
                    "sec-purpose" | "purpose" | "x-moz" => facts.is_prefetch |= says_prefetch(value),
                    _ => {}
                }
            }
        }
        facts
    }

    /// Returns whether a script sent the request: the destination is neither a document nor a
    /// frame.
    pub(super) fn is_by_script(&self) -> bool {
        self.destination
            .is_some_and(|wanted| ![b"document".as_slice(), b"iframe", b"frame", b"fencedframe"].contains(&wanted))
    }
}

fn says_prefetch(value: &[u8]) -> bool {
    value.windows(8).any(|part| part.eq_ignore_ascii_case(b"prefetch"))
}
