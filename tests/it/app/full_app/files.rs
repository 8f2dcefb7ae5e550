//! The files of the server.

use super::*;

#[cfg(unix)]
#[tokio::test]
async fn full_app_files_are_readable_by_the_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    token(&server, "user1", "user123").await;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        let (name, found) = (entry.file_name().into_string().unwrap(), entry.metadata().unwrap());
        let expected = if found.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(found.permissions().mode() & 0o777, expected, "{name}");
        names.push(name);
    }
    for name in
        ["guestbook.db", "guestbook.db-wal", "guestbook.db.users", "guestbook.db.erasures", "guestbook.db.spool"]
    {
        assert!(names.iter().any(|found| found == name), "{name}: {names:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn full_app_is_not_healthy_without_its_database() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let health = async || ask(&server.address, Method::GET, "/health", &[], "").await;
    assert_eq!((health().await.status, health().await.json), (StatusCode::OK, json!({ "status": "healthy" })));
    let token = token(&server, "user1", "user123").await;
    std::fs::remove_file(directory.path().join("guestbook.db")).unwrap();
    // It takes a second at most, in which nothing can be asserted.
    let write = async || with(&server, &token, Method::PUT, "/api/session/data/key", "1").await.status;
    while write().await != StatusCode::SERVICE_UNAVAILABLE {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(health().await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(health().await.json, json!({ "status": "unhealthy" }));
    let log = server.stop();
    let event = log.lines().find(|line| line.contains("\"ERROR\"") && line.contains("moved, deleted or replaced"));
    assert!(event.is_some_and(|event| event.contains("guestbook.db")), "{log}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn full_app_starts_and_serves_when_its_log_cannot_be_written() {
    let directory = tempfile::tempdir().unwrap();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let server = Server::start_logging_to(directory.path(), full.into());
    assert_eq!(ask(&server.address, Method::GET, "/health", &[], String::new()).await.status, StatusCode::OK);
}

#[cfg(unix)]
#[tokio::test]
async fn full_app_creates_the_users_file_private_behind_a_dangling_symlink() {
    use std::os::unix::fs::PermissionsExt;

    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("elsewhere");
    std::os::unix::fs::symlink(&target, directory.path().join("guestbook.db.users")).unwrap();
    let _server = Server::start(directory.path());
    assert_eq!(target.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}
