package desk_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/blob"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/format/csv"
	"github.com/offprint/offprint/internal/ledger"
)

// A mailbox takes mail to acme.example, as a webhook takes what is for those
// that it knows, and remembers what came.
type mailbox struct {
	mu       sync.Mutex
	webhooks []string
	down     bool
	came     []string
}

func (m *mailbox) Admit(_ context.Context, _ offprint.Identity, address string) (offprint.Addressee, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	scheme, to, _ := strings.Cut(address, ":")
	switch {
	case m.down:
		return offprint.Addressee{}, offprint.Errorf(offprint.Busy, "The ledger does not answer.")
	case scheme == "mailto" && strings.HasSuffix(to, "@acme.example"):
		return offprint.Addressee{Address: address, Events: []offprint.Event{offprint.RunSucceeded, offprint.RunFailed}}, nil
	case scheme == "webhook" && slices.Contains(m.webhooks, to):
		return offprint.Addressee{Address: address, Events: offprint.Ends}, nil
	case scheme == "mailto":
		return offprint.Addressee{}, offprint.Errorf(offprint.Forbidden, "Mail goes to acme.example only.")
	}
	return offprint.Addressee{}, offprint.Errorf(offprint.NotFound, "There is no such webhook.")
}

func (m *mailbox) Notify(_ context.Context, n offprint.Notice) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.came = append(m.came, n.Address+" "+strings.TrimPrefix(string(n.Event), "run."))
	return nil
}

// knows says which webhooks there are, and whether anything answers.
func (m *mailbox) knows(down bool, webhooks ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down, m.webhooks = down, webhooks
}

// toldOf is mailto:ann@acme.example succeeded+failed, …
func toldOf(run *offprint.Run) string {
	var all []string
	for _, to := range run.Notify {
		var events []string
		for _, e := range to.Events {
			events = append(events, strings.TrimPrefix(string(e), "run."))
		}
		all = append(all, to.Address+" "+strings.Join(events, "+"))
	}
	return strings.Join(all, ", ")
}

func TestWhoIsTold(t *testing.T) {
	const me, team, crm = "mailto:ann@acme.example", "mailto:team@acme.example", "webhook:crm"
	type events = []offprint.Event
	reachable, nowhere, abroad := ann, ann, ann
	reachable.Email, abroad.Email = "ann@acme.example", "ann@else.example"
	yes, no := true, false
	all := []string{"me", crm, team}
	failures := &desk.Preferences{Mail: events{offprint.RunFailed}}
	everything := &desk.Preferences{Mail: events{offprint.RunSucceeded, offprint.RunFailed, offprint.RunExpiring}, Webhooks: []string{"own"}}
	for _, tt := range []struct {
		name    string
		who     offprint.Identity
		report  []string
		prefers *desk.Preferences
		ask     desk.Ask
		want    string
	}{
		{"nobody says anything", reachable, nil, nil, desk.Ask{}, ""},
		{"the request says", reachable, all, everything, desk.Ask{Notify: []string{crm}}, crm + " succeeded+failed+canceled"},
		{"the request says nobody", reachable, all, everything, desk.Ask{Notify: []string{}}, ""},
		{"the request says me", reachable, nil, nil, desk.Ask{Notify: []string{"me"}}, me + " succeeded+failed"},
		{"the request says me, who prefers more", reachable, nil, everything, desk.Ask{Notify: []string{"me"}}, me + " succeeded+failed+expiring"},
		{"the request says me, who prefers less", reachable, nil, failures, desk.Ask{Notify: []string{"me"}}, me + " succeeded+failed"},
		{"the request says me twice", reachable, nil, everything, desk.Ask{Notify: []string{me, "me"}}, me + " succeeded+failed+expiring"},
		{"the report says", reachable, all, nil, desk.Ask{}, crm + " succeeded+failed+canceled, " + team + " succeeded+failed, " + me + " succeeded+failed"},
		{"the report says, and the asker prefers", reachable, all, failures, desk.Ask{}, crm + " succeeded+failed+canceled, " + team + " succeeded+failed, " + me + " failed"},
		{"the asker prefers nothing", reachable, all, new(desk.Preferences), desk.Ask{}, crm + " succeeded+failed+canceled, " + team + " succeeded+failed"},
		{"the report says nothing, and the asker prefers", reachable, nil, everything, desk.Ask{}, "webhook:own succeeded+failed+canceled, " + me + " succeeded+failed+expiring"},
		{"the asker has no address", nowhere, all, everything, desk.Ask{}, crm + " succeeded+failed+canceled, " + team + " succeeded+failed, webhook:own succeeded+failed+canceled"},
		{"the asker's address is refused", abroad, []string{"me"}, nil, desk.Ask{}, ""},
		{"defaults that nobody can be told at", reachable, []string{"webhook:gone", "mailto:boss@else.example", team}, &desk.Preferences{Webhooks: []string{"gone"}}, desk.Ask{}, team + " succeeded+failed"},
		{"mailed, whatever the report says", reachable, []string{crm}, nil, desk.Ask{Mailed: &yes}, crm + " succeeded+failed+canceled, " + me + " succeeded+failed"},
		{"mailed, though failures are preferred", reachable, nil, failures, desk.Ask{Mailed: &yes}, me + " succeeded+failed"},
		{"mailed, as is preferred", reachable, nil, everything, desk.Ask{Mailed: &yes}, "webhook:own succeeded+failed+canceled, " + me + " succeeded+failed+expiring"},
		{"not mailed, whatever the report says", reachable, []string{"me", crm}, nil, desk.Ask{Mailed: &no}, crm + " succeeded+failed+canceled"},
		{"not mailed when ready, as is preferred", reachable, nil, failures, desk.Ask{Mailed: &no}, me + " failed"},
		{"mailed, without an address", nowhere, nil, nil, desk.Ask{Mailed: &yes}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, box := openBox(t, tt.report)
			box.knows(false, "crm", "own", "gone")
			if err := d.Prefer(t.Context(), tt.who, tt.prefers); err != nil {
				t.Fatal(err)
			}
			box.knows(false, "crm", "own")
			run := submit(t, d, tt.who, tt.ask)
			if got := toldOf(&run); got != tt.want {
				t.Errorf("told are %s\nwant %s", got, tt.want)
			}
		})
	}
}

