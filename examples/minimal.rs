//! The ten lines: `cargo run --example minimal`, then open <http://localhost:3000> and reload.

use axum::{Router, routing::get};
use tower_guestbook::{Guestbook, Session, store::SqliteStore};

async fn visits(session: Session) -> tower_guestbook::Result<String> {
    let visits = session.update("visits", |visits: Option<u32>| Some(visits.unwrap_or(0) + 1)).await?;
    Ok(format!("visit number {}\n", visits.unwrap_or(0)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let guestbook = Guestbook::builder(SqliteStore::open("guestbook.db")?).build()?;
    let app = Router::new().route("/", get(visits)).layer(guestbook.layer());
    axum::serve(tokio::net::TcpListener::bind("127.0.0.1:3000").await?, app).await?;
    Ok(())
}
