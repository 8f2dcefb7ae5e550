# The steps of `.ci/run`, by name. `just` lists them.

export CARGO_TERM_COLOR := "never"

features := "'' sqlite axum likely-subtags metrics parquet testing tower-sessions tower-sessions-0-14 tzdb zip"

default:
    @just --list

# Format of all sources
fmt:
    cargo fmt --all -- --check

# Clippy on everything
clippy:
    cargo clippy --locked --all-targets --all-features -- -D warnings

# Clippy on the library with each feature alone
features:
    for feature in {{ features }}; do cargo clippy --locked --lib --no-default-features --features "$feature" -- -D warnings || exit 1; done

# The docs, without a warning
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --all-features

# Examples and benches compile
compile:
    cargo build --locked --release --examples
    cargo check --locked --benches
    cd benches/peers && CARGO_TARGET_DIR="$PWD/../../target/peers" cargo check --locked --all-targets

# Licences, advisories and duplicate versions of dependencies
deny:
    cargo deny --all-features check

# What the package contains
package:
    cargo package --locked --list

# Tests, without a browser and without oracles
test:
    cargo test --locked

# Tests with a real browser (chromium, chromedriver) and the oracles (Python with duckdb and pandas)
test-all:
    GUESTBOOK_BROWSER=1 GUESTBOOK_ORACLES=1 cargo test --locked

# What each layer adds to a request
bench:
    cargo bench --bench overhead
