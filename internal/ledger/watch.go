package ledger

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"slices"
	"strings"
	"sync"

	"github.com/offprint/offprint"
)

// A change is a nudge that something about a run is different. Whoever wants
// to know what, reads it.
type change struct {
	run  string
	user string // see userKey
}

// userKey stands for a tenant's user in few bytes, fit for a notification.
func userKey(tenant, user string) string {
	sum := sha256.Sum256([]byte(tenant + "\x00" + user))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

func changeOf(r *offprint.Run) change { return change{r.ID, userKey(r.Who.Tenant, r.Who.User)} }

func changesOf(asked []*asking) []change {
	changes := make([]change, len(asked))
	for i, a := range asked {
		changes[i] = changeOf(&a.Run)
	}
	return changes
}

// A Watch says which of the watched runs changed. Subscribe first, then read,
// then drop what is not newer by its revision: a nudge may come twice, for
// nothing, or late by the 5 seconds between two polls, but never not at all.
type Watch struct {
	C <-chan struct{} // holds at most one: there is something to Take

	nudged chan struct{}
	mu     sync.Mutex
	runs   map[string]struct{}
	keys   []string // the hub's
	hub    *hub
}

// Watch watches these runs, or all when none is named.
func (l *Ledger) Watch(ids ...string) *Watch {
	if len(ids) == 0 {
		return l.watch(everything)
	}
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = runPrefix + id
	}
	return l.watch(keys...)
}

// WatchUser watches all runs of one user.
func (l *Ledger) WatchUser(tenant, user string) *Watch {
	return l.watch(userPrefix + userKey(tenant, user))
}

func (l *Ledger) watch(keys ...string) *Watch {
	l.hear()
	return l.hub.add(keys)
}

// Take are the runs that changed since the last Take.
func (w *Watch) Take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	ids := make([]string, 0, len(w.runs))
	for id := range w.runs {
		ids = append(ids, id)
	}
	clear(w.runs)
	return ids
}

// Also watches one run more.
func (w *Watch) Also(id string) { w.hub.watch(w, runPrefix+id) }

// Not undoes Also.
func (w *Watch) Not(id string) { w.hub.unwatch(w, runPrefix+id) }

// Close ends the watch. C is never closed.
func (w *Watch) Close() { w.hub.remove(w) }

func (w *Watch) nudge(run string) {
	w.mu.Lock()
	w.runs[run] = struct{}{}
	w.mu.Unlock()
	select {
	case w.nudged <- struct{}{}:
	default:
	}
}

// A hub finds those who watch, by what they watch.
type hub struct {
	mu       sync.RWMutex
	watchers map[string]map[*Watch]struct{}
}

// What watchers are found by.
const (
	everything = "*"
	runPrefix  = "r"
	userPrefix = "u"
)

func (h *hub) add(keys []string) *Watch {
	nudged := make(chan struct{}, 1)
	w := &Watch{C: nudged, nudged: nudged, runs: map[string]struct{}{}, hub: h}
	for _, key := range keys {
		h.watch(w, key)
	}
	return w
}

func (h *hub) watch(w *Watch, key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers == nil {
		h.watchers = map[string]map[*Watch]struct{}{}
	}
	if h.watchers[key] == nil {
		h.watchers[key] = map[*Watch]struct{}{}
	}
	if _, ok := h.watchers[key][w]; !ok {
		h.watchers[key][w] = struct{}{}
		w.keys = append(w.keys, key)
	}
}

func (h *hub) unwatch(w *Watch, key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(w, key)
	w.keys = slices.DeleteFunc(w.keys, func(k string) bool { return k == key })
}

func (h *hub) remove(w *Watch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, key := range w.keys {
		h.drop(w, key)
	}
}

// drop takes a watch from where it is found; h.mu is locked.
func (h *hub) drop(w *Watch, key string) {
	delete(h.watchers[key], w)
	if len(h.watchers[key]) == 0 {
		delete(h.watchers, key)
	}
}

func (h *hub) nudge(changes ...change) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, c := range changes {
		for _, key := range []string{everything, runPrefix + c.run, userPrefix + c.user} {
			for w := range h.watchers[key] {
				w.nudge(c.run)
			}
		}
	}
}

// idle tells whether nobody watches.
func (h *hub) idle() bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.watchers) == 0
}

// named are the runs that are watched by their id.
func (h *hub) named() []change {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var changes []change
	for key := range h.watchers {
		if id, ok := strings.CutPrefix(key, runPrefix); ok {
			changes = append(changes, change{run: id})
		}
	}
	return changes
}

// mostNotified is how many bytes a notification of PostgreSQL may have, less
// some.
const mostNotified = 7900

// announce tells other processes, with the transaction's COMMIT.
func (l *Ledger) announce(ctx context.Context, tx *sql.Tx, changes ...change) error {
	if l.notify == "" || len(changes) == 0 {
		return nil
	}
	for _, payload := range payloads(l.node, changes) {
		if _, err := tx.ExecContext(ctx, l.notify, l.channel(), payload); err != nil {
			return err
		}
	}
	return nil
}

func (l *Ledger) channel() string { return l.o.Schema + "_runs" }

// payloads are the node and then run:user, run:user, each payload short enough.
func payloads(node string, changes []change) []string {
	var all []string
	var b strings.Builder
	for _, c := range changes {
		entry := " " + c.run + ":" + c.user
		if b.Len()+len(entry) > mostNotified {
			all = append(all, b.String())
			b.Reset()
		}
		if b.Len() == 0 {
			b.WriteString(node)
		}
		b.WriteString(entry)
	}
	return append(all, b.String())
}

// heard reads a payload; what this process said itself it knows already.
func (l *Ledger) heard(payload string) []change {
	words := strings.Fields(payload)
	if len(words) == 0 || words[0] == l.node {
		return nil
	}
	var changes []change
	for _, word := range words[1:] {
		run, user, _ := strings.Cut(word, ":")
		changes = append(changes, change{run, user})
	}
	return slices.Clip(changes)
}
