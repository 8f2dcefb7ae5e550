//! Names that are special to SQLite, but not to a file system.

use tower_guestbook::{ErrorKind, store::SqliteStore};

#[test]
fn open_refuses_in_memory_names() {
    for name in ["", ":memory:", "file::memory:", "file::memory:?cache=shared", "file:clients?mode=memory"] {
        let error = SqliteStore::open(name).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Configuration, "{name:?}");
        assert!(error.to_string().contains("MemoryStore"), "{name:?}: {error}");
        assert!(name.is_empty() || !std::path::Path::new(name).exists(), "{name:?}: a file was made");
    }
}
