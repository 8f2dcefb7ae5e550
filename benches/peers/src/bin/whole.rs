//! The whole stack (session, consent, preferences, activity) beside tower-sessions reading one value, in turns, and a gate
//! alone. With `--features count`: heap allocations instead.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    convert::Infallible,
    time::{Duration, Instant},
};

use axum::{Router, body::Body, http::StatusCode, routing::get};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Full;
use peers::{Nothing, bare, call, cookie, theirs_memory};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_guestbook::{
    Consent, Guestbook, Preferences, Session, SqliteStore, UserId,
    consent::{Category, Choices, Circumstances, LegalBasis, Method, Mode, Purpose, PurposeId, Purposes},
    http::ConsentRules,
    preferences::StandardPreferences,
    user_preferences::PreferenceRules,
};

struct Counting;

thread_local!(static COUNT: Cell<u64> = const { Cell::new(0) });

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if cfg!(feature = "count") {
            COUNT.set(COUNT.get() + 1);
        }
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ROUNDS: usize = 300;
const REQUESTS: u32 = 1_000;

async fn whole(
    session: Session,
    consent: Consent,
    preferences: Preferences<StandardPreferences>,
) -> Result<String, StatusCode> {
    let value: Option<u64> = session.get("number").map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let is_known = value.is_some() && consent.allows(&PurposeId::ANALYTICS) && preferences.notifications.email;
    is_known.then(|| "ok".to_owned()).ok_or(StatusCode::NOT_FOUND)
}

async fn login(session: Session) -> Result<&'static str, StatusCode> {
    session.login("ada").await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    session.insert("number", &7).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok("ok")
}

fn request(path: &str, cookie: &str) -> Request<Body> {
    Request::get(path)
        .header(header::HOST, "shop.example")
        .header(header::USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
        .header(header::ACCEPT_LANGUAGE, "de-AT, de;q=0.8, en;q=0.5")
        .header(header::COOKIE, cookie)
        .body(Body::empty())
        .expect("this is a request")
}

async fn nanoseconds<S, R>(app: &S, path: &str, cookie: &str) -> f64
where
    S: Service<Request<Body>, Response = Response<R>, Error = Infallible> + Clone,
{
    let mut app = app.clone();
    let requests: Vec<_> = (0..REQUESTS).map(|_| request(path, cookie)).collect();
    let begin = Instant::now();
    for request in requests {
        let response = app.call(request).await.unwrap_or_else(|never| match never {});
        assert_eq!(response.status(), StatusCode::OK);
    }
    begin.elapsed().as_nanos() as f64 / f64::from(REQUESTS)
}

/// A service that is no router: axum boxes the body of every layer that can answer by itself.
async fn plain(_: Request<Body>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("ok")))
}

