//! A server that shows everything: sessions, activities, consent, preferences, the rights of users
//! and figures, over JSON and in the browser.
//!
//! ```sh
//! cargo run --release --example full_app
//! ```
//!
//! Then open <http://127.0.0.1:3000> and log in as `admin` / `admin123` or `user1` / `user123`, or:
//!
//! ```sh
//! curl -c jar -H 'content-type: application/json' -d '{"username":"admin","password":"admin123"}' \
//!     http://127.0.0.1:3000/auth/login
//! curl -b jar http://127.0.0.1:3000/api/session
//! curl -b jar -d '{"action":"wave","details":{"hands":2}}' http://127.0.0.1:3000/api/track/action
//! curl -b jar 'http://127.0.0.1:3000/api/activities?type=button_click&limit=10'
//! curl -b jar -d '{"consent_type":"analytics","granted":false}' http://127.0.0.1:3000/api/consent
//! curl -b jar -X PATCH -H 'content-type: application/json' -d '{"theme":"dark"}' http://127.0.0.1:3000/api/preferences
//! curl -b jar -H 'content-type: application/json' -d '{}' http://127.0.0.1:3000/api/gdpr/requests/access
//! curl -b jar http://127.0.0.1:3000/api/gdpr/export
//! curl -b jar 'http://127.0.0.1:3000/api/analytics/series?period=hour&hours=24'
//! ```

mod activities;
mod analytics;
mod answers;
mod attempts;
mod auth;
mod config;
mod consent;
mod gdpr;
mod hashing;
mod live;
mod page;
mod preferences;
mod purposes;
mod report_text;
mod server;
mod sessions;
mod tracking;
mod users;
mod windows;

use std::{process::ExitCode, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request},
    middleware::{self, Next},
    response::Response,
    routing::{delete, get, post},
};
use clap::Parser;
use tokio::{net::TcpListener, signal, sync::watch};
use tower_guestbook::{
    Guestbook,
    activity::RecorderSettings,
    consent::{GpcSupport, PurposeId},
    http::{ClientAddress, CrossOriginGuardLayer, SessionCookie, Unrecorded},
    privacy::FileJournal,
    store::SqliteStore,
};
use tracing_subscriber::EnvFilter;

use self::{
    attempts::Attempts,
    config::{Config, Recording},
    live::LiveStreams,
    tracking::Quota,
    users::{Accounts, Users},
};

/// What the routes share.
#[derive(Clone)]
struct App {
    guestbook: Guestbook,
    users: Arc<Users>,
    attempts: Arc<Attempts>,
    live: Arc<LiveStreams>,
    quota: Arc<Quota>,
    /// Whether cookies are for HTTPS only.
    secure: bool,
    /// Changes when the server is asked to stop.
    stopping: watch::Receiver<bool>,
}

