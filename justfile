# Recipes of the house. `just` lists them; `just check` is what CI runs.

default:
    @just --list

# Everything that must hold
check:
    .ci/run

# Tests of the whole workspace
test:
    cargo test --workspace

# PostgreSQL of its own: start, url or stop; `export SYMBOLON_TEST_POSTGRES=$(just postgres start)`
postgres command:
    @tests/postgres/server.sh {{ command }}

# Two PostgreSQL servers under Patroni: start, url, status, kill-primary, restart or stop
cluster command:
    @tests/postgres/cluster.sh {{ command }}

# Format and lint
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets -- -D warnings

# The demo; arguments are passed on
demo *arguments:
    cargo demo {{ arguments }}

# Benchmarks of the pipeline's steps
bench:
    cargo bench -p symbolon-core --features node
    cargo bench -p symbolon-hub

# An honest member beside thousands that wish the hub ill; arguments are passed on
flood *arguments:
    cargo run --release -p symbolon-tests --bin flood -- {{ arguments }}

# Make the demo's sample files anew; a test holds them against the generator
sample-data:
    cargo sample-data -- --out tests/data/demo
