# Recipes of the house. `just` lists them; `just check` is what CI runs.

default:
    @just --list

# Everything that must hold
check:
    .ci/run

# Tests of the whole workspace
test:
    cargo test --workspace

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

# Make the demo's sample files anew; a test holds them against the generator
sample-data:
    cargo sample-data -- --out tests/data/demo
