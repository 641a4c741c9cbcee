package source_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/source"
)

// hangsUp answers every request with the same bytes, and then hangs up.
func hangsUp(t *testing.T, answer string) *source.Database {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = conn.Write([]byte(answer)) // who asked may be gone
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-done
	})
	return open(t, source.Config{Name: "erp", URL: "http://" + listener.Addr().String(), AllowPrivate: true})
}

// answers are whole, in every way that HTTP/1.1 has to say where one ends.
func answers(kind, body string) map[string]string {
	head := "HTTP/1.1 200 OK\r\nContent-Type: " + kind + "\r\n"
	return map[string]string{
		"by length": head + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)) + body,
		"chunked":   head + "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", 5, body[:5], len(body)-5, body[5:]),
	}
}

// Wherever a connection breaks, there is no report, and no half of one.
func TestAnAnswerThatIsCutAnywhereIsNone(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	bodies := map[string]string{
		ndjson: "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n",
		array:  `[{"a":1},{"a":2},{"a":3}]`,
		csvs:   "a\n1\n2\n3\n",
	}
	t.Run("after", func(t *testing.T) {
		for kind, body := range bodies {
			for name, whole := range answers(kind, body) {
				if got, err := cut(t, whole); err != nil || got != "a\n1\n2\n3\n" {
					t.Fatalf("%s %s: whole: %v, %q", kind, name, err, got)
				}
				begin := strings.Index(whole, "\r\n\r\n")
				for _, at := range []int{len(whole) - 1, len(whole) - 2, len(whole) - len(body)/2, begin + 10, begin + 4, begin - 5, 0} {
					t.Run(whole[:at], func(t *testing.T) {
						t.Parallel()
						if got, err := cut(t, whole[:at]); offprint.CodeOf(err) != offprint.SourceUnavailable {
							t.Errorf("%v, %q", err, got)
						}
					})
				}
			}
		}
	})
}

func cut(t *testing.T, answer string) (string, error) {
	r := report(t, hangsUp(t, answer), "/*---\ntenants: shared\n---*/\nGET /x")
	return read(t, r, ask(t, r, ""))
}

// Where only the connection's end says that all was said, an array still has
// its bracket; lines have nothing.
func TestAnAnswerWithoutAnEndIsRefused(t *testing.T) {
	head := "HTTP/1.0 200 OK\r\nContent-Type: "
	for _, tt := range []struct {
		answer string
		code   offprint.Code
	}{
		{head + array + "\r\n\r\n" + `[{"a":1}]`, ""},
		{head + array + "\r\n\r\n" + `[{"a":1}`, offprint.SourceUnavailable},
		{head + ndjson + "\r\n\r\n{\"a\":1}\n", offprint.BadQuery},
		{head + csvs + "\r\n\r\na\n1\n", offprint.BadQuery},
	} {
		if got, err := cut(t, tt.answer); offprint.CodeOf(err) != tt.code {
			t.Errorf("%q: %v, %q", tt.answer, err, got)
		}
	}
}

func TestAServiceLeavesNothingBehind(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	server, stop := everlasting()
	defer stop()
	db, err := source.Open(source.Config{Name: "erp", URL: server, AllowPrivate: true, MaxConnections: 1})
	if err != nil {
		t.Fatal(err)
	}
	r := report(t, db, "/*---\ntenants: shared\n---*/\nGET /x\n/*---\npart: more\n---*/\nGET /y")
	for range 3 { // more often than there are connections
		doc, err := r.Source.Open(t.Context(), ask(t, r, ""))
		if err != nil {
			t.Fatal(err)
		}
		for table, err := range doc.Parts {
			if err != nil {
				t.Fatal(err)
			}
			for range table.Rows {
				break
			}
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// everlasting is a service whose answers never end.
func everlasting() (url string, stop func()) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", ndjson)
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat("{\"a\":1}\n", 1000)); err != nil {
				return
			}
		}
	}))
	return server.URL, server.Close
}
