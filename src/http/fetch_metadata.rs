//! [`FetchMetadata`]: what a browser says an answer is for, as far as cookies depend on it (W3C Fetch Metadata).

use http::HeaderMap;

/// What an answer is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FetchMetadata {
    /// A person opens a page, in a window or tab of its own or in a frame.
    pub(super) is_navigation: bool,
    /// A person opens a page in a window or tab of its own.
    pub(super) is_top_level_navigation: bool,
    /// The answer is an image, a style sheet, a script or the like: something that caches keep.
    pub(super) is_subresource: bool,
}

impl FetchMetadata {
    /// What the request with these headers says. A client that says nothing, because it is no
    /// browser, an old one, or comes over plain HTTP, does not navigate and asks for no
    /// subresource.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let is_navigation = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
        let destination = headers.get("sec-fetch-dest");
        Self {
            is_navigation,
            is_top_level_navigation: is_navigation && destination.is_some_and(|value| value == "document"),
            is_subresource: destination.is_some_and(|value| value != "document" && value != "empty"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_document_that_is_navigated_to_is_a_top_level_navigation() {
        let read = |mode: Option<&'static str>, destination: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            mode.map(|mode| headers.insert("sec-fetch-mode", mode.parse().unwrap()));
            destination.map(|value| headers.insert("sec-fetch-dest", value.parse().unwrap()));
            let FetchMetadata { is_navigation, is_top_level_navigation, is_subresource } = FetchMetadata::of(&headers);
            (is_navigation, is_top_level_navigation, is_subresource)
        };
        assert_eq!(read(Some("navigate"), Some("document")), (true, true, false));
        assert_eq!(read(Some("navigate"), Some("iframe")), (true, false, true));
        assert_eq!(read(Some("cors"), Some("empty")), (false, false, false));
        assert_eq!(read(Some("no-cors"), Some("image")), (false, false, true));
        assert_eq!(read(Some("cors"), Some("document")), (false, false, false));
        assert_eq!(read(Some("navigate"), None), (true, false, false));
        assert_eq!(read(None, None), (false, false, false));
    }
}
