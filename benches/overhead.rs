//! What each layer and each gate adds to a request: `cargo bench`.
//!
//! All rows call a plain service that answers "ok", on one thread, with the headers of a browser. The rows `bare` and
//! `layer that does nothing` are what is there anyway; what a layer costs is the difference to the latter. Warm means
//! that the caches have the session; cold means that they keep nothing, so that each request asks SQLite.
//!
//! `benches/compare.sh` runs two commits in turns, row by row. Peers are compared in `benches/peers`.

use std::{
    cell::LazyCell,
    convert::Infallible,
    hint::black_box,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use tempfile::TempDir;
use tokio::runtime::{self, Runtime};
use tower::{Layer, Service, layer::layer_fn, service_fn};
use tower_guestbook::{
    Consent, Guestbook, Preferences, RequestContext, Session, UserId,
    consent::{Category, Choices, ConsentRules, DecisionContext, DecisionMethod, Purpose, PurposeId, Purposes},
    http::CrossOriginGuardLayer,
    preferences::{PreferenceRules, StandardPreferences, Theme},
    store::SqliteStore,
};

type Incoming = Request<Full<Bytes>>;
type Outgoing = Response<Full<Bytes>>;

/// A guestbook with everything configured, a user who is logged in, and the cookie of their session.
struct Fixture {
    guestbook: Guestbook,
    cookie: String,
    _directory: TempDir,
}

impl Fixture {
    async fn new(cache_age: Duration) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let store = SqliteStore::open(directory.path().join("guestbook.db")).expect("a new file");
        let half_a_year = Duration::from_secs(180 * 86_400);
        let purposes = Purposes::builder()
            .purpose(Purpose::new("necessary", Category::Necessary).cookies(["_theme", "cart", "seen"]))
            .purpose(Purpose::new("analytics", Category::Analytics).expiry(half_a_year))
            .purpose(Purpose::new("marketing", Category::Marketing).expiry(half_a_year).cookies(["ads"]));
        let rules = ConsentRules::new(purposes.build().expect("valid purposes")).accept_grants_without_notice();
        let preferences = PreferenceRules::standard().expect("a valid schema");
        let guestbook = Guestbook::builder(store)
            .consent(rules)
            .preferences(preferences.negotiate_language("language", ["en", "de"]))
            .cache_age(cache_age)
            .build()
            .expect("valid settings");
        let ada = UserId::try_from("ada").expect("a valid id");
        let choices = Choices::new(DecisionMethod::Api).grant(PurposeId::ANALYTICS).decline(PurposeId::MARKETING);
        let consents = guestbook.consents().expect("consent is configured");
        consents.decide(&ada.clone().into(), choices, &DecisionContext::default()).await.expect("stored");
        let users = guestbook.preferences::<StandardPreferences>().expect("preferences are configured");
        users.update(&ada, &serde_json::json!({ "theme": "dark" }), None).await.expect("stored");

        let mut app = guestbook.session_layer().layer(service_fn(login));
        let response = app.call(request(None)).await.unwrap_or_else(|never| match never {});
        let cookie = response.headers()[header::SET_COOKIE].to_str().expect("a cookie is text");
        let cookie = cookie.split(';').next().expect("a pair").to_owned();
        Self { guestbook, cookie, _directory: directory }
    }
}

fn benches(criterion: &mut Criterion) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _inside = runtime.enter();
    let new = |cache_age| {
        LazyCell::new({
            let runtime = &runtime;
            move || runtime.block_on(Fixture::new(cache_age))
        })
    };
    let (warm, cold) = (new(Duration::from_secs(1)), new(Duration::ZERO));
    let mut bench = Bench { criterion, runtime: &runtime };

    bench.row("bare service", || (service_fn(ok), None));
    bench.row("layer that does nothing", || (Nothing(service_fn(ok)), None));
    bench.row("session/no cookie", || (warm.guestbook.session_layer().layer(service_fn(ok)), None));
    bench.row("session/cookie, not used", || (warm.guestbook.session_layer().layer(service_fn(ok)), warm.cookie()));
    bench.row("session/one value read", || (warm.guestbook.session_layer().layer(service_fn(read)), warm.cookie()));
    bench.row("session/one value read, cold", || {
        (cold.guestbook.session_layer().layer(service_fn(read)), cold.cookie())
    });
    bench.row("session/one value written", || (warm.guestbook.session_layer().layer(service_fn(write)), warm.cookie()));
    bench.row("activity/recorded", || (warm.guestbook.activity_layer().layer(service_fn(ok)), None));
    bench.row("consent/asked", || {
        let layers = (warm.guestbook.session_layer(), warm.guestbook.consent_layer());
        (layers.layer(service_fn(ask)), warm.cookie())
    });
    bench.row("preferences/read", || (warm.guestbook.session_layer().layer(service_fn(prefer)), warm.cookie()));
    bench.row("all layers/no cookie", || (warm.guestbook.layer().layer(service_fn(ok)), None));
    bench.row("all layers/nothing read", || (warm.guestbook.layer().layer(service_fn(ok)), warm.cookie()));
    bench.row("all layers/one value read", || (warm.guestbook.layer().layer(service_fn(read)), warm.cookie()));
    bench.row("all layers/all read", || (warm.guestbook.layer().layer(service_fn(read_all)), warm.cookie()));
    bench.row("all layers/all read, cold", || (cold.guestbook.layer().layer(service_fn(read_all)), cold.cookie()));
    bench.row("gate/none, session layer alone", || {
        (warm.guestbook.session_layer().layer(Nothing(service_fn(ok))), warm.cookie())
    });
    bench.row("gate/consent", || {
        let gate = warm.guestbook.require_consent(PurposeId::ANALYTICS).expect("a declared purpose");
        ((warm.guestbook.session_layer(), gate).layer(service_fn(ok)), warm.cookie())
    });
    bench.row("gate/login within a day", || {
        let gate = warm.guestbook.require_login().within(Duration::from_secs(86_400));
        ((warm.guestbook.session_layer(), gate).layer(service_fn(ok)), warm.cookie())
    });
    bench.row("gate/cross-origin guard alone", || {
        ((CrossOriginGuardLayer::new(), layer_fn(Nothing)).layer(service_fn(ok)), None)
    });
}

