//! Time zones on a machine that has no time zone database.

use std::{env, process::Command};

use tower_guestbook::{ErrorKind, analytics::Zone};

const CHILD: &str = "GUESTBOOK_TEST_CHILD_WITHOUT_ZONES";

/// Runs in a child process without a time zone database.
#[test]
fn child_without_a_time_zone_database() {
    if env::var_os(CHILD).is_none() {
        return;
    }
    for name in ["UTC", "Etc/UTC", "GMT"] {
        assert!(Zone::named(name).is_ok(), "{name}");
    }
    match Zone::named("Europe/Berlin") {
        Ok(zone) if cfg!(feature = "tzdb") => assert_eq!(zone.name(), "Europe/Berlin"),
        Ok(zone) => panic!("{zone:?} was found without a database"),
        Err(error) if cfg!(feature = "tzdb") => panic!("{error}"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains("no time zone database was found"), "{error}");
        }
    }
    println!("child: checked");
}

/// Only the superuser can hide the machine's database from a child.
#[cfg(target_os = "linux")]
#[test]
fn zone_named_without_a_database_knows_only_utc() {
    let hide = "mount -t tmpfs none /usr/share/zoneinfo 2>/dev/null || exit 77; exec \"$@\"";
    let child = Command::new("unshare")
        .args(["-m", "sh", "-c", hide, "sh"])
        .arg(env::current_exe().unwrap())
        .args(["analytics::zones::child_without_a_time_zone_database", "--exact", "--nocapture"])
        .env(CHILD, "1")
        .env_remove("TZDIR")
        .output();
    let Ok(child) = child else { return };
    let (out, err) = (String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    if child.status.code() == Some(77) || err.contains("unshare") {
        return;
    }
    assert!(child.status.success() && out.contains("child: checked"), "{out}{err}");
}

#[test]
fn zone_named_names_an_unknown_zone() {
    let error = Zone::named("Mars/Olympus").unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("Mars/Olympus")), (ErrorKind::InvalidInput, true));
    assert_eq!(Zone::named("Europe/Berlin").unwrap().name(), "Europe/Berlin");
    assert_eq!(Zone::named("GMT").unwrap().name(), "GMT", "the database's own name is kept");
}
