package prove

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A failpoint is a step of a process at which it is killed or cut off.
type failpoint struct {
	Step string // "finish: before commit", "put: after"
	Act  string
	Nth  int // it acts the Nth time, and a cut again each Nth time after it
}

const (
	kill   = "kill"   // the process kills itself, as kill -9
	cut    = "cut"    // the connections to the ledger break; after a commit they break before its answer is back
	freeze = "freeze" // the process stands still, until it is sent SIGCONT
	fail   = "fail"   // the store answers an error, after a Put although the file is there
)

func (f failpoint) String() string { return f.Act + " at " + f.Step }

// before is the step at which a failpoint acts: an answer that is to be lost
// must be stopped before it was asked for.
func (f failpoint) before() string {
	if f.Act == cut {
		return strings.Replace(f.Step, "after commit", "before commit", 1)
	}
	return f.Step
}

// A hit says that a failpoint acted, and is on the disk before it does.
type hit struct {
	Process, Step, Act string
	At                 time.Time
}

// hooks are the failpoints of a process. A nil one has none.
type hooks struct {
	p        *program
	database string // the ledger's address, past a link of our own where it is to be cut
	link     *link

	mu    sync.Mutex
	times map[failpoint]int
}

func newHooks(p *program) (*hooks, error) {
	h := &hooks{p: p, database: p.Database, times: map[failpoint]int{}}
	for _, f := range p.Fail {
		if f.Act != cut || h.link != nil {
			continue
		}
		var err error
		if h.link, h.database, err = linkTo(p.Database); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// at is called at each step, and may not return.
func (h *hooks) at(step string) error {
	if h == nil {
		return nil
	}
	for _, f := range h.p.Fail {
		if f.before() == step && h.due(f) {
			return h.act(f)
		}
	}
	return nil
}

func (h *hooks) due(f failpoint) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.times[f]++
	if f.Act == freeze {
		return h.times[f] == f.Nth
	}
	return h.times[f]%f.Nth == 0
}

func (h *hooks) act(f failpoint) error {
	if err := appendLine(h.p.hits(), hit{h.p.Name, f.Step, f.Act, time.Now()}, false); err != nil {
		return err
	}
	switch f.Act {
	case kill:
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			return err
		}
		select {}
	case freeze:
		return syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	case cut:
		if f.before() == f.Step {
			return h.link.mend()
		}
		return h.link.loseAnswers()
	}
	return errStore("500")
}

// appendLine adds a line to a file that several processes write.
func appendLine(path string, line any, durable bool) error {
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if durable {
		return f.Sync()
	}
	return nil
}

// linesOf reads what appendLine wrote.
func linesOf[T any](path string) (all []T, err error) {
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		var one T
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			return nil, fmt.Errorf("%s: %w in %q", path, err, line)
		}
		all = append(all, one)
	}
	return all, nil
}