async fn allocations(app: &Router, path: &str, cookie: &str) -> u64 {
    let mut fewest = u64::MAX;
    for _ in 0..200 {
        let (mut app, request) = (app.clone(), request(path, cookie));
        let before = COUNT.get();
        let response = call(&mut app, request).await;
        fewest = fewest.min(COUNT.get() - before);
        drop(response);
    }
    fewest
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn build(store: SqliteStore) -> Guestbook {
    let half_a_year = Duration::from_secs(180 * 86_400);
    let purposes = Purposes::builder()
        .purpose(Purpose::new("necessary", Category::Necessary))
        .purpose(Purpose::new("analytics", Category::Analytics).expiry(half_a_year))
        .purpose(Purpose::new("marketing", Category::Marketing).sells_or_shares(true).expiry(half_a_year).cookies(["ads"]))
        .purpose(
            Purpose::new("measurement", Category::Analytics)
                .mode(Mode::ExemptWithObjection)
                .basis(LegalBasis::LegitimateInterests),
        );
    let rules = ConsentRules::new(purposes.build().expect("they fit")).accept_grants_without_notice();
    let preferences = PreferenceRules::standard()
        .expect("it is a schema")
        .negotiate_language("language", ["en", "de"])
        .negotiate_color_scheme("theme")
        .consent_view("privacy.allow_analytics", PurposeId::ANALYTICS);
    Guestbook::builder(store).consent(rules).preferences(preferences).build().expect("the settings are right")
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a directory on disk");
    let guestbook = build(SqliteStore::open(directory.path().join("guestbook.db")).expect("a new file"));
    let ada = UserId::try_from("ada").expect("a name");
    let choices = Choices::new(Method::Api).grant(PurposeId::ANALYTICS).decline(PurposeId::MARKETING);
    let consents = guestbook.consents().expect("they are configured");
    consents.decide(&ada.clone().into(), choices, &Circumstances::default()).await.expect("stored");
    let preferences = guestbook.preferences::<StandardPreferences>().expect("they are configured");
    let dark = serde_json::json!({ "theme": "dark", "notifications": { "sms": true } });
    preferences.update(&ada, &dark, None).await.expect("stored");

    let gate = guestbook.require(PurposeId::ANALYTICS).expect("it is declared");
    let routes = Router::new()
        .route("/", get(async || "ok"))
        .route("/gated", get(async || "ok").layer(gate))
        .route("/open", get(async || "ok").layer(Nothing))
        .route("/whole", get(whole))
        .route("/login", get(login));
    let all = routes.clone().layer(guestbook.layer());
    let sessions = routes.layer(guestbook.session_layer());
    let response = all.clone().oneshot(request("/login", "a=1")).await.unwrap_or_else(|never| match never {});
    let set = response.headers()[header::SET_COOKIE].to_str().expect("text");
    let ours = set.split(';').next().expect("a pair").to_owned();
    let theirs_app = theirs_memory();
    let theirs = cookie(&theirs_app).await;
    let nothing = bare().layer(Nothing);

    if cfg!(feature = "count") {
        let base = allocations(&nothing, "/", &ours).await;
        println!("heap allocations above {base} of the bare router");
        println!("the whole stack, all of it read: {}", allocations(&all, "/whole", &ours).await - base);
        println!("the whole stack, nothing of it read: {}", allocations(&all, "/", &ours).await - base);
        println!("tower-sessions, one value read: {}", allocations(&theirs_app, "/read", &theirs).await - base);
        return;
    }
    if let Some(path) = std::env::args().nth(1) {
        // For a profiler: one case alone.
        for _ in 0..2_000 {
            std::hint::black_box(nanoseconds(&all, &path, &ours).await);
        }
        return;
    }
    let plain_gate = guestbook.require(PurposeId::ANALYTICS).expect("it is declared");
    let plain_open = guestbook.session_layer().layer(Nothing.layer(service_fn(plain)));
    let plain_gated = guestbook.session_layer().layer(plain_gate.layer(service_fn(plain)));
    let mut bare_gate = Vec::new();
    let (mut whole, mut unused, mut peer, mut gate) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let base = nanoseconds(&nothing, "/", &ours).await;
        whole.push(nanoseconds(&all, "/whole", &ours).await - base);
        guestbook.flush().await.expect("stored");
        unused.push(nanoseconds(&all, "/", &ours).await - base);
        guestbook.flush().await.expect("stored");
        peer.push(nanoseconds(&theirs_app, "/read", &theirs).await - base);
        let open = nanoseconds(&sessions, "/open", &ours).await;
        gate.push(nanoseconds(&sessions, "/gated", &ours).await - open);
        let open = nanoseconds(&plain_open, "/", &ours).await;
        bare_gate.push(nanoseconds(&plain_gated, "/", &ours).await - open);
    }
    println!("nanoseconds above a router with a layer that does nothing, median of {ROUNDS} rounds in turns");
    println!("the whole stack, all of it read: {:.0}", median(whole));
    println!("the whole stack, nothing of it read: {:.0}", median(unused));
    println!("tower-sessions with its memory store, one value read: {:.0}", median(peer));
    println!("a gate in an axum router, above a layer that does nothing: {:.0}", median(gate));
    println!("a gate around a plain service, above a layer that does nothing: {:.0}", median(bare_gate));
}
