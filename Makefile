# Short names for the commands that do the work.
.PHONY: fmt lint typecheck test db-migrate demo bench

fmt: ; git ls-files '*.cc' '*.h' | xargs clang-format-14 -i
lint: ; scripts/lint
typecheck: ; cmake --preset clang && cmake --build --preset clang
test: ; scripts/test
db-migrate: ; build/dev/partition-controller migrate --spec manifests/examples
demo: ; scripts/demo
bench: ; scripts/bench
