package source_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/source"
)

// guarded is a PostgreSQL whose table of notes shows to whom app.user names
// what is theirs, and to a team's role what is the team's; login may become a
// team, and sees by itself only what app.user names.
func guarded(t *testing.T, connections int) (db *source.Database, beside *pgx.Conn) {
	t.Helper()
	_, beside = server(t,
		`DO $$ BEGIN CREATE ROLE login LOGIN NOINHERIT; CREATE ROLE team_a; CREATE ROLE team_b; CREATE ROLE stranger; GRANT team_a, team_b TO login;
			EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
		`CREATE TABLE notes (n int, owner text, team text)`,
		`INSERT INTO notes SELECT n, (ARRAY['ann','bob','cyd'])[1 + n % 3], (ARRAY['team_a','team_b'])[1 + n % 2] FROM generate_series(0, 599) n`,
		`ALTER TABLE notes ENABLE ROW LEVEL SECURITY`,
		`CREATE POLICY own ON notes TO login USING (owner = current_setting('app.user'))`,
		`CREATE POLICY team ON notes TO team_a, team_b USING (team = current_user)`,
		`GRANT SELECT ON notes TO login, team_a, team_b`,
		`CREATE SCHEMA closed`, `CREATE TABLE closed.notes AS SELECT 1 AS n`,
		`GRANT USAGE ON SCHEMA closed TO team_a`, `GRANT SELECT ON closed.notes TO team_a`,
	)
	url := strings.Replace(beside.Config().ConnString(), "test@", "login@", 1)
	return open(t, source.Config{Name: "shop", URL: url, MaxConnections: connections}), beside
}

func as(user, role string) offprint.Identity {
	who := offprint.Identity{User: user, Tenant: "acme"}
	if role != "" {
		who.Claims = map[string]string{"db_role": role}
	}
	return who
}

const (
	ownNotes  = "/*---\nas_user: {set: {app.user: \":user.id\", app.fixed: \"it's\"}}\n---*/\n"
	teamNotes = "/*---\nas_user: {set: {app.user: \":user.id\"}, role: \":user.db_role\"}\n---*/\n"
)

func TestRowLevelSecurityDecides(t *testing.T) {
	db, _ := guarded(t, 1)
	const count = "SELECT count(*) AS n, min(owner) AS least, max(owner) AS most, min(team) AS team, max(team) AS teams, current_user::text AS role FROM notes"
	tests := []struct {
		name, text string
		who        offprint.Identity
		want       string
	}{
		{"by a setting", ownNotes + count, as("bob", ""), "200|bob|bob|team_a|team_b|login"},
		{"by a role", teamNotes + count, as("bob", "team_b"), "300|ann|cyd|team_b|team_b|team_b"},
		{"by a role that stands there", strings.Replace(teamNotes, ":user.db_role", "team_a", 1) + count, as("bob", ""), "300|ann|cyd|team_a|team_a|team_a"},
		{"who owns nothing", ownNotes + "SELECT count(*) AS n FROM notes", as("x' OR '1'='1", ""), "0"},
		{"a text as it stands", ownNotes + "SELECT current_setting('app.fixed') AS s, current_setting('app.user') AS u", as(`a"b\'c$1`, ""), `it's|a"b\'c$1`},
		{"after that nobody's", "/*---\ntitle: x\n---*/\nSELECT coalesce(current_setting('app.user', true), '') AS u, current_user::text AS r", as("bob", ""), "|login"},
	}
	for range 2 { // the one connection goes from hand to hand
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				r := report(t, db, tt.text)
				req := ask(t, r, "")
				req.Who = tt.who
				got, err := read(t, r, req)
				_, row, _ := strings.Cut(strings.TrimSuffix(got, "\n"), "\n")
				if err != nil || row != tt.want {
					t.Errorf("got %q, %v, want %q", row, err, tt.want)
				}
			})
		}
	}
}

