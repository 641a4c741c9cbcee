# make test is all a newcomer needs; the other words are for those who stay.
.PHONY: test parts lint race bench fuzz prove

test: parts lint race

# What the tests need beside Go: installed on Debian as root, named elsewhere.
parts:
	@./.ci/parts

lint:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'gofmt -w these files.'; exit 1; }
	@files=$$(go run mvdan.cc/gofumpt@v0.12.0 -l $$(git ls-files '*.go')) && { test -z "$$files" || { echo "$$files"; echo 'gofumpt -w these files.'; exit 1; }; }
	go vet ./... && (cd bench && go vet ./...) && cd prove && go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

# The race detector leaves SQLite alone, which is C made into Go: it is not
# ours, and watched it takes five times as long.
race:
	go test -race -gcflags='modernc.org/sqlite/lib=-race=false' -gcflags='modernc.org/libc=-race=false' -timeout 9m -skip '^TestProve' ./...
	cd bench && go test ./...

# Ratios against peers, in one run; bench is a module of its own.
bench:
	cd bench && go test -timeout 60m -run '^$$' -bench . -benchtime 1x ./...

# Half a minute for each thing that parses.
fuzz:
	@./.ci/fuzz 30s

# The long proofs: kills, zombies, outages, memory and LibreOffice, with their
# figures; see docs/proof.md. prove is a module of its own.
prove:
	@./.ci/parts prove
	go test -timeout 60m -count 1 -v -run '^TestProve' ./...
	cd prove && go test -timeout 90m -count 1 -parallel 4 -v -run '^TestProve' ./...
