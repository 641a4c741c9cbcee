package ledger

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/pgtest"
)

func pgURL(t *testing.T) string { return pgtest.URL(t) }

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Now().UTC().Truncate(time.Microsecond)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// succeeded is a run with a file that expires in an hour.
func (b *bench) succeeded(l *Ledger, c *clock) string {
	b.Helper()
	id := b.accept(l, keyed("k", ""))
	b.work(l, Workers{Slots: 1, Make: func(_ context.Context, j *Job) (Made, error) {
		made := csvOf(j)
		made.Expires = c.now().Add(time.Hour)
		return made, nil
	}})
	b.untilState(l, id, offprint.Succeeded)
	return id
}

func TestAFileExpiresAndGoes(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		c := newClock()
		o := quick()
		o.Now = c.now
		l := b.open(o)
		ctx := t.Context()
		id := b.succeeded(l, c)
		fileIs := func(want offprint.FileState, verdict Verdict) {
			t.Helper()
			if r := b.get(l, id); r.File.State != want {
				t.Errorf("the file is %s, want %s", r.File.State, want)
			}
			if got, err := l.Judge(ctx, id, 1); err != nil || got != verdict {
				t.Errorf("its blob is %d, %v; want %d", got, err, verdict)
			}
		}
		if n, err := l.Expire(ctx, 10); err != nil || n != 0 {
			t.Errorf("expired %d, %v", n, err)
		}
		longer := c.now().Add(2 * time.Hour)
		if r, err := l.Amend(ctx, id, Amendment{Expires: &longer}); err != nil || !r.File.Expires.Equal(longer) {
			t.Errorf("kept until %v, %v", r.File, err)
		}
		c.add(90 * time.Minute)
		if n, err := l.Expire(ctx, 10); err != nil || n != 0 {
			t.Errorf("expired %d that was to be kept longer, %v", n, err)
		}
		fileIs(offprint.Available, Live)
		c.add(time.Hour)
		longer = c.now().Add(time.Hour)
		_, err := l.Amend(ctx, id, Amendment{Expires: &longer}) // its time has come, though nobody has expired it yet
		b.wantCode(err, offprint.Conflict)
		if n, err := l.Expire(ctx, 10); err != nil || n != 1 {
			t.Errorf("expired %d, %v; want 1", n, err)
		}
		fileIs(offprint.FileExpired, Live)
		_, err = l.Amend(ctx, id, Amendment{Expires: &longer})
		b.wantCode(err, offprint.Conflict)

		if runs, err := l.Doomed(ctx, time.Hour, 10); err != nil || len(runs) != 0 {
			t.Errorf("doomed at once: %v, %v", runs, err)
		}
		c.add(time.Hour)
		runs, err := l.Doomed(ctx, time.Hour, 10)
		if err != nil || len(runs) != 1 || runs[0].ID != id {
			t.Fatalf("doomed %v, %v", runs, err)
		}
		if err := l.Gone(ctx, id, "another/1/x"); err != nil {
			t.Fatal(err)
		}
		fileIs(offprint.FileExpired, Live)
		if err := l.Gone(ctx, id, runs[0].File.Key); err != nil {
			t.Fatal(err)
		}
		fileIs(offprint.Deleted, Dead)
		if runs, err := l.Doomed(ctx, 0, 10); err != nil || len(runs) != 0 {
			t.Errorf("doomed when gone: %v, %v", runs, err)
		}

		// In the end the record goes too, and with it the key.
		if n, err := l.Forget(ctx, 10); err != nil || n != 0 {
			t.Errorf("forgot %d, %v", n, err)
		}
		c.add(401 * 24 * time.Hour)
		if n, err := l.Forget(ctx, 10); err != nil || n != 1 {
			t.Errorf("forgot %d, %v; want 1", n, err)
		}
		_, err = l.Get(ctx, id)
		b.wantCode(err, offprint.NotFound)
		if verdict, err := l.Judge(ctx, id, 1); err != nil || verdict != Unknown {
			t.Errorf("judged %d, %v; want Unknown", verdict, err)
		}
		if _, found, err := l.Replay(ctx, keyed("k", "").Key); err != nil || found {
			t.Errorf("the key is kept: %v, %v", found, err)
		}
	})
}

