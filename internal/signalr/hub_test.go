package signalr_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/offprint/offprint/internal/signalr"
)

// A house has a hub whose connections answer calls with what was called, and
// say Tick to whoever calls Tick.
type house struct {
	t   *testing.T
	hub *signalr.Hub
	url string
	in  atomic.Int32 // who was let in and has not left
}

// quick is a hub's hurry; what it leaves out takes longer than any test.
func quick(c signalr.Config) signalr.Config {
	for _, d := range []*time.Duration{&c.Handshake, &c.Silence, &c.Taken, &c.Poll} {
		if *d == 0 {
			*d = time.Minute
		}
	}
	return c
}

func open(t *testing.T, c signalr.Config) *house {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t, goleak.IgnoreCurrent()) })
	h := &house{t: t, hub: signalr.New(quick(c))}
	server := httptest.NewServer(http.HandlerFunc(h.handle))
	h.url = server.URL
	t.Cleanup(func() {
		h.hub.Close()
		server.Close()
	})
	return h
}

func (h *house) handle(w http.ResponseWriter, r *http.Request) {
	user := r.Header.Get("User")
	var err error
	switch {
	case r.URL.Path == "/negotiate":
		err = h.hub.Negotiate(w, r, "token-"+r.Header.Get("Token"))
	case r.Method == http.MethodPost:
		var body []byte
		if body, err = io.ReadAll(r.Body); err == nil {
			err = h.hub.Receive(w, r, user, body)
		}
	case r.Method == http.MethodDelete:
		err = h.hub.Leave(w, r, user)
	default:
		err = h.hub.Listen(w, r, signalr.Listener{User: user, Admit: h.admit, Serve: h.serve})
	}
	for status, of := range map[int]error{400: signalr.ErrUnreadable, 404: signalr.ErrUnknown, 409: signalr.ErrTaken, 413: signalr.ErrTooLarge, 503: signalr.ErrClosed, 401: errStranger} {
		if errors.Is(err, of) {
			http.Error(w, err.Error(), status)
			return
		}
	}
}

var errStranger = errors.New("who is that?")

func (h *house) admit(token string) (func(), error) {
	if token != "" && !strings.HasPrefix(token, "token-") {
		return nil, errStranger
	}
	h.in.Add(1)
	return func() { h.in.Add(-1) }, nil
}

func (h *house) serve(ctx context.Context, c *signalr.Conn) string {
	for {
		select {
		case call := <-c.Calls:
			err := c.Answer(call, fmt.Sprintf("%s%s", call.Target, call.Arguments), "")
			switch call.Target {
			case "Tick":
				err = c.Send("Tick", []byte(`1`), []byte(`"two"`))
			case "Ping":
				err = c.Ping()
			case "Refuse":
				err = c.Answer(call, nil, "No.")
			case "Flood":
				for err == nil {
					err = c.Send("Tick", []byte(`"`+strings.Repeat("x", 10_000)+`"`))
				}
			case "Bye":
				return "Come again."
			}
			if err != nil {
				return ""
			}
		case <-ctx.Done():
			return ""
		}
	}
}

// emptied waits until everybody has left.
func (h *house) emptied() {
	h.t.Helper()
	for until := time.Now().Add(10 * time.Second); h.in.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			h.t.Fatalf("%d are still there", h.in.Load())
		}
	}
}

const hello = `{"protocol":"json","version":1}` + "\x1e"

// A talk is a connection by a WebSocket.
type talk struct {
	*websocket.Conn
	t *testing.T
}

func (h *house) dial() talk {
	h.t.Helper()
	ws, _, err := websocket.Dial(h.t.Context(), h.url+"?id=token-1", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { ws.CloseNow() })
	return talk{ws, h.t}
}

// says sends text in messages of a WebSocket, as they are given.
func (k talk) says(texts ...string) {
	k.t.Helper()
	for _, text := range texts {
		if err := k.Write(k.t.Context(), websocket.MessageText, []byte(text)); err != nil {
			k.t.Fatal(err)
		}
	}
}

func (k talk) hears(texts ...string) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), 10*time.Second)
	defer cancel()
	for _, text := range texts {
		if _, b, err := k.Read(ctx); err != nil || string(b) != text+"\x1e" {
			k.t.Fatalf("heard %q, %v; want %q", b, err, text)
		}
	}
}