func TestWhoeverMayNotBeIsNotLetIn(t *testing.T) {
	db, beside := guarded(t, 1)
	tests := []struct {
		name string
		text string
		who  offprint.Identity
	}{
		{"a claim is missing", teamNotes, as("bob", "")},
		{"nobody", ownNotes, offprint.Identity{}},
		{"no such role", teamNotes, as("bob", "nobody_knows")},
		{"a role of others", teamNotes, as("bob", "stranger")},
		{"the superuser", teamNotes, as("bob", "test")},
		{"what PostgreSQL takes for the login itself", teamNotes, as("bob", "none")},
		{"the same in capitals", teamNotes, as("bob", "None")},
		{"a role with quotes", teamNotes, as("bob", `team_a"; RESET ROLE; --`)},
		{"a name longer than a role's", teamNotes, as("bob", "team_a"+strings.Repeat(" ", 100))},
		{"a NUL", ownNotes, as("bob\x00", "")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := report(t, db, tt.text+"SELECT n FROM notes")
			req := ask(t, r, "")
			req.Who = tt.who
			got, err := read(t, r, req)
			if got != "" || offprint.CodeOf(err) != offprint.PermissionDenied {
				t.Errorf("got %q, %v", got, err)
			}
			if told := new(offprint.Error); errors.As(err, &told) && tt.who.Claims != nil && strings.Contains(told.Title+told.Detail, tt.who.Claims["db_role"]) {
				t.Errorf("a stranger reads %s", told.Detail)
			}
		})
	}
	if _, err := beside.Exec(t.Context(), "SELECT 1"); err != nil {
		t.Error(err)
	}
	r := report(t, db, ownNotes+"SELECT count(*) AS n FROM notes")
	req := ask(t, r, "")
	req.Who = as("ann", "")
	if got, err := read(t, r, req); err != nil || got != "n\n200\n" {
		t.Errorf("after all that: %q, %v", got, err)
	}
}

// Three people over one and two connections, with queries that break, that are
// canceled and that are left midway: each sees their own rows, all of them.
func TestNobodySeesAnothersRowsOverASharedPool(t *testing.T) {
	for _, connections := range []int{1, 2} {
		t.Run(fmt.Sprint(connections), func(t *testing.T) {
			db, _ := guarded(t, connections)
			all := report(t, db, ownNotes+"SELECT n, owner, 1 / (CASE WHEN :user.id = 'x' THEN 0 ELSE 1 END) AS one FROM notes ORDER BY n")
			breaks := report(t, db, ownNotes+"SELECT owner, 1 / (n - 590) FROM notes ORDER BY n")
			bare := report(t, db, "/*---\ntitle: x\n---*/\nSELECT coalesce(current_setting('app.user', true), '') AS u")
			team := report(t, db, teamNotes+"SELECT n, team AS owner, 1 FROM notes ORDER BY n")
			var people sync.WaitGroup
			for i, user := range []string{"ann", "bob", "cyd"} {
				people.Go(func() {
					for round := range 12 {
						who, role := as(user, ""), []string{"team_a", "team_b"}[(i+round)%2]
						exactly(t, all, who, user, 200, 200)
						exactly(t, team, as(user, role), role, 300, 300)
						left := round * 10
						exactly(t, all, who, user, left, left)
						canceled(t, all, who)
						if _, err := rows(t.Context(), breaks, who, -1); offprint.CodeOf(err) != offprint.BadQuery {
							if user == []string{"ann", "bob", "cyd"}[590%3] || err != nil {
								t.Errorf("%s: %v", user, err)
							}
						}
						exactly(t, bare, who, "", 1, -1)
					}
				})
			}
			people.Wait()
		})
	}
}

// rows are the owners of the first rows of a report, of all if most is below 0.
func rows(ctx context.Context, r *offprint.Report, who offprint.Identity, most int) (owners []string, err error) {
	doc, err := r.Source.Open(ctx, offprint.Request{Who: who})
	if err != nil {
		return nil, err
	}
	for table, err := range doc.Parts {
		if err != nil {
			return owners, err
		}
		for row, err := range table.Rows {
			if err != nil || len(owners) == most {
				return owners, err
			}
			owners = append(owners, strings.Clone(row[min(1, len(row)-1)].String()))
		}
	}
	return owners, nil
}

func exactly(t *testing.T, r *offprint.Report, who offprint.Identity, owner string, want, most int) {
	t.Helper()
	owners, err := rows(t.Context(), r, who, most)
	if err != nil || len(owners) != want {
		t.Errorf("%s: %d rows, %v, want %d", who.User, len(owners), err, want)
	}
	for _, o := range owners {
		if o != owner {
			t.Errorf("%s sees what is of %q, not of %q", who.User, o, owner)
			return
		}
	}
}

func canceled(t *testing.T, r *offprint.Report, who offprint.Identity) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	doc, err := r.Source.Open(ctx, offprint.Request{Who: who})
	if err != nil {
		t.Error(err)
		return
	}
	for table, err := range doc.Parts {
		if err != nil {
			t.Error(err)
			return
		}
		cancel()
		for range table.Rows {
		}
	}
}

