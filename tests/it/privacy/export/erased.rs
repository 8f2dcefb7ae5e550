//! An export that is under way while its user is erased.

use bytes::Bytes;
#[cfg(feature = "zip")]
use tower_guestbook::privacy::ExportArchive;
use tower_guestbook::{
    privacy::{Export, RequestKind, RequestState},
    store::RequestQuery,
};

use super::*;

/// An export in whatever format.
enum Copy {
    Json(Export),
    #[cfg(feature = "zip")]
    Zip(ExportArchive),
}

impl Copy {
    async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        match self {
            Self::Json(export) => export.next().await,
            #[cfg(feature = "zip")]
            Self::Zip(export) => export.next().await,
        }
    }
}

async fn both(guestbook: &Guestbook) -> Vec<Copy> {
    let rights = guestbook.rights();
    let mut both = vec![Copy::Json(rights.export(&user("ada")).await.unwrap())];
    #[cfg(feature = "zip")]
    both.push(Copy::Zip(rights.export_archive(&user("ada")).await.unwrap()));
    both
}

/// A site where Ada has asked for a copy, and where a source has a row of hers on each of three
/// pages.
async fn site() -> Guestbook {
    let (builder, _clock) = rules(MemoryStore::new());
    let guestbook = builder.personal_data(Rows::new("orders", 3)).build().unwrap();
    set(&guestbook, "ada", json!({ "theme": "dark" })).await;
    guestbook.rights().file_request(&user("ada"), RequestKind::Access, None).await.unwrap();
    guestbook
}

async fn state(guestbook: &Guestbook) -> RequestState {
    let all = guestbook.rights().requests(RequestQuery::new()).await.unwrap();
    let access = all.iter().find(|request| request.kind == RequestKind::Access).unwrap();
    access.state.clone()
}

#[tokio::test]
async fn export_fails_at_any_part_when_its_user_is_erased() {
    let parts = {
        let guestbook = site().await;
        let mut counts = Vec::new();
        for mut export in both(&guestbook).await {
            let mut count = 0;
            while let Some(part) = export.next().await {
                part.unwrap();
                count += 1;
            }
            counts.push(count);
        }
        assert_eq!(state(&guestbook).await, RequestState::Done, "a whole one answers the request");
        counts
    };
    for (format, count) in parts.into_iter().enumerate() {
        assert!(count >= 3, "{count} parts");
        for before in 0..count {
            let guestbook = site().await;
            let mut export = both(&guestbook).await.swap_remove(format);
            for _ in 0..before {
                export.next().await.unwrap().unwrap();
            }
            guestbook.rights().erase(&user("ada")).await.unwrap();
            let error = export.next().await.unwrap().expect_err("it is not complete");
            assert_eq!(error.kind(), ErrorKind::UserErased, "format {format}, after {before} parts");
            assert!(export.next().await.is_none());
            assert_eq!(state(&guestbook).await, RequestState::Cancelled, "nobody has answered it");
        }
    }
}

#[tokio::test]
async fn export_of_an_erased_user_has_no_preferences_and_no_decisions() {
    let guestbook = site().await;
    guestbook.rights().erase(&user("ada")).await.unwrap();
    let document = document(&guestbook, "ada").await;
    assert_eq!((&document["preferences"], &document["consent"]), (&json!({}), &json!([])));
}

#[tokio::test]
async fn export_ignores_the_erasure_of_another_user() {
    let guestbook = site().await;
    for mut export in both(&guestbook).await {
        export.next().await.unwrap().unwrap();
        guestbook.rights().erase(&user("bob")).await.unwrap();
        while let Some(part) = export.next().await {
            part.unwrap();
        }
    }
}