// ends waits for the end that the other side has said.
func (k talk) ends() {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), 10*time.Second)
	defer cancel()
	if _, b, err := k.Read(ctx); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		k.t.Fatalf("%q, %v; want the end", b, err)
	}
}

func TestNegotiation(t *testing.T) {
	h := open(t, signalr.Config{})
	for version, want := range map[string]string{"?negotiateVersion=1": "connectionToken", "": "connectionId", "?negotiateVersion=x": "connectionId"} {
		res, body := h.send("POST", "/negotiate"+version, "")
		var answer map[string]any
		if err := json.Unmarshal([]byte(body), &answer); err != nil || answer[want] != "token-" || len(answer["availableTransports"].([]any)) != 3 || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s is answered %s, %v", version, body, err)
		}
	}
}

func TestTalkByWebSocket(t *testing.T) {
	invoke := func(id, target string) string {
		return `{"type":1,"invocationId":"` + id + `","target":"` + target + `","arguments":[7]}` + "\x1e"
	}
	for _, tt := range []struct {
		promise string
		says    []string
		hears   []string
		stays   bool
	}{
		{"messages together", []string{hello + invoke("1", "A") + invoke("2", "B")}, []string{"{}", `{"type":3,"invocationId":"1","result":"A[7]"}`, `{"type":3,"invocationId":"2","result":"B[7]"}`}, true},
		{"a message in pieces", []string{hello[:5], hello[5:20], hello[20:], invoke("1", "A")[:9], invoke("1", "A")[9:]}, []string{"{}", `{"type":3,"invocationId":"1","result":"A[7]"}`}, true},
		{"a call that waits for no answer", []string{hello, `{"type":1,"target":"A","arguments":[]}` + "\x1e", invoke("2", "B")}, []string{"{}", `{"type":3,"invocationId":"2","result":"B[7]"}`}, true},
		{"a call of ours", []string{hello, `{"type":1,"target":"Tick"}` + "\x1e"}, []string{"{}", `{"type":1,"target":"Tick","arguments":[1,"two"]}`}, true},
		{"a sign of life", []string{hello, `{"type":6}` + "\x1e", `{"type":1,"target":"Ping"}` + "\x1e"}, []string{"{}", `{"type":6}`}, true},
		{"what nobody knows yet", []string{hello, `{"type":99,"new":true}` + "\x1e", invoke("1", "A")}, []string{"{}", `{"type":3,"invocationId":"1","result":"A[7]"}`}, true},
		{"a farewell of ours", []string{hello, `{"type":1,"target":"Bye"}` + "\x1e"}, []string{"{}", `{"type":7,"error":"Come again.","allowReconnect":true}`}, false},
		{"a farewell", []string{hello, `{"type":7}` + "\x1e"}, []string{"{}"}, false},
		{"another protocol", []string{`{"protocol":"messagepack","version":1}` + "\x1e"}, []string{`{"error":"The protocol \"messagepack\" is not spoken here. Use the protocol json."}`}, false},
		{"another version", []string{`{"protocol":"json","version":2}` + "\x1e"}, []string{`{"error":"Version 2 of the protocol json is not spoken here. Use version 1."}`}, false},
		{"no handshake", []string{"GET / HTTP/1.1\x1e"}, nil, false},
		{"no message", []string{hello, "{]\x1e"}, []string{"{}", `{"type":7,"error":"What was sent is no message of the protocol."}`}, false},
		{"a message as large as may be", []string{hello, strings.Repeat(" ", 32<<10-len(invoke("1", "A"))) + invoke("1", "A")}, []string{"{}", `{"type":3,"invocationId":"1","result":"A[7]"}`}, true},
		{"a larger one", []string{hello, strings.Repeat(" ", 33<<10)}, []string{"{}", `{"type":7,"error":"A message may have 32 KB."}`}, false},
	} {
		t.Run(tt.promise, func(t *testing.T) {
			h := open(t, signalr.Config{})
			k := h.dial()
			k.says(tt.says...)
			k.hears(tt.hears...)
			switch {
			case tt.stays:
				k.Close(websocket.StatusNormalClosure, "")
			case len(tt.hears) > 0:
				k.ends()
			}
			h.emptied()
		})
	}
}

func TestCallsKeepTheirOrder(t *testing.T) {
	h := open(t, signalr.Config{})
	k := h.dial()
	const n = 2000
	go func() {
		text := hello
		for i := range n {
			text += fmt.Sprintf(`{"type":1,"invocationId":"%d","target":"A","arguments":[]}`, i) + "\x1e"
		}
		k.Write(t.Context(), websocket.MessageText, []byte(text))
	}()
	k.hears("{}")
	for i := range n {
		k.hears(fmt.Sprintf(`{"type":3,"invocationId":"%d","result":"A[]"}`, i))
	}
}

