package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/source"
)

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func names(f *source.Folder) string {
	var all []string
	for _, r := range f.Reports() {
		all = append(all, strings.TrimPrefix(r.Group+"/"+r.Name, "/"))
	}
	return strings.Join(all, " ")
}

func TestAFolderServesWhatIsRightAndTellsWhatIsNot(t *testing.T) {
	dir := t.TempDir()
	sources := map[string]*source.Database{"shop": shop(t)}
	write(t, dir+"/orders.sql", head+"SELECT 1 AS n")
	write(t, dir+"/sales/aging.sql", head+"SELECT 2 AS n")
	write(t, dir+"/sales/orders.sql", head+"SELECT 3 AS n")
	write(t, dir+"/Wrong Name.sql", head+"SELECT 4 AS n")
	write(t, dir+"/.hidden/x.sql", "no report")
	write(t, dir+"/_parts/x.sql", "no report")
	write(t, dir+"/notes.txt", "no report")
	inGo := &offprint.Report{Name: "in_go", Version: "1", Source: offprint.SourceFunc(nil)}
	f, problems := source.OpenFolder(dir, sources, inGo)
	if got := names(f); got != "sales/aging in_go orders" {
		t.Errorf("reports: %s", got)
	}
	told := problems.Error()
	for _, want := range []string{dir + "/Wrong Name.sql: The file's name is the report's", dir + "/sales/orders.sql: There is another report named orders."} {
		if !strings.Contains(told, want) || len(problems) != 2 {
			t.Errorf("problems: %s\nwant %s", told, want)
		}
	}
	if _, problems := source.OpenFolder(dir+"/nowhere", sources); len(problems) != 1 || !strings.Contains(problems.Error(), "nowhere: The folder cannot be read") {
		t.Errorf("no folder: %v", problems)
	}
	if f, problems := source.OpenFS("demo", fstest.MapFS{"a.sql": {Data: []byte(head + "SELECT 1")}}, sources); problems != nil || names(f) != "a" {
		t.Errorf("embedded: %s, %v", names(f), problems)
	}
}

func TestAFileThatChangesIsServedAndOneThatBreaksStays(t *testing.T) {
	dir := t.TempDir()
	file := dir + "/orders.sql"
	write(t, file, head+"SELECT 1 AS n")
	f, problems := source.OpenFolder(dir, map[string]*source.Database{"shop": shop(t)})
	if problems != nil {
		t.Fatal(problems)
	}
	first, _ := f.Report("orders")

	write(t, file, head+"SELECT 11 AS n")
	if problems := f.Reload(); problems != nil {
		t.Fatal(problems)
	}
	second, _ := f.Report("orders")
	if first.Version == second.Version {
		t.Error("the change was not seen")
	}

	write(t, file, head+"SELECT :broken AS n")
	if problems := f.Reload(); len(problems) != 1 || !strings.Contains(f.Problems().Error(), file+":4:8: The header has no parameter broken.") {
		t.Errorf("broken: %v", problems)
	}
	if still, _ := f.Report("orders"); still.Version != second.Version {
		t.Error("the last good version is gone")
	}

	// A run is made from what it was accepted with.
	old, err := f.Compile("orders", first.Version, first.Text)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := read(t, old, ask(t, old, "")); err != nil || got != "n\n1\n" {
		t.Errorf("the first version: %q, %v", got, err)
	}
	if again, _ := f.Compile("orders", first.Version, first.Text); again != old {
		t.Error("it was compiled twice")
	}
	if _, err := f.Compile("orders", "x", "nonsense"); offprint.CodeOf(err) != offprint.BadQuery {
		t.Errorf("nonsense: %v", err)
	}
	if _, err := f.Compile("in_go", "2", ""); !errors.Is(err, offprint.ErrUnknownVersion) {
		t.Errorf("not here: %v", err)
	}

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if f.Reload(); names(f) != "" {
		t.Errorf("still there: %s", names(f))
	}
}

// A ConfigMap is a link to a folder that is swapped; files of the same size
// and time may come to lie behind the same path.
func TestASwappedLinkIsSeen(t *testing.T) {
	dir := t.TempDir()
	when := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, n := range []string{"1", "2"} {
		file := dir + "/..v" + n + "/orders.sql"
		write(t, file, head+"SELECT "+n+" AS n")
		if err := os.Chtimes(file, when, when); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			continue
		}
		if err := errors.Join(os.Symlink("..v1", dir+"/..data"), os.Symlink("..data/orders.sql", dir+"/orders.sql")); err != nil {
			t.Fatal(err)
		}
	}
	f, problems := source.OpenFolder(dir, map[string]*source.Database{"shop": shop(t)})
	if problems != nil || names(f) != "orders" {
		t.Fatal(names(f), problems)
	}
	if err := errors.Join(os.Symlink("..v2", dir+"/..new"), os.Rename(dir+"/..new", dir+"/..data")); err != nil {
		t.Fatal(err)
	}
	if problems := f.Reload(); problems != nil {
		t.Fatal(problems)
	}
	r, _ := f.Report("orders")
	if got, err := read(t, r, ask(t, r, "")); err != nil || got != "n\n2\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAWatchedFolderIsReloadedAndLogsOnce(t *testing.T) {
	dir := t.TempDir()
	sources := map[string]*source.Database{"shop": shop(t)}
	write(t, dir+"/orders.sql", head+"SELECT 1")
	f, problems := source.OpenFolder(dir, sources)
	if problems != nil {
		t.Fatal(problems)
	}
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.Watch(ctx, slog.New(slog.NewTextHandler(&log, nil)), 2*time.Second) }()
		write(t, dir+"/orders.sql", "broken")
		write(t, dir+"/more.sql", head+"SELECT 1")
		time.Sleep(7 * time.Second) // three polls, in no time
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if names(f) != "more orders" || strings.Count(log.String(), "orders.sql:1:1:") != 1 {
			t.Errorf("%s, log:\n%s", names(f), log.String())
		}
	})
}