type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let config = Config::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // A log that cannot be written, on a full disk or to a reader that is gone, is no reason to panic.
    let log = tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr);
    log.log_internal_errors(false).init();
    match serve(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("full_app: {}", answers::explain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config) -> Result<(), Error> {
    let listener = TcpListener::bind(config.address).await.map_err(|error| format!("{}: {error}", config.address))?;
    let address = listener.local_addr()?;
    let users = Arc::new(Users::open(&config.users_database(), config.limits.password_queue)?);
    let store = SqliteStore::open(&config.database)?;

    let secure = !address.ip().is_loopback();
    // No other host below the same domain can plant a cookie with this prefix, which browsers take
    // only if it is Secure.
    let cookie = match secure {
        true => SessionCookie::new().name("__Host-session_id"),
        false => SessionCookie::new().name("session_id").insecure_without_secure(),
    };
    let recorder = RecorderSettings::new()
        .event_types(tracking::event_types()?)
        .spool(config.spool(), SPOOL_BYTES)
        .subscriptions(config.limits.live_connections, 256);
    let guestbook = Guestbook::builder(store.clone())
        .cookie(cookie)
        .client_address(client_address(config.proxies))
        .accept_bearer()
        .accept_header("x-session-id")
        .recorder(recorder)
        .personal_data(Accounts(users.clone()))
        .erasure_journal(FileJournal::new(config.journal()))
        .consent(purposes::rules(secure)?)
        .preferences(preferences::rules()?)
        .build()?;
    guestbook.ready().await?;
    auth::finish_password_changes(&guestbook, &users)?;
    tracing::info!(secure, "the session cookie is Secure on every address but loopback");
    if secure {
        tracing::warn!("browsers send a Secure cookie over HTTPS only: put a TLS proxy in front of this server");
    }

    let (stop, stopping) = watch::channel(false);
    let app = App {
        guestbook: guestbook.clone(),
        users,
        attempts: Arc::new(Attempts::new()),
        live: Arc::default(),
        quota: Arc::new(Quota::new(config.limits.track_quota)),
        secure,
        stopping,
    };
    let mut asked = app.stopping.clone();
    let routes = routes(app, config.recording == Recording::On)?;
    println!("listening on http://{address}");
    let stop = async move {
        asked_to_stop().await;
        stop.send_replace(true);
    };
    // A client that reads nothing, on a computer that sleeps, say, would keep the server waiting for hours.
    let patience = async move {
        let _ = asked.changed().await;
        tokio::time::sleep(PATIENCE).await;
    };
    tokio::select! {
        () = server::serve(listener, routes, config.limits.of_server(config.proxies), stop) => {}
        () = patience => tracing::warn!("connections that did not end are cut off"),
    }
    let report = guestbook.shutdown().await;
    tracing::info!(written = report.written, spooled = report.spooled, lost = report.lost, "the last events");
    store.close().await?;
    tracing::info!("stopped");
    Ok(())
}

/// Where events wait while the database does not take them.
const SPOOL_BYTES: u64 = 64 * 1024 * 1024;

/// How long a stop waits for requests under way.
const PATIENCE: Duration = Duration::from_secs(10);

/// Since when `Sec-GPC` is honoured.
const GPC_SINCE: &str = "2026-11-25";

fn routes(app: App, recording: bool) -> tower_guestbook::Result<Router> {
    let guestbook = &app.guestbook;
    let sensitive = Router::new()
        .route("/auth/password", post(auth::change_password))
        .layer(guestbook.require_login().within(Duration::from_secs(300)));
    let tracking = Router::new()
        .route("/api/track", post(tracking::batch))
        .route("/api/track/page", post(tracking::page))
        .route("/api/track/action", post(tracking::action))
        .layer(DefaultBodyLimit::max(tracking::MAX_BODY));
    let consent = Router::new()
        .route("/api/consent", get(consent::state).post(consent::decide))
        .route("/api/consent/{purpose}", delete(consent::withdraw))
        .route("/api/consent/receipt", get(consent::receipt))
        .layer(DefaultBodyLimit::max(consent::MAX_BODY));
    let offers = Router::new()
        .route("/offers", get(consent::offers))
        .route("/api/offers", get(consent::offers_as_json))
        .layer(guestbook.require_consent(PurposeId::MARKETING)?);
    let preferences = Router::new()
        .route("/api/preferences", get(preferences::get).put(preferences::put).patch(preferences::patch))
        .route("/api/preferences/{path}", delete(preferences::reset))
        .layer(DefaultBodyLimit::max(preferences::MAX_BODY));
    // Who looks at the figures does not change them.
    let analytics = Router::new()
        .route("/api/analytics/user", get(analytics::user))
        .route("/api/analytics/journey", get(analytics::journey))
        .route("/api/analytics/active-users", get(analytics::active_users))
        .route("/api/analytics/series", get(analytics::series))
        .route("/api/analytics/pages", get(analytics::pages))
        .route("/api/analytics/hours", get(analytics::hours))
        .route("/api/analytics/top-users", get(analytics::top_users))
        .route("/api/analytics/sessions", get(analytics::sessions))
        .route("/api/analytics/patterns", get(analytics::patterns))
        .route("/api/analytics/funnel", get(analytics::funnel))
        .route("/api/analytics/retention", get(analytics::retention))
        .route("/api/analytics/report", get(analytics::report))
        .route("/api/analytics/rollups", get(analytics::rollups).post(analytics::rebuild_rollups))
        .layer(Unrecorded);
    let router = Router::new()
        .route("/", get(page::index))
        .route("/style.css", get(page::style))
        .route("/favicon.svg", get(page::icon))
        .route("/favicon.ico", get(page::icon))
        .route("/health", get(page::health))
        .route("/auth/login", post(auth::login))
        .route("/auth/logout", post(auth::logout))
        .route_service("/.well-known/gpc.json", GpcSupport::new(GPC_SINCE)?)
        .merge(page::scripts())
        .merge(sensitive)
        .merge(tracking)
        .merge(consent)
        .merge(offers)
        .merge(preferences)
        .merge(analytics)
        .route("/api/users/{id}/profile", get(preferences::profile))
        .nest("/api/gdpr", guestbook.privacy_router())
        .route("/api/gdpr/processing", get(gdpr::processing))
        .route("/api/session", get(sessions::current))
        .route("/api/session/messages", post(sessions::messages))
        .route("/api/session/data/{key}", get(sessions::get_data).put(sessions::put_data).delete(sessions::delete_data))
        .route("/api/sessions", get(sessions::list))
        .route("/api/sessions/{id}", delete(sessions::revoke))
        .route("/api/sessions/logout-others", post(sessions::logout_others))
        .route("/api/sessions/logout-everywhere", post(sessions::logout_everywhere))
        .route("/api/activities", get(activities::own))
        .route("/api/activities/live", get(live::own).layer(Unrecorded))
        .route("/api/admin/audit", get(gdpr::verify))
        .route("/api/admin/recorder", get(activities::recorder))
        .route("/api/admin/sessions", delete(sessions::admin_revoke_all))
        .route("/api/admin/users/{id}/sessions", delete(sessions::admin_revoke_user))
        .fallback(answers::not_found)
        .method_not_allowed_fallback(answers::method_not_allowed);
    let router = if recording {
        router.layer(guestbook.layer())
    } else {
        router.layer(guestbook.consent_layer()).layer(guestbook.session_layer())
    };
    Ok(router
        .layer(CrossOriginGuardLayer::new())
        .layer(middleware::map_response(page::security_headers))
        .layer(middleware::from_fn(log))
        .with_state(app))
}

/// One line a request: the route's template, never the path, the address or a header.
async fn log(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let response = next.run(request).await;
    tracing::info!(%method, route = route.as_deref().unwrap_or("-"), status = response.status().as_u16(), "request");
    response
}

async fn asked_to_stop() {
    let interrupt = async {
        if let Err(error) = signal::ctrl_c().await {
            tracing::error!(%error, "no handler for SIGINT");
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match signal::unix::signal(signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(error) => {
                tracing::error!(%error, "no handler for SIGTERM");
                std::future::pending::<()>().await;
            }
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
    tracing::info!("stopping: no new connections, requests under way are finished");
}

fn client_address(proxies: usize) -> ClientAddress {
    if proxies == 0 { ClientAddress::Peer } else { ClientAddress::XForwardedFor { proxies } }
}
