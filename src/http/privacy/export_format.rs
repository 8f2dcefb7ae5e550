//! [`ExportFormat`]: the format of an export.

#[cfg(feature = "zip")]
use http::header;
use http::{HeaderMap, HeaderValue, Uri};

use super::paced_export::ExportStream;
use crate::{engine::rights::Rights, error::Result, id::UserId};

/// The format of an export.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ExportFormat {
    Json,
    #[cfg(feature = "zip")]
    Zip,
}

impl ExportFormat {
    /// The format that a request asks for: in its query, else in `Accept`. `None` if the query
    /// names an unknown format.
    pub(super) fn of(uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let mut pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        match pairs.find(|(name, _)| name == "format") {
            Some((_, format)) => Self::named(&format),
            None => Some(Self::accepted(headers)),
        }
    }

    /// Begins the export.
    pub(super) async fn copy(self, rights: &Rights, user: &UserId) -> Result<ExportStream> {
        Ok(match self {
            Self::Json => Box::pin(rights.export(user).await?),
            #[cfg(feature = "zip")]
            Self::Zip => Box::pin(rights.export_archive(user).await?),
        })
    }

    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json",
            #[cfg(feature = "zip")]
            Self::Zip => ZIP,
        })
    }

    pub(super) fn disposition(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "attachment; filename=\"personal-data.json\"",
            #[cfg(feature = "zip")]
            Self::Zip => "attachment; filename=\"personal-data.zip\"",
        })
    }

    fn named(name: &str) -> Option<Self> {
        match name {
            "json" => Some(Self::Json),
            #[cfg(feature = "zip")]
            "zip" => Some(Self::Zip),
            _ => None,
        }
    }

    #[cfg(not(feature = "zip"))]
    fn accepted(_: &HeaderMap) -> Self {
        Self::Json
    }

    /// ZIP if `Accept` names it and prefers it to JSON. A range such as `*/*`, which browsers send,
    /// does not count.
    #[cfg(feature = "zip")]
    fn accepted(headers: &HeaderMap) -> Self {
        let quality = |wanted: &str| {
            let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
            let mut ranges = values.flat_map(|value| value.split(','));
            ranges.find_map(|range| {
                let (name, parameters) = range.split_once(';').unwrap_or((range, ""));
                name.trim().eq_ignore_ascii_case(wanted).then(|| quality_of(parameters))
            })
        };
        let (zip, json) = (quality(ZIP).unwrap_or(0.0), quality("application/json").unwrap_or(0.0));
        if zip > json { Self::Zip } else { Self::Json }
    }
}

/// The weight among the parameters of a range (RFC 9110, section 12.4.2); 0 if it cannot be parsed.
#[cfg(feature = "zip")]
fn quality_of(parameters: &str) -> f32 {
    let mut parameters = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
    let quality = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    quality.map_or(1.0, |(_, value)| value.trim().parse().ok().filter(|q| (0.0..=1.0).contains(q)).unwrap_or(0.0))
}

#[cfg(feature = "zip")]
const ZIP: &str = "application/zip";

#[cfg(all(test, feature = "zip"))]
mod tests {
    use super::*;

    #[test]
    fn of_reads_the_query_and_then_accept() {
        for (uri, accept, expected) in [
            ("/", "", Some(ExportFormat::Json)),
            ("/", "*/*", Some(ExportFormat::Json)),
            ("/", "text/html,application/xhtml+xml,*/*;q=0.8", Some(ExportFormat::Json)),
            ("/", "application/zip", Some(ExportFormat::Zip)),
            ("/", "text/html, Application/ZIP;q=0.5", Some(ExportFormat::Zip)),
            ("/", "application/zip;q=0", Some(ExportFormat::Json)),
            ("/", "application/zip;q=2", Some(ExportFormat::Json)),
            ("/", "application/zip, application/json", Some(ExportFormat::Json)),
            ("/", "application/zip;q=0.9, application/json;q=0.8", Some(ExportFormat::Zip)),
            ("/?format=zip", "application/json", Some(ExportFormat::Zip)),
            ("/?a=b&format=json", "application/zip", Some(ExportFormat::Json)),
            ("/?format=tar", "application/zip", None),
            ("/?format=", "", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(ExportFormat::of(&Uri::from_static(uri), &headers), expected, "{uri} {accept}");
        }
    }
}