func TestBytesAreNoText(t *testing.T) {
	h := open(t, signalr.Config{})
	k := h.dial()
	k.says(hello)
	k.hears("{}")
	if err := k.Write(t.Context(), websocket.MessageBinary, []byte("{}\x1e")); err != nil {
		t.Fatal(err)
	}
	k.hears(`{"type":7,"error":"What was sent is no message of the protocol."}`)
	k.ends()
}

func TestWhoSaysNothingIsGone(t *testing.T) {
	t.Run("not even hello", func(t *testing.T) {
		h := open(t, signalr.Config{Handshake: 20 * time.Millisecond})
		h.dial()
		h.send("GET", "?id=token-2", "")
		h.emptied()
	})
	t.Run("any more", func(t *testing.T) {
		h := open(t, signalr.Config{Silence: 50 * time.Millisecond})
		k := h.dial()
		k.says(hello, `{"type":1,"target":"Ping"}`+"\x1e")
		k.hears("{}", `{"type":6}`)
		time.Sleep(100 * time.Millisecond)
		k.says(`{"type":1,"target":"Ping"}` + "\x1e") // which is a word
		k.hears(`{"type":6}`)
	})
	t.Run("though it is told things", func(t *testing.T) {
		h := open(t, signalr.Config{Taken: 100 * time.Millisecond})
		k := h.dial()
		k.says(hello, `{"type":1,"target":"Flood"}`+"\x1e")
		h.post("?id=token-2", "ann", hello, `{"type":1,"target":"Flood"}`+"\x1e")
		h.emptied()
	})
}

// send sends one request and reads the answer.
func (h *house) send(method, path, body string, headers ...string) (*http.Response, string) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Set(name, value)
	}
	res, err := plain.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return res, string(b)
}

var plain = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// wants sends one request that must be answered so.
func (h *house) wants(status int, want, method, path, body string, headers ...string) {
	h.t.Helper()
	if res, got := h.send(method, path, body, headers...); res.StatusCode != status || want != "*" && got != want {
		h.t.Errorf("%s %s: %d %q, want %d %q", method, path, res.StatusCode, got, status, want)
	}
}

// post begins long polling and says things.
func (h *house) post(path, user string, texts ...string) {
	h.t.Helper()
	h.wants(200, "", "GET", path, "", "User: "+user)
	for _, text := range texts {
		h.wants(202, "", "POST", path, text, "User: "+user)
	}
}

func TestTalkByLongPolling(t *testing.T) {
	h := open(t, signalr.Config{Poll: 200 * time.Millisecond})
	h.post("?id=token-1", "ann", hello)
	h.wants(200, "{}\x1e", "GET", "?id=token-1&_=1", "", "User: ann")
	h.wants(202, "", "POST", "?id=token-1", `{"type":1,"invocationId":"1","target":"A"}`+"\x1e"+`{"type":1,"target":"Tick"}`+"\x1e", "User: ann")
	h.wants(202, "", "POST", "?id=token-1", `{"type":1,"target":"Ping"}`+"\x1e", "User: ann")
	h.wants(200, `{"type":3,"invocationId":"1","result":"A[]"}`+"\x1e"+`{"type":1,"target":"Tick","arguments":[1,"two"]}`+"\x1e"+`{"type":6}`+"\x1e", "GET", "?id=token-1", "", "User: ann")
	h.wants(200, "", "GET", "?id=token-1", "", "User: ann") // nothing to say in its time

	for _, bob := range []string{"GET", "POST", "DELETE"} {
		if status, _ := h.send(bob, "?id=token-1", "", "User: bob"); status.StatusCode != 404 && status.StatusCode != 409 {
			t.Errorf("somebody else's %s: %s", bob, status.Status)
		}
	}
	h.wants(409, "*", "GET", "?id=token-1", "", "User: ann", "Accept: text/event-stream")
	h.wants(400, "*", "POST", "?id=token-1", `{"type":6}`, "User: ann")
	h.wants(200, `{"type":7,"error":"What was sent is no message of the protocol."}`+"\x1e", "GET", "?id=token-1", "", "User: ann")
	h.wants(204, "", "GET", "?id=token-1", "", "User: ann")
	h.emptied()
	h.wants(404, "*", "GET", "?id=token-1", "", "User: ann")
	h.wants(404, "*", "POST", "?id=token-1", hello, "User: ann")
	h.wants(401, "*", "GET", "?id=stranger", "", "User: ann")
	h.wants(400, "*", "GET", "", "", "User: ann")
}