// openBox is a desk with one report that names those, where nobody works.
func openBox(t *testing.T, notify []string) (*desk.Desk, *mailbox) {
	t.Helper()
	box := new(mailbox)
	report := numbers(counter{rows: 1})
	report.Notify = notify
	c := openDesk(t, nil).Config
	c.Catalog, c.Notifiers = catalog{report}, map[string]offprint.Notifier{"mailto": box, "webhook": box}
	d := desk.New(c)
	t.Cleanup(d.Close)
	return d, box
}

func TestWhatARequestNamesAndCannotBeToldIsRefused(t *testing.T) {
	d, box := openBox(t, []string{"webhook:crm"})
	for _, tt := range []struct {
		notify []string
		code   offprint.Code
		field  string
	}{
		{[]string{"mailto:team@acme.example", "mailto:boss@else.example"}, offprint.Forbidden, "#/notify/1 Mail goes to acme.example only."},
		{[]string{"webhook:gone"}, offprint.NotFound, "#/notify/0 There is no such webhook."},
		{[]string{"me"}, offprint.Invalid, "#/notify/0 Your mail address is not known here."},
		{[]string{"pigeon:post"}, offprint.NotConfigured, "#/notify/0 Nothing here delivers to this address."},
	} {
		_, _, err := d.Submit(t.Context(), ann, desk.Ask{Report: "numbers", Notify: tt.notify})
		var why *offprint.Error
		if !errors.As(err, &why) || why.Code != tt.code || len(why.Fields) != 1 || why.Fields[0].Pointer+" "+why.Fields[0].Detail != tt.field {
			t.Errorf("%v: %v", tt.notify, err)
		}
	}
	box.knows(true) // what may pass is no reason to leave anybody out
	if _, _, err := d.Submit(t.Context(), ann, desk.Ask{Report: "numbers"}); offprint.CodeOf(err) != offprint.Busy {
		t.Errorf("while nothing answers: %v", err)
	}
}