func TestWhereAskersHaveTenantsABlindQueryIsAProblem(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/apart.sql", head+"SELECT :user.tenant")
	write(t, dir+"/shared.sql", "/*---\ntenants: shared\n---*/\nSELECT 1")
	write(t, dir+"/blind.sql", head+"SELECT :user.tenant\n/*---\npart: more\n---*/\nSELECT 2")
	f, problems := source.OpenFolder(dir, map[string]*source.Database{"shop": shop(t)})
	if problems != nil || f.Check(t.Context(), false) != nil {
		t.Fatal(problems)
	}
	f.Tenants(true)
	got := f.Check(t.Context(), true)
	if len(got) != 1 || !strings.HasPrefix(got.Error(), dir+"/blind.sql:8:1: The query does not name :user.tenant") {
		t.Errorf("got %v", got)
	}
	if r, ok := f.Report("blind"); !ok || !r.TenantBlind {
		t.Errorf("the report is served as %v", r)
	}
	if r, err := f.Compile("blind", "accepted", head+"SELECT 1"); err != nil || !r.TenantBlind {
		t.Errorf("made again as %v, %v", r, err)
	}
	f.Tenants(false)
	if got := f.Check(t.Context(), true); got != nil {
		t.Errorf("without tenants: %v", got)
	}
}

func TestCheckAsksTheDatabaseAboutEveryCombination(t *testing.T) {
	postgres, _ := server(t, `CREATE TABLE orders (n int, region text)`)
	url, _ := maria(t, `CREATE TABLE orders (n int, region text)`)
	databases := map[string]*source.Database{
		"PostgreSQL": postgres,
		"MySQL":      open(t, source.Config{Name: "shop", URL: url}),
		"SQLite":     shop(t, `CREATE TABLE orders (n INTEGER, region TEXT)`),
	}
	for name, db := range databases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			sources := map[string]*source.Database{"shop": db}
			write(t, dir+"/right.sql", "/*---\nparameters: {r: {type: text, optional: true}, l: {type: text, many: true}}\n---*/\nSELECT n FROM orders WHERE region IN (:l) [[ AND region = :r ]] ORDER BY n")
			write(t, dir+"/block.sql", "/*---\nparameters: {r: {type: text, optional: true}}\n---*/\nSELECT n FROM orders\n[[ WHERE regionn = :r ]] ORDER BY n")
			write(t, dir+"/columns.sql", "/*---\ncolumns:\n  m: {title: M}\n  n: {currency: cur}\n---*/\nSELECT n, region FROM orders ORDER BY n")
			write(t, dir+"/twice.sql", head+"SELECT n, n FROM orders ORDER BY 1")
			f, problems := source.OpenFolder(dir, sources)
			if problems != nil || f.Check(t.Context(), true) != nil {
				t.Fatal(problems)
			}
			got := f.Check(t.Context(), false).Error()
			for _, want := range []string{
				dir + "/block.sql:5:10: ", `regionn`,
				dir + "/columns.sql:3:3: columns: the query has no column m.", dir + "/columns.sql:4:3: currency: the query has no column cur.",
				dir + "/twice.sql:4:1: The query has two columns named",
			} {
				if !strings.Contains(got, want) {
					t.Errorf("want %s in\n%s", want, got)
				}
			}
			if strings.Contains(got, "right.sql") || strings.Count(got, "\n") != 3 {
				t.Errorf("got\n%s", got)
			}
		})
	}
}

func TestASourceThatDoesNotAnswerIsOneProblem(t *testing.T) {
	files := fstest.MapFS{}
	for i := range 200 {
		files[fmt.Sprintf("r%d.sql", i)] = &fstest.MapFile{Data: []byte("/*---\nsource: shop\n---*/\nSELECT 1")}
	}
	files["wrong.sql"] = &fstest.MapFile{Data: []byte("/*---\nsource: small\n---*/\nSELECT missing")}
	f, _ := source.OpenFS("x", files, map[string]*source.Database{
		"shop":  open(t, source.Config{Name: "shop", URL: "postgres://test:hunter2@127.0.0.1:1/shop"}),
		"gone":  open(t, source.Config{Name: "gone", URL: "sqlite:/nowhere/shop.db"}),
		"small": shop(t),
	})
	got := f.Check(t.Context(), false)
	if len(got) != 3 || got[0].File != "source gone" || got[1].File != "source shop" || got[2].File != "x/wrong.sql" {
		t.Errorf("got %v", got)
	}
	if text := got.Error(); strings.Contains(text, "hunter2") || !strings.Contains(text, "source shop: It cannot be asked: ") {
		t.Errorf("got %s", text)
	}
}
