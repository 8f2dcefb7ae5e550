//! Our store under tower-sessions of both versions, and under axum-login.

mod axum_login;
mod import;
mod own_layer;
mod v0_14;
mod v0_15;

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use serde_json::json;
use tempfile::TempDir;
use tower_guestbook::{
    Clock, Guestbook, GuestbookBuilder, Timestamp, UserId,
    session::tower_sessions::{RecordData, TowerSessionsStore},
    store::SqliteStore,
};

use crate::support::{Answer, send};

/// A guestbook on a file, and its store for tower-sessions. tower-sessions reads the clock of the
/// system, so the manual one begins at its time.
pub(super) struct Site {
    pub(super) directory: TempDir,
    pub(super) guestbook: Guestbook,
    pub(super) clock: Clock,
    pub(super) store: TowerSessionsStore,
}

impl Site {
    pub(super) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(super) fn with(settings: impl FnOnce(GuestbookBuilder<SqliteStore>) -> GuestbookBuilder<SqliteStore>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::manual(Timestamp::now());
        let builder = Guestbook::builder(SqliteStore::open(directory.path().join("guestbook.db")).unwrap());
        let guestbook = settings(builder.clock(clock.clone())).build().unwrap();
        let store = TowerSessionsStore::new(guestbook.sessions());
        Self { directory, guestbook, clock, store }
    }

    /// The number of live sessions of a user.
    pub(super) async fn count(&self, user: u64) -> usize {
        self.guestbook.sessions().list(&UserId::from(user)).await.unwrap().len()
    }
}

/// The data of a user who has logged in with axum-login.
pub(super) fn login_of(user: u64) -> RecordData {
    [("axum-login.data".to_owned(), json!({ "user_id": user, "auth_hash": [1, 2, 3] }))].into()
}

/// A client that keeps the cookie `id`.
#[derive(Clone)]
pub(super) struct Browser {
    pub(super) app: Router,
    pub(super) cookie: Option<String>,
}

impl Browser {
    pub(super) fn new(app: &Router) -> Self {
        Self { app: app.clone(), cookie: None }
    }

    pub(super) fn with_cookie(app: &Router, cookie: &str) -> Self {
        Self { app: app.clone(), cookie: Some(cookie.to_owned()) }
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        let mut request = Request::get(path);
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, format!("other=1; id={cookie}"));
        }
        let answer = send(&self.app, request.body(Body::empty()).unwrap()).await;
        if let Some(cookie) = answer.set_cookie() {
            let value = cookie.strip_prefix("id=").unwrap().split(';').next().unwrap();
            self.cookie = (!value.is_empty()).then(|| value.to_owned());
        }
        answer
    }

    pub(super) async fn ok(&mut self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        answer.body
    }
}