impl Fixture {
    fn cookie(&self) -> Option<String> {
        Some(self.cookie.clone())
    }
}

struct Bench<'a> {
    criterion: &'a mut Criterion,
    runtime: &'a Runtime,
}

impl Bench<'_> {
    /// Measures requests through what `make` makes; it is made only if this row is to be run.
    fn row<S, R>(&mut self, name: &str, make: impl Fn() -> (S, Option<String>))
    where
        S: Service<Incoming, Response = Response<R>, Error = Infallible> + Clone,
    {
        let made = LazyCell::new(make);
        self.criterion.bench_function(name, |bencher| {
            let (service, cookie) = &*made;
            bencher.to_async(self.runtime).iter_custom(async |iterations| {
                let mut service = service.clone();
                let mut spent = Duration::ZERO;
                let mut left = iterations;
                // The requests are made beforehand, some at a time: they are no part of what is measured.
                while left > 0 {
                    let count = left.min(BATCH);
                    let requests: Vec<_> = (0..count).map(|_| request(cookie.as_deref())).collect();
                    let begin = Instant::now();
                    for request in requests {
                        let response = service.call(request).await.unwrap_or_else(|never| match never {});
                        assert_eq!(response.status(), StatusCode::OK);
                        black_box(response);
                    }
                    spent += begin.elapsed();
                    left -= count;
                    // The tasks of the recorder and of touches have their turn outside.
                    tokio::task::yield_now().await;
                }
                spent
            });
        });
    }
}

const BATCH: u64 = 1_000;

/// A request as a browser sends it, with a few cookies that are not ours.
fn request(cookie: Option<&str>) -> Incoming {
    let others = "_theme=light; cart=3f2b9c; seen=1";
    let cookies = cookie.map_or_else(|| others.to_owned(), |cookie| format!("{others}; {cookie}"));
    Request::get("/articles/7")
        .header(header::HOST, "shop.example")
        .header(header::USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
        .header(header::ACCEPT, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
        .header(header::ACCEPT_LANGUAGE, "de-AT, de;q=0.8, en;q=0.5")
        .header(header::ACCEPT_ENCODING, "gzip, deflate, br, zstd")
        .header("sec-fetch-site", "same-origin")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document")
        .header(header::COOKIE, cookies)
        .body(Full::default())
        .expect("a valid request")
}

async fn ok(_: Incoming) -> Result<Outgoing, Infallible> {
    Ok(Response::new(Full::from("ok")))
}

async fn login(request: Incoming) -> Result<Outgoing, Infallible> {
    let session = session(&request);
    session.login("ada").await.expect("logged in");
    session.insert("number", &7).expect("a small value");
    ok(request).await
}

async fn read(request: Incoming) -> Result<Outgoing, Infallible> {
    assert_eq!(number(&request), Some(7));
    ok(request).await
}

async fn write(request: Incoming) -> Result<Outgoing, Infallible> {
    session(&request).insert("written", &7).expect("a small value");
    ok(request).await
}

async fn ask(request: Incoming) -> Result<Outgoing, Infallible> {
    assert!(allows_analytics(&request));
    ok(request).await
}

async fn prefer(request: Incoming) -> Result<Outgoing, Infallible> {
    assert_eq!(theme(&request), Theme::Dark);
    ok(request).await
}

async fn read_all(request: Incoming) -> Result<Outgoing, Infallible> {
    assert_eq!(number(&request), Some(7));
    assert!(allows_analytics(&request));
    assert_eq!(theme(&request), Theme::Dark);
    ok(request).await
}

fn session(request: &Incoming) -> Session {
    Session::from_extensions(request.extensions()).expect("the session layer is outside")
}

fn number(request: &Incoming) -> Option<u64> {
    session(request).get("number").expect("a number")
}

fn allows_analytics(request: &Incoming) -> bool {
    let consent = request.extensions().get::<RequestContext>().and_then(RequestContext::consent);
    consent.as_ref().is_some_and(|consent: &Consent| consent.allows(PurposeId::ANALYTICS))
}

fn theme(request: &Incoming) -> Theme {
    let preferences = Preferences::<StandardPreferences>::from_parts(request.headers(), request.extensions());
    preferences.expect("preferences are configured").theme
}

/// What a layer costs anyway.
#[derive(Clone)]
struct Nothing<S>(S);

impl<S: Service<Incoming>> Service<Incoming> for Nothing<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Incoming) -> S::Future {
        self.0.call(request)
    }
}

criterion_group!(overhead, benches);
criterion_main!(overhead);