func TestAFileIsDeletedAndARunErased(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		c := newClock()
		o := quick()
		o.Now = c.now
		l := b.open(o)
		ctx := t.Context()
		queued := b.accept(l, ask())
		b.wantCode(l.Erase(ctx, queued), offprint.NotEnded)
		_, err := l.DeleteFile(ctx, queued)
		b.wantCode(err, offprint.NotEnded)
		soon := c.now()
		_, err = l.Amend(ctx, queued, Amendment{Expires: &soon})
		b.wantCode(err, offprint.NotReady)
		if _, err := l.Cancel(ctx, queued); err != nil {
			t.Fatal(err)
		}
		_, err = l.DeleteFile(ctx, queued)
		b.wantCode(err, offprint.NoFile)

		id := b.succeeded(l, c)
		if err := l.Downloaded(ctx, Download{Run: id, User: "ann", From: "10.0.0.1", Bytes: 12}); err != nil {
			t.Fatal(err)
		}
		if all, err := l.Downloads(ctx, id); err != nil || len(all) != 1 || all[0].User != "ann" || all[0].Bytes != 12 || !all[0].At.Equal(c.now()) {
			t.Errorf("downloads %+v, %v", all, err)
		}
		if r, err := l.DeleteFile(ctx, id); err != nil || r.File.State != offprint.FileExpired {
			t.Errorf("deleted: %v, %v", r.File, err)
		}
		if runs, err := l.Doomed(ctx, time.Hour, 10); err != nil || len(runs) != 1 {
			t.Errorf("doomed %v, %v; want it at once", runs, err)
		}
		if err := l.Erase(ctx, id); err != nil {
			t.Fatal(err)
		}
		_, err = l.Get(ctx, id)
		b.wantCode(err, offprint.NotFound)
		b.wantCode(l.Erase(ctx, id), offprint.NotFound)
		if err := l.Downloaded(ctx, Download{Run: id, User: "ann"}); err != nil { // which had begun before
			t.Fatal(err)
		}
		if all, err := l.Downloads(ctx, id); err != nil || len(all) != 0 {
			t.Errorf("downloads of an erased run %+v, %v", all, err)
		}
		_, err = l.Accept(ctx, keyed("k", ""))
		b.wantCode(err, offprint.Expired)
		if verdict, err := l.Judge(ctx, id, 1); err != nil || verdict != Dead {
			t.Errorf("judged %d, %v; want Dead", verdict, err)
		}
		var report string
		if err := l.reader.QueryRow(`SELECT report FROM erased WHERE id = $1`, id).Scan(&report); err != nil || report != "orders" {
			t.Errorf("stub %q, %v", report, err)
		}
		c.add(401 * 24 * time.Hour)
		if n, err := l.Forget(ctx, 10); err != nil || n != 2 {
			t.Errorf("forgot %d, %v; want the canceled run and the stub", n, err)
		}
	})
}

func TestAmend(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		m := newMakeWhen()
		b.work(l, Workers{Slots: 1, Make: m.make})
		a := ask()
		a.Run.Metadata = map[string]string{"order": "17", "shop": "b"}
		id := b.accept(l, a)
		receive(b, m.began, "begun")
		before := b.get(l, id)
		title, shop := "Orders of May", "c"
		r, err := l.Amend(t.Context(), id, Amendment{Title: &title, Metadata: map[string]*string{"order": nil, "shop": &shop, "new": &title}})
		if err != nil || r.Title != title || len(r.Metadata) != 2 || r.Metadata["shop"] != "c" || r.Revision <= before.Revision {
			t.Errorf("amended %+v, %v", r, err)
		}
		for value, want := range map[string]int{"b": 0, "c": 1} {
			if runs, _, err := l.List(t.Context(), Filter{Metadata: map[string]string{"shop": value}}); err != nil || len(runs) != want {
				t.Errorf("shop %s: %d runs, %v; want %d", value, len(runs), err, want)
			}
		}
		close(m.let)
		if end := b.untilState(l, id, offprint.Succeeded); end.Title != title || end.Revision <= r.Revision {
			t.Errorf("in the end %q, revision %d after %d", end.Title, end.Revision, r.Revision)
		}
		_, err = l.Amend(t.Context(), "run_none", Amendment{Title: &title})
		b.wantCode(err, offprint.NotFound)
	})
}