func TestASecondPollEndsTheFirst(t *testing.T) {
	h := open(t, signalr.Config{})
	h.post("?id=token-1", "ann", hello)
	h.wants(200, "{}\x1e", "GET", "?id=token-1", "", "User: ann")
	var polls sync.WaitGroup
	var superseded, told atomic.Int32
	const n = 5
	for range n {
		polls.Go(func() {
			switch res, body := h.send("GET", "?id=token-1", "", "User: ann"); {
			case res.StatusCode == 204:
				superseded.Add(1)
			case strings.Contains(body, "Tick"):
				told.Add(1)
			}
		})
	}
	for until := time.Now().Add(10 * time.Second); superseded.Load() < n-1; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%d of %d polls gave way", superseded.Load(), n)
		}
	}
	h.wants(202, "", "POST", "?id=token-1", `{"type":1,"target":"Tick"}`+"\x1e", "User: ann")
	polls.Wait()
	if told.Load() != 1 {
		t.Errorf("%d polls were told", told.Load())
	}
	first := make(chan struct{})
	for range 2 {
		polls.Go(func() {
			h.wants(204, "", "GET", "?id=token-1", "", "User: ann")
			first <- struct{}{}
		})
	}
	<-first // so that the second is there
	go func() { <-first }()
	h.wants(202, "", "DELETE", "?id=token-1", "", "User: ann")
	polls.Wait()
	h.emptied()
}

func TestTalkByEvents(t *testing.T) {
	h := open(t, signalr.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", h.url+"?id=token-1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("User", "ann")
	res, err := plain.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	hears := func(want ...string) {
		t.Helper()
		for _, text := range want {
			if line, err := lines.ReadString('\n'); err != nil || line != text+"\r\n" {
				t.Fatalf("%q, %v; want %q", line, err, text)
			}
		}
	}
	hears(":", "")
	h.wants(409, "*", "GET", "?id=token-1", "", "User: ann", "Accept: text/event-stream")
	h.wants(409, "*", "GET", "?id=token-1", "", "User: ann")
	h.wants(400, "*", "DELETE", "?id=token-1", "", "User: ann")
	h.wants(404, "*", "POST", "?id=token-1", hello, "User: bob")
	h.wants(202, "", "POST", "?id=token-1", hello, "User: ann")
	h.wants(202, "", "POST", "?id=token-1", `{"type":1,"invocationId":"1","target":"A","arguments":["\n"]}`+"\x1e", "User: ann")
	hears("data: {}\x1e", "", `data: {"type":3,"invocationId":"1","result":"A[\"\\n\"]"}`+"\x1e", "")
	cancel()
	h.emptied()
	h.wants(404, "*", "POST", "?id=token-1", hello, "User: ann")
}

func TestCloseTellsEverybodyAndWaits(t *testing.T) {
	h := open(t, signalr.Config{Linger: 300 * time.Millisecond})
	k := h.dial()
	k.says(hello)
	k.hears("{}")
	deaf := h.dial()
	deaf.says(hello, `{"type":1,"target":"Flood"}`+"\x1e")
	h.dial() // has not said hello
	h.post("?id=token-2", "ann", hello)
	h.wants(200, "{}\x1e", "GET", "?id=token-2", "", "User: ann")
	var poll sync.WaitGroup
	poll.Go(func() { h.wants(200, `{"type":7,"allowReconnect":true}`+"\x1e", "GET", "?id=token-2", "", "User: ann") })
	h.post("?id=token-3", "ann", hello) // and polls no more
	closed := make(chan struct{})
	go func() { h.hub.Close(); close(closed) }()
	k.hears(`{"type":7,"allowReconnect":true}`)
	k.ends()
	poll.Wait()
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for those who do not listen")
	}
	if n := h.in.Load(); n != 0 {
		t.Errorf("%d are still there", n)
	}
	h.wants(503, "*", "POST", "/negotiate", "")
	h.wants(503, "*", "GET", "?id=token-4", "")
	if _, res, err := websocket.Dial(t.Context(), h.url, nil); err == nil || res.StatusCode != 503 {
		t.Errorf("after the end: %v", err)
	}
}
