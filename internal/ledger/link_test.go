package ledger

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/offprint/offprint"
)

// sharing is a link to the run, known by its token's hash.
func sharing(run, hash string) Sharing {
	return Sharing{Link: Link{Run: run, Audience: Anyone, Label: "for the board", Address: "mailto:bob@partner.example", Maker: "ann"}, Hash: []byte(hash)}
}

func (b *bench) share(l *Ledger, s Sharing) Link {
	b.Helper()
	shared, err := l.AddLink(b.Context(), s)
	if err != nil {
		b.Fatal(err)
	}
	return shared.Link
}

func TestALinkLivesNoLongerThanItsFile(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		c := newClock()
		o := quick()
		o.Now = c.now
		l := b.open(o)
		ctx := t.Context()
		queued := b.accept(l, ask())
		_, err := l.AddLink(ctx, sharing(queued, "early"))
		b.wantCode(err, offprint.NotReady)
		if _, err := l.Cancel(ctx, queued); err != nil {
			t.Fatal(err)
		}
		_, err = l.AddLink(ctx, sharing(queued, "without a file"))
		b.wantCode(err, offprint.NoFile)
		_, err = l.AddLink(ctx, sharing("run_none", "of nothing"))
		b.wantCode(err, offprint.NotFound)

		id := b.succeeded(l, c)
		ends := c.now().Add(time.Hour)
		short, long := sharing(id, "short"), sharing(id, "long")
		short.Expires, long.Expires = c.now().Add(time.Minute), c.now().Add(48*time.Hour)
		made := b.share(l, short)
		if long := b.share(l, long); !long.Expires.Equal(ends) {
			t.Errorf("a link beyond its file works until %v, want %v", long.Expires, ends)
		}
		got, err := l.LinkByHash(ctx, []byte("short"))
		if err != nil || got != made || got.Label != "for the board" || got.Address != "mailto:bob@partner.example" || got.Maker != "ann" || got.Audience != Anyone || !got.Created.Equal(c.now()) {
			t.Errorf("kept as %+v, %v; want %+v", got, err, made)
		}
		_, err = l.LinkByHash(ctx, []byte("a guess"))
		b.wantCode(err, offprint.NotFound)

		sooner := c.now().Add(10 * time.Minute)
		if _, err := l.Amend(ctx, id, Amendment{Expires: &sooner}); err != nil {
			t.Fatal(err)
		}
		if got, err := l.LinkByHash(ctx, []byte("long")); err != nil || !got.Expires.Equal(sooner) {
			t.Errorf("the file ends sooner, and the link %v, %v", got.Expires, err)
		}
		used := func(id string, want bool) {
			t.Helper()
			if taken, err := l.UseLink(ctx, id); err != nil || taken != want {
				t.Errorf("used: %v, %v; want %v", taken, err, want)
			}
		}
		used(made.ID, true)
		c.add(time.Minute)
		used(made.ID, false) // it has expired
		last, err := l.LinkByHash(ctx, []byte("long"))
		if err != nil {
			t.Fatal(err)
		}
		used(last.ID, true)
		c.add(9 * time.Minute)
		used(last.ID, false) // its file has, though nobody has expired it yet
		_, err = l.AddLink(ctx, sharing(id, "late"))
		b.wantCode(err, offprint.Expired)
		if links, err := l.Links(ctx, id); err != nil || len(links) != 2 || links[0].ID != last.ID || links[0].Uses != 1 || links[0].Used.IsZero() {
			t.Errorf("links %+v, %v", links, err)
		}
		if err := l.Downloaded(ctx, Download{Run: id, Link: last.ID, From: "10.0.0.1", Bytes: 12}); err != nil {
			t.Fatal(err)
		}
		if all, err := l.Downloads(ctx, id); err != nil || len(all) != 1 || all[0].Link != last.ID || all[0].User != "" {
			t.Errorf("downloads %+v, %v", all, err)
		}
		if err := l.Erase(ctx, id); err != nil {
			t.Fatal(err)
		}
		_, err = l.LinkByHash(ctx, []byte("long"))
		b.wantCode(err, offprint.NotFound)
	})
}

