package signalr

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// FuzzMessages reads whatever may come, at once and byte by byte.
func FuzzMessages(f *testing.F) {
	for _, seed := range []string{
		"{\"protocol\":\"json\",\"version\":1}\x1e",
		"{\"type\":1,\"invocationId\":\"1\",\"target\":\"Watch\",\"arguments\":[\"run_1\",{\"a\":[null]}]}\x1e{\"type\":6}\x1e",
		"{\"type\":4,\"target\":\"Count\",\"arguments\":[3],\"streamIds\":[]}\x1e{\"type\":7,\"error\":\"x\"}\x1e",
		"\x1e\x1e{\x1e", "{\"type\":\"1\"}\x1e", "{\"arguments\":7}\x1e", "no end", strings.Repeat("x", mostBytes) + "\x1e",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		all, err := messagesOf(bytes.NewReader(sent))
		again, errAgain := messagesOf(iotest.OneByteReader(bytes.NewReader(sent)))
		if !slices.EqualFunc(all, again, bytes.Equal) || (err == nil) != (errAgain == nil) {
			t.Fatalf("at once %q, %v; byte by byte %q, %v", all, err, again, errAgain)
		}
		whole := bytes.Join(append(slices.Clone(all), nil), []byte{separator})
		if !bytes.HasPrefix(sent, whole) || err == nil && len(whole) != len(sent) {
			t.Fatalf("%q of %q, %v", whole, sent, err)
		}
		if err != nil && !errors.Is(err, ErrUnreadable) && !errors.Is(err, ErrTooLarge) {
			t.Fatal(err)
		}
		for _, b := range all {
			understand(t, b)
		}
	})
}

func messagesOf(r io.Reader) (all [][]byte, err error) {
	err = eachMessage(r, func(b []byte) error {
		all = append(all, bytes.Clone(b))
		return nil
	})
	return all, err
}

// understand takes a message, which is read again as what it was, or refused.
func understand(t *testing.T, b []byte) {
	var hello handshake
	var m, again message
	if err := read(b, &hello); err == nil && hello.refusal() == "" && hello != (handshake{"json", 1}) {
		t.Fatalf("%q is taken for a handshake", b)
	}
	if err := read(b, &m); err != nil {
		if !errors.Is(err, ErrUnreadable) {
			t.Fatal(err)
		}
		return
	}
	sent, err := record(m)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.IndexByte(sent, separator); n != len(sent)-1 {
		t.Fatalf("%q holds an end", sent)
	}
	if err := read(sent[:len(sent)-1], &again); err != nil || again.Type != m.Type || again.ID != m.ID || again.Target != m.Target || len(again.Arguments) != len(m.Arguments) {
		t.Fatalf("%+v, %v; sent %+v", again, err, m)
	}
}
