// Package prove holds the proof that no run is ever lost, stuck or doubled. A
// driver asks for runs while it kills, freezes, cuts off and starves the
// processes that make them, and then holds each run against what it knows it
// must have become:
//
//	go test -count 1 -parallel 4 -v -timeout 90m -run '^TestProve' ./...
//
// docs/proof.md tells what is proved and with which figures. It is a module of
// its own, so that the parts that break networks are no dependency of ours.
package prove