func TestJudgeOfEpochs(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		id := b.accept(l, ask())
		if _, err := l.db.ExecContext(t.Context(), `UPDATE runs SET ticket = 0, held_for = 'test', epoch = 3 WHERE id = $1`, id); err != nil {
			t.Fatal(err)
		}
		for epoch, want := range map[int64]Verdict{1: Dead, 2: Dead, 3: Live, 4: Live} {
			if got, err := l.Judge(t.Context(), id, epoch); err != nil || got != want {
				t.Errorf("epoch %d of a queued run: %d, %v; want %d", epoch, got, err, want)
			}
		}
		if _, err := l.db.ExecContext(t.Context(), `DELETE FROM river_job`); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Cancel(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		for epoch, want := range map[int64]Verdict{2: Dead, 3: Dead, 4: Unknown} {
			if got, err := l.Judge(t.Context(), id, epoch); err != nil || got != want {
				t.Errorf("epoch %d of a canceled run: %d, %v; want %d", epoch, got, err, want)
			}
		}
	})
}

func TestAPIKeys(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		c := newClock()
		o := quick()
		o.Now = c.now
		l := b.open(o)
		ctx := t.Context()
		who := offprint.Identity{User: "robot", Tenant: "acme", Roles: []string{"sales"}, Scopes: []string{"impersonate"}}
		k, err := l.AddKey(ctx, APIKey{Name: "ci", Prefix: "op_ab", Who: who, Expires: c.now().Add(time.Hour)}, []byte("one"))
		if err != nil {
			t.Fatal(err)
		}
		forever, err := l.AddKey(ctx, APIKey{Name: "forever", Who: who}, []byte("two"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.KeyByHash(ctx, []byte("one"))
		if err != nil || got.ID != k.ID || got.Who.User != "robot" || got.Who.Scopes[0] != "impersonate" || !got.LastUsed.Equal(c.now()) {
			t.Errorf("key %+v, %v", got, err)
		}
		_, err = l.KeyByHash(ctx, []byte("none"))
		b.wantCode(err, offprint.Unauthenticated)
		c.add(time.Hour)
		_, err = l.KeyByHash(ctx, []byte("one"))
		b.wantCode(err, offprint.Unauthenticated)
		if _, err := l.KeyByHash(ctx, []byte("two")); err != nil {
			t.Error(err)
		}
		if err := l.RevokeKey(ctx, forever.ID); err != nil {
			t.Fatal(err)
		}
		_, err = l.KeyByHash(ctx, []byte("two"))
		b.wantCode(err, offprint.Unauthenticated)
		b.wantCode(l.RevokeKey(ctx, "key_none"), offprint.NotFound)

		// A key is good though its use cannot be written.
		busy, err := l.AddKey(ctx, APIKey{Name: "busy", Who: who}, []byte("three"))
		if err != nil {
			t.Fatal(err)
		}
		b.refuse(l, "api_keys", "last_used", ` > 0`)
		if got, err := l.KeyByHash(ctx, []byte("three")); err != nil || got.ID != busy.ID {
			t.Errorf("key %+v, %v", got, err)
		}
		keys, err := l.Keys(ctx)
		if err != nil || len(keys) != 3 || keys[0].Name != "ci" || keys[1].Revoked.IsZero() {
			t.Errorf("keys %+v, %v", keys, err)
		}
	})
}

func TestTheSecretIsMadeOnce(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		nodes := []*Ledger{b.open(quick()), b.open(quick())}
		secrets := make([][]byte, 10)
		_, errs := together(10, func(i int) (a Accepted, err error) {
			secrets[i], err = nodes[i%2].Secret(t.Context())
			return a, err
		})
		for i, s := range secrets {
			if errs[i] != nil || len(s) != 32 || !bytes.Equal(s, secrets[0]) {
				t.Errorf("secret %x, %v", s, errs[i])
			}
		}
	})
}