func TestOptionsAreTheAskersToo(t *testing.T) {
	db, _ := guarded(t, 1)
	r := report(t, db, "/*---\nas_user: {set: {app.user: \":user.id\"}}\nparameters: {o: {type: text, options: {query: SELECT DISTINCT owner FROM notes}}}\n---*/\nSELECT :o")
	if r.TenantBlind {
		t.Error("the database keeps the tenants apart")
	}
	for _, user := range []string{"ann", "cyd"} {
		var got []string
		for o, err := range parameter(t, r, "o").Choices.Choose(t.Context(), offprint.Request{Who: as(user, "")}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, o.Value)
		}
		if fmt.Sprint(got) != "["+user+"]" {
			t.Errorf("%s may choose from %v", user, got)
		}
	}
}

func TestWhatPsqlIsToldOfTheAsker(t *testing.T) {
	db, beside := guarded(t, 1)
	d, problems := source.Parse("a.sql", teamNotes+"SELECT count(*) FROM notes;", map[string]*source.Database{"shop": db})
	if problems != nil {
		t.Fatal(problems)
	}
	got, err := d.SQL(offprint.Request{Who: as("o'neill", `te"am`)})
	want := `BEGIN READ ONLY;
SET TIME ZONE 'UTC';
SET LOCAL "app"."user" = 'o''neill';
SET LOCAL ROLE "te""am";
SELECT count(*) FROM notes
;

ROLLBACK;
`
	if err != nil || got != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	pasted, err := d.SQL(offprint.Request{Who: as("o'neill", "team_a")})
	if err != nil {
		t.Fatal(err)
	}
	results, err := beside.PgConn().Exec(t.Context(), pasted).ReadAll()
	if err != nil || string(results[4].Rows[0][0]) != "300" {
		t.Errorf("pasted: %v, %v", results, err)
	}
	if _, err := d.SQL(offprint.Request{Who: as("o'neill", "")}); offprint.CodeOf(err) != offprint.PermissionDenied {
		t.Errorf("without the claim: %v", err)
	}
}

func TestCheckPreparesAsNobody(t *testing.T) {
	db, beside := guarded(t, 1)
	super := open(t, source.Config{Name: "shop", URL: beside.Config().ConnString()})
	tests := []struct {
		name, text string
		db         *source.Database
		want       string
	}{
		{"by a setting", ownNotes + "SELECT n FROM notes WHERE owner = current_setting('app.user') ORDER BY 1", db, ""},
		{"by a role", teamNotes + "SELECT n FROM notes ORDER BY 1", db, ""},
		{"what only the role may see", teamNotes + "SELECT n FROM closed.notes ORDER BY 1", db, ""},
		{"what the role that stands there may see", "/*---\nas_user: {role: team_a}\n---*/\nSELECT n FROM closed.notes ORDER BY 1", db, ""},
		{"what is not there", teamNotes + "SELECT m FROM notes ORDER BY 1", db, `a.sql:4:8: PostgreSQL says: column "m" does not exist.`},
		{"what the login may not see", ownNotes + "SELECT n FROM closed.notes ORDER BY 1", db, "a.sql:4:15: PostgreSQL says: permission denied for schema closed."},
		{"a role that is not there", "/*---\nas_user: {role: nobody_knows}\n---*/\nSELECT 1", db, "a.sql:2:1: The source shop has no role nobody_knows."},
		{"a role that nothing holds back", "/*---\nas_user: {role: test}\n---*/\nSELECT 1", db, "a.sql:2:1: Row-level security does not hold for the role test"},
		{"a login that nothing holds back", ownNotes + "SELECT n FROM notes ORDER BY 1", super, "a.sql:2:1: Row-level security does not hold for the login of the source shop"},
		{"a superuser who becomes somebody", teamNotes + "SELECT n FROM notes ORDER BY 1", super, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, problems := source.OpenFS("r", fstest.MapFS{"a.sql": {Data: []byte(tt.text)}}, map[string]*source.Database{"shop": tt.db})
			if problems != nil {
				t.Fatal(problems)
			}
			got := f.Check(t.Context(), false)
			if (tt.want == "") != (got == nil) || !strings.Contains(got.Error(), tt.want) || len(got) > 1 {
				t.Errorf("got %v, want %s", got, tt.want)
			}
		})
	}
}
