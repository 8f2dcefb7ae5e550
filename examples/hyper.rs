//! Plain hyper, no framework: `cargo run --example hyper`, then `curl -c jar -b jar http://127.0.0.1:3000/` a few times.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tower::{ServiceBuilder, service_fn};
use tower_guestbook::{
    Guestbook, Session, SqliteStore,
    http::{PeerAddress, SessionCookie},
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
    let guestbook = Guestbook::builder(SqliteStore::open("guestbook.db")?).cookie(cookie).build()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    loop {
        let (stream, peer) = listener.accept().await?;
        let service = ServiceBuilder::new()
            .map_request(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(PeerAddress(peer));
                request
            })
            .layer(guestbook.layer())
            .service(service_fn(visits));
        tokio::spawn(async move {
            let connection = auto::Builder::new(TokioExecutor::new());
            if let Err(error) =
                connection.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).await
            {
                eprintln!("a connection ended: {error}");
            }
        });
    }
}