func TestARunThatIsMadeAgainTellsWhomItTold(t *testing.T) {
	who := ann
	who.Email = "ann@acme.example"
	d, box := openBox(t, []string{"me", "webhook:crm"})
	box.knows(false, "crm", "other")
	if err := d.Prefer(t.Context(), who, &desk.Preferences{Mail: []offprint.Event{offprint.RunExpiring}}); err != nil {
		t.Fatal(err)
	}
	first := submit(t, d, who, desk.Ask{})
	quiet := submit(t, d, who, desk.Ask{Notify: []string{}})
	if err := d.Prefer(t.Context(), who, nil); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		of    offprint.Run
		over  desk.Ask
		known string
		want  string
	}{
		{"the same", first, desk.Ask{}, "crm", "webhook:crm succeeded+failed+canceled, mailto:ann@acme.example expiring"},
		{"but for whom is gone", first, desk.Ask{}, "other", "mailto:ann@acme.example expiring"},
		{"nobody, as before", quiet, desk.Ask{}, "crm", ""},
		{"whom it says now", quiet, desk.Ask{Notify: []string{"webhook:crm"}}, "crm", "webhook:crm succeeded+failed+canceled"},
	} {
		box.knows(false, tt.known)
		again, _, err := d.Rerun(t.Context(), who, tt.of.ID, tt.over)
		if err != nil || toldOf(&again) != tt.want {
			t.Errorf("%s: %s, %v; want %s", tt.name, toldOf(&again), err, tt.want)
		}
	}
}

func TestPreferencesNameWebhooksThatThereAre(t *testing.T) {
	d, box := openBox(t, nil)
	box.knows(false, "crm")
	many := make([]string, 10)
	for i := range many {
		many[i] = "crm"
	}
	for _, tt := range []struct {
		webhooks []string
		want     string
	}{
		{[]string{"crm", "gone"}, "#/webhooks/1 There is no such webhook."},
		{many, "#/webhooks At most 9."},
	} {
		err := d.Prefer(t.Context(), ann, &desk.Preferences{Webhooks: tt.webhooks})
		var why *offprint.Error
		if !errors.As(err, &why) || why.Code != offprint.Invalid || why.Fields[0].Pointer+" "+why.Fields[0].Detail != tt.want {
			t.Errorf("%v: %v", tt.webhooks, err)
		}
	}
	if p, err := d.Preferences(t.Context(), ann); p != nil || err != nil {
		t.Errorf("what was refused is kept: %v, %v", p, err)
	}
}

// Whoever is to know hears of the end and, when a sweep finds it is time, of
// the expiry.
func TestTheToldHearOfIt(t *testing.T) {
	who := ann
	who.Email = "ann@acme.example"
	var passed atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(passed.Load())) }
	l, err := ledger.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "ledger.db"), ledger.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	box := &mailbox{webhooks: []string{"crm"}}
	report := numbers(counter{rows: 1})
	report.Notify = []string{"me", "webhook:crm"}
	d := desk.New(desk.Config{
		Catalog: catalog{report}, Ledger: l, Formats: []offprint.Format{csv.Format}, Blobs: new(blob.Mem), Now: now,
		Notifiers: map[string]offprint.Notifier{"mailto": box, "webhook": box},
	})
	ctx, stop := context.WithCancel(t.Context())
	worked := make(chan error, 1)
	go func() { worked <- d.Work(ctx, 1) }()
	defer func() {
		stop()
		err := <-worked
		d.Close()
		if err := errors.Join(err, l.Check(context.WithoutCancel(ctx)), l.Close()); err != nil {
			t.Error(err)
		}
	}()
	if err := d.Prefer(ctx, who, &desk.Preferences{Mail: []offprint.Event{offprint.RunSucceeded, offprint.RunExpiring}}); err != nil {
		t.Fatal(err)
	}
	until(t, d, who, submit(t, d, who, desk.Ask{}).ID, final)
	box.until(t, "mailto:ann@acme.example succeeded", "webhook:crm succeeded")
	passed.Add(int64(6*24*time.Hour + time.Minute))
	for range 2 {
		if err := d.Sweep(ctx, false); err != nil {
			t.Fatal(err)
		}
		box.until(t, "mailto:ann@acme.example expiring", "mailto:ann@acme.example succeeded", "webhook:crm succeeded")
	}
}

func (m *mailbox) until(t *testing.T, want ...string) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		m.mu.Lock()
		came := slices.Sorted(slices.Values(m.came))
		m.mu.Unlock()
		if slices.Equal(came, want) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("what came is %v, want %v", came, want)
		}
	}
}
