package signalr

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// What messages are, by their type.
const (
	invocation       = 1
	completion       = 3
	streamInvocation = 4
	ping             = 6
	closing          = 7
)

// A message is what a client sends; of other types than ours, only the type.
type message struct {
	Type      int               `json:"type"`
	ID        string            `json:"invocationId"`
	Target    string            `json:"target"`
	Arguments []json.RawMessage `json:"arguments"`
}

// A handshake is the first that a client sends.
type handshake struct {
	Protocol string `json:"protocol"`
	Version  int    `json:"version"`
}

// refusal is why a client that says this cannot be understood; empty: it can.
func (s handshake) refusal() string {
	switch {
	case s.Protocol != "json":
		return fmt.Sprintf("The protocol %.40q is not spoken here. Use the protocol json.", s.Protocol)
	case s.Version != 1:
		return fmt.Sprintf("Version %d of the protocol json is not spoken here. Use version 1.", s.Version)
	}
	return ""
}

const (
	separator  = 0x1e     // ends every message
	mostBytes  = 32 << 10 // of a message of a client
	firstBytes = 512      // of what is kept to read them
)

// eachMessage hands on what is read, message by message, until the reader or
// take ends it. What is handed on is reused for the next one.
func eachMessage(r io.Reader, take func([]byte) error) error {
	messages := bufio.NewScanner(r)
	messages.Buffer(make([]byte, 0, firstBytes), mostBytes)
	messages.Split(split)
	for messages.Scan() {
		if err := take(messages.Bytes()); err != nil {
			return err
		}
	}
	if err := messages.Err(); !errors.Is(err, bufio.ErrTooLong) {
		return err
	}
	return ErrTooLarge
}

// split is a [bufio.SplitFunc] for messages; what has no end is none.
func split(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, separator); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, fmt.Errorf("%w: a message is cut short", ErrUnreadable)
	}
	return 0, nil, nil
}

func read(b []byte, into any) error {
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return nil
}

// record is v as it is sent.
func record(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write a message: %w", err)
	}
	return append(b, separator), nil
}

// sent is a call of ours. It is put together here, as what thousands are told is
// JSON already.
func sent(target string, arguments []json.RawMessage) []byte {
	b := fmt.Appendf(nil, `{"type":%d,"target":%q,"arguments":[`, invocation, target)
	for i, a := range arguments {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, a...)
	}
	return append(b, ']', '}', separator)
}

// What else is sent.
type (
	completed struct {
		Type   int    `json:"type"`
		ID     string `json:"invocationId"`
		Result any    `json:"result"`
	}
	failed struct {
		Type  int    `json:"type"`
		ID    string `json:"invocationId"`
		Error string `json:"error"`
	}
	farewell struct {
		Type  int    `json:"type"`
		Error string `json:"error,omitempty"`
		Again bool   `json:"allowReconnect,omitempty"`
	}
	shaken struct {
		Error string `json:"error,omitempty"`
	}
	alive struct {
		Type int `json:"type"`
	}
)
