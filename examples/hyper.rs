//! Plain hyper, no framework: `cargo run --example hyper`, then `curl -c jar -b jar
//! http://127.0.0.1:3000/` a few times.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::sync::Semaphore;
use tower::{ServiceBuilder, service_fn};
use tower_guestbook::{
    Guestbook, Session,
    activity::ActivityRules,
    http::{PeerAddress, SessionCookie},
    store::SqliteStore,
};

async fn visits(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let session = Session::from_extensions(request.extensions()).expect("the session layer is below");
    let visits = session.update("visits", |visits: Option<u32>| Some(visits.unwrap_or(0) + 1)).await;
    Ok(match visits {
        Ok(visits) => Response::new(format!("visit number {}\n", visits.unwrap_or(0)).into()),
        // A problem (RFC 9457) with the status of its kind.
        Err(error) => error.into(),
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // curl keeps a Secure cookie to itself over plain HTTP.
    let cookie = SessionCookie::new().name("session").insecure_without_secure();
    // Nobody tells the layer which routes there are, and what else is in a path is not recorded.
    let rules = ActivityRules::new().routes(["/"]);
    let guestbook = Guestbook::builder(SqliteStore::open("guestbook.db")?).cookie(cookie).activity(rules).build()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    // A client that sends no head, and more clients than there are file descriptors, must not stop
    // the server.
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(15));
    let places = Arc::new(Semaphore::new(800));
    loop {
        let place = places.clone().acquire_owned().await?;
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                eprintln!("no connection can be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let service = ServiceBuilder::new()
            .map_request(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(PeerAddress(peer));
                request
            })
            .layer(guestbook.layer())
            .service(service_fn(visits));
        let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("a connection ended: {error}");
            }
            drop(place);
        });
    }
}
