//! [`Endpoint`]: what a path below the prefix names.

use http::Method;
use uuid::Uuid;

use crate::model::{
    consent::PurposeId,
    privacy::{RequestId, RequestKind},
};

/// An endpoint of the service, with the parameters of its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Export,
    Erasure,
    Requests,
    /// The requests of a kind; `None` for an unknown kind.
    OfKind(Option<RequestKind>),
    Request(RequestId),
    Confirmation(RequestId),
    Restriction,
    Objections,
    Objection(PurposeId),
    Rectification,
    Consent,
    Receipt,
    Purpose(PurposeId),
    Audit,
}

impl Endpoint {
    /// Finds the endpoint of a path without its prefix. Nothing is decoded, as no valid name needs
    /// encoding.
    pub(super) fn at(path: &str) -> Option<Self> {
        let mut segments = path.strip_prefix('/')?.split('/');
        let endpoint = (segments.next()?, segments.next(), segments.next());
        if segments.next().is_some() {
            return None;
        }
        let purpose = |name| PurposeId::new(name).ok();
        Some(match endpoint {
            ("export", None, None) => Self::Export,
            ("delete", None, None) => Self::Erasure,
            ("requests", None, None) => Self::Requests,
            ("requests", Some(name), None) => match request_id(name) {
                Some(id) => Self::Request(id),
                None => Self::OfKind(RequestKind::from_name(name)),
            },
            ("requests", Some(id), Some("confirmation")) => Self::Confirmation(request_id(id)?),
            ("restriction", None, None) => Self::Restriction,
            ("objection", None, None) => Self::Objections,
            ("objection", Some(name), None) => Self::Objection(purpose(name)?),
            ("rectification", None, None) => Self::Rectification,
            ("consent", None, None) => Self::Consent,
            ("consent", Some("receipt"), None) => Self::Receipt,
            ("consent", Some(name), None) => Self::Purpose(purpose(name)?),
            ("audit", None, None) => Self::Audit,
            _ => return None,
        })
    }

    /// The template of the path, as routers write it.
    pub(super) fn template(&self) -> &'static str {
        match self {
            Self::Export => "/export",
            Self::Erasure => "/delete",
            Self::Requests => "/requests",
            Self::OfKind(_) | Self::Request(_) => "/requests/{request}",
            Self::Confirmation(_) => "/requests/{request}/confirmation",
            Self::Restriction => "/restriction",
            Self::Objections => "/objection",
            Self::Objection(_) => "/objection/{purpose}",
            Self::Rectification => "/rectification",
            Self::Consent => "/consent",
            Self::Receipt => "/consent/receipt",
            Self::Purpose(_) => "/consent/{purpose}",
            Self::Audit => "/audit",
        }
    }

    /// The allowed methods, as in the header `Allow`.
    pub(super) fn methods(&self) -> &'static str {
        match self {
            // `HEAD` would make and record an export that nobody receives.
            Self::Export => "GET",
            Self::Erasure => "DELETE, POST",
            Self::Requests | Self::Objections | Self::Receipt | Self::Audit => "GET, HEAD",
            Self::OfKind(_) | Self::Consent => "GET, HEAD, POST",
            Self::Request(_) => "GET, HEAD, DELETE",
            Self::Confirmation(_) => "POST",
            Self::Restriction => "GET, HEAD, POST, DELETE",
            Self::Objection(_) => "POST, DELETE",
            Self::Rectification => "PATCH",
            Self::Purpose(_) => "DELETE",
        }
    }

    pub(super) fn allows(&self, method: &Method) -> bool {
        self.methods().split(", ").any(|allowed| allowed == method.as_str())
    }
}

/// All templates, for a router.
#[cfg(any(feature = "axum", test))]
pub(super) const TEMPLATES: [&str; 13] = [
    "/export",
    "/delete",
    "/requests",
    "/requests/{request}",
    "/requests/{request}/confirmation",
    "/restriction",
    "/objection",
    "/objection/{purpose}",
    "/rectification",
    "/consent",
    "/consent/receipt",
    "/consent/{purpose}",
    "/audit",
];

/// Parses an id in its canonical form, which no kind resembles.
fn request_id(text: &str) -> Option<RequestId> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten().map(RequestId::from)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const ID: &str = "0199f0e0-7a00-7000-8000-000000000001";

    #[test]
    fn at_finds_the_endpoint_of_each_path() {
        let id = RequestId::from(Uuid::try_parse(ID).unwrap());
        for (path, endpoint) in [
            ("/export", Endpoint::Export),
            ("/delete", Endpoint::Erasure),
            ("/requests", Endpoint::Requests),
            ("/requests/access", Endpoint::OfKind(Some(RequestKind::Access))),
            ("/requests/gold", Endpoint::OfKind(None)),
            (&format!("/requests/{ID}"), Endpoint::Request(id)),
            (&format!("/requests/{ID}/confirmation"), Endpoint::Confirmation(id)),
            ("/restriction", Endpoint::Restriction),
            ("/objection", Endpoint::Objections),
            ("/objection/analytics", Endpoint::Objection(PurposeId::ANALYTICS)),
            ("/rectification", Endpoint::Rectification),
            ("/consent", Endpoint::Consent),
            ("/consent/receipt", Endpoint::Receipt),
            ("/consent/analytics", Endpoint::Purpose(PurposeId::ANALYTICS)),
            ("/audit", Endpoint::Audit),
        ] {
            let found = Endpoint::at(path).unwrap_or_else(|| panic!("{path}"));
            assert_eq!(found, endpoint);
            assert!(TEMPLATES.contains(&found.template()), "{path}");
            assert!(!found.allows(&Method::PUT) && !found.allows(&Method::TRACE));
        }
        assert_eq!(TEMPLATES.iter().collect::<HashSet<_>>().len(), TEMPLATES.len());
    }

    #[test]
    fn at_finds_no_endpoint_for_other_paths() {
        let simple = ID.replace('-', "");
        for path in [
            "",
            "/",
            "export",
            "/Export",
            "/export/",
            "//export",
            "/export/all",
            "/requests/access/confirmation",
            &format!("/requests/{simple}/confirmation"),
            &format!("/requests/{ID}/confirmation/"),
            "/objection/",
            "/objection/Two%20Words",
            "/audit/1",
            "/../export",
        ] {
            assert_eq!(Endpoint::at(path), None, "{path}");
        }
        assert_eq!(Endpoint::at(&format!("/requests/{simple}")), Some(Endpoint::OfKind(None)));
    }
}
