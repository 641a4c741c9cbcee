// Package bench sets our writers beside their peers, in one run on one machine:
//
//	go test -run '^$' -bench . -benchtime 1x -count 5
//
// It is a module of its own, so that the peers are no dependency of ours. A
// figure counts only beside its control: times are CPU seconds of the process,
// user and system, since the clock on the wall also counts the neighbours.
package bench