// TestALastUseIsTakenOnce tells of many, on two nodes, who come for the last
// uses at once.
func TestALastUseIsTakenOnce(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l, other := b.open(quick()), b.open(quick())
		id := b.succeeded(l, newClock())
		s := sharing(id, "counted")
		s.Most = 3
		link := b.share(l, s)
		var taken atomic.Int64
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				ok, err := []*Ledger{l, other}[i%2].UseLink(t.Context(), link.ID)
				if err != nil {
					t.Error(err)
				}
				if ok {
					taken.Add(1)
				}
			})
		}
		all.Wait()
		if got, err := l.LinkByHash(t.Context(), []byte("counted")); err != nil || taken.Load() != 3 || got.Uses != 3 {
			t.Errorf("%d took a use, %d are counted, %v; want 3", taken.Load(), got.Uses, err)
		}

		open := b.share(l, sharing(id, "open"))
		b.wantCode(l.RevokeLink(t.Context(), "run_other", open.ID), offprint.NotFound)
		b.wantCode(l.RevokeLink(t.Context(), id, "lnk_none"), offprint.NotFound)
		for range 2 {
			if err := l.RevokeLink(t.Context(), id, open.ID); err != nil {
				t.Fatal(err)
			}
		}
		if ok, err := other.UseLink(t.Context(), open.ID); err != nil || ok {
			t.Errorf("a revoked link is used on another node: %v, %v", ok, err)
		}
		if got, err := other.LinkByHash(t.Context(), []byte("open")); err != nil || got.Revoked.IsZero() {
			t.Errorf("another node knows %+v, %v", got, err)
		}
	})
}

func TestOneKeyIsOneLink(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		nodes := []*Ledger{b.open(quick()), b.open(quick())}
		id := b.succeeded(nodes[0], newClock())
		twin := func(i int) Sharing {
			s := sharing(id, string(rune('a'+i)))
			s.Key, s.Sealed = Key{"ann POST links", "k", "f"}, []byte{byte(i)}
			return s
		}
		shared, errs := make([]Shared, 10), make([]error, 10)
		var all sync.WaitGroup
		for i := range shared {
			all.Go(func() { shared[i], errs[i] = nodes[i%2].AddLink(t.Context(), twin(i)) })
		}
		all.Wait()
		made := 0
		for i, s := range shared {
			if errs[i] != nil || s.ID != shared[0].ID || string(s.Sealed) != string(shared[0].Sealed) || string(s.Hash) != string(shared[0].Hash) {
				t.Errorf("twin %d: %+v, %v", i, s, errs[i])
			}
			if !s.Replayed {
				made++
			}
		}
		if links, err := nodes[0].Links(t.Context(), id); err != nil || len(links) != 1 || made != 1 {
			t.Errorf("%d links, made %d times, %v", len(links), made, err)
		}
		other := twin(20)
		other.Key.Fingerprint = "another body"
		_, err := nodes[0].AddLink(t.Context(), other)
		b.wantCode(err, offprint.KeyReused)
		_, err = nodes[0].ReplayLink(t.Context(), other.Key)
		b.wantCode(err, offprint.KeyReused)
		if again, err := nodes[1].ReplayLink(t.Context(), twin(0).Key); err != nil || !again.Replayed || again.ID != shared[0].ID {
			t.Errorf("replayed as %+v, %v", again, err)
		}
		if none, err := nodes[1].ReplayLink(t.Context(), Key{}); err != nil || none.Replayed {
			t.Errorf("without a key it is %+v, %v", none, err)
		}

		for i := range mostLinks - 1 {
			b.share(nodes[0], sharing(id, "hash "+string(rune('A'+i))))
		}
		_, err = nodes[0].AddLink(t.Context(), sharing(id, "one too many"))
		b.wantCode(err, offprint.Conflict)
	})
}
