package prove

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/offprint/offprint/internal/pgtest"
)

// A world is everything that a proof breaks: databases, the links to them, and
// the seats of the processes.
type world struct {
	t      *testing.T
	dir    string
	ledger *database // nil: SQLite
	shop   *database
	seats  []*seat
	post   *post
	made   atomic.Int64 // processes, of all seats

	mu    sync.Mutex
	lived []trouble
}

// A trouble is a time in which a process could not keep what it had: it was
// killed, stood still, or did not reach the ledger. Without a process it was
// all of them.
type trouble struct {
	process, what string
	from, to      time.Time
}

// A database is a PostgreSQL of our own, and how to reach it by TCP.
type database struct {
	*pgtest.Server
	host string // past no link
}

func (d *database) url() string { return address(d.host, "postgres") }

func newDatabase(t *testing.T) *database {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	server, err := pgtest.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	t.Cleanup(cancel)
	host, err := bridge(ctx, server.Dir+"/.s.PGSQL.5432")
	if err != nil {
		t.Fatal(err)
	}
	return &database{server, host}
}

// pids are the processes of the database server, the first one first.
func (d *database) pids() ([]int, error) {
	text, err := os.ReadFile(d.Dir + "/data/postmaster.pid")
	if err != nil {
		return nil, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	parent, err := strconv.Atoi(first)
	if err != nil {
		return nil, err
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", parent, parent))
	pids := []int{parent}
	for child := range strings.FieldsSeq(string(children)) {
		pid, err := strconv.Atoi(child)
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, err
}

// run starts the server again. After a kill -9 its children may take a while
// to let go of what they shared.
func (d *database) run(ctx context.Context) (err error) {
	for range 50 {
		if err = d.Run(ctx); err == nil {
			return nil
		}
		time.Sleep(200 * time.Millisecond)
	}
	return err
}

// newWorld is one without processes; without a ledger of PostgreSQL it is a
// SQLite file.
func newWorld(t *testing.T, postgres bool) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), shop: newDatabase(t), post: newPost(t)}
	if postgres {
		w.ledger = newDatabase(t)
	}
	t.Cleanup(w.end)
	return w
}

func (w *world) database() string {
	if w.ledger == nil {
		return "sqlite:" + w.dir + "/ledger.db"
	}
	return w.ledger.url()
}

// told is what the judge's own desk is told: the world past all links.
func (w *world) told() *program {
	return &program{Name: "judge", Database: w.database(), Shop: w.shop.url(), Dir: w.dir, Mail: w.post.mail.URL("tls=none"), Hook: w.post.hook.URL}
}

func (w *world) suffered(t trouble) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lived = append(w.lived, t)
}

// troubles are all that there were.
func (w *world) troubles() []trouble {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]trouble(nil), w.lived...)
}

// end kills whoever still lives.
func (w *world) end() {
	for _, s := range w.seats {
		if p := s.process.Load(); p != nil {
			p.kill()
		}
	}
	if !w.t.Failed() {
		return
	}
	if to := os.Getenv("PROVE_LOGS"); to != "" {
		if err := os.CopyFS(filepath.Join(to, w.t.Name()), os.DirFS(w.dir)); err != nil {
			w.t.Log(err)
		}
	}
}

// A seat is a place for one process after another. Whoever does something to
// its process has the seat's lock.
type seat struct {
	sync.Mutex
	w            *world
	name         string
	is           program
	ledger, shop *link // its own ways there; the ledger's is nil for SQLite
	process      atomic.Pointer[process]
}

func (w *world) seat(name string, is program) *seat {
	w.t.Helper()
	s := &seat{w: w, name: name, is: is}
	s.is.Database, s.is.Dir = w.database(), w.dir
	s.is.Mail, s.is.Hook = w.post.mail.URL("tls=none"), w.post.hook.URL
	var err error
	if w.ledger != nil && !is.Plain {
		if s.ledger, s.is.Database, err = linkTo(w.ledger.url()); err != nil {
			w.t.Fatal(err)
		}
	}
	if s.shop, s.is.Shop, err = linkTo(w.shop.url()); err != nil {
		w.t.Fatal(err)
	}
	w.seats = append(w.seats, s)
	return s
}

// A process is a running program.
type process struct {
	*exec.Cmd
	name   string
	url    string
	ended  chan struct{} // after which the next stands
	failed error         // to wait for it
}

// start starts the seat's next process with these failpoints, and waits until
// it is ready. It is an error that it ended before, as at one of them.
func (s *seat) start(fail ...failpoint) error {
	p := &process{name: s.name + "-" + strconv.FormatInt(s.w.made.Add(1), 10), ended: make(chan struct{})}
	is := s.is
	is.Name, is.Fail = p.name, fail
	text, err := json.Marshal(is)
	if err != nil {
		return err
	}
	log, err := os.Create(s.w.dir + "/" + p.name + ".log")
	if err != nil {
		return err
	}
	p.Cmd = exec.Command(os.Args[0])
	p.Env = append(os.Environ(), asProgram+"="+string(text))
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.Stderr = log
	out, err := p.StdoutPipe()
	if err != nil {
		return err
	}
	started := make(chan error)
	go p.attend(log, started)
	if err := <-started; err != nil {
		return err
	}
	s.process.Store(p)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		p.kill()
		return fmt.Errorf("%s did not get ready: %w", p.name, err)
	}
	p.url = strings.TrimSpace(strings.TrimPrefix(line, "ready"))
	return nil
}

// attend stays with the process on one thread: with that thread it would end.
func (p *process) attend(log io.Closer, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.ended)
	defer log.Close()
	err := p.Start()
	started <- err
	if err == nil {
		p.ProcessState, p.failed = p.Process.Wait()
	}
}

// kill is kill -9, and waits for the end.
func (p *process) kill() {
	p.signal(syscall.SIGCONT)
	p.signal(syscall.SIGKILL)
	<-p.ended
}

func (p *process) signal(s syscall.Signal) {
	_ = p.Process.Signal(s) // it may have ended
}

// within waits so long for the process to end.
func (p *process) within(most time.Duration) {
	select {
	case <-p.ended:
	case <-time.After(most):
	}
}

// lives tells whether the process has not ended.
func (p *process) lives() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// killed kills the seat's process, if there is one, and says so.
func (s *seat) killed(what string) {
	p := s.process.Load()
	if p == nil {
		return
	}
	p.kill()
	s.w.suffered(trouble{p.name, what, time.Now().Add(-time.Second), time.Now()})
}

// revive starts another process, also if the world is not yet fit for it.
func (s *seat) revive(fail ...failpoint) (err error) {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if err = s.start(fail...); err == nil {
			return nil
		}
	}
	return err
}

// leave ends the seat's process in order, if it lives.
func (s *seat) leave() error {
	p := s.process.Load()
	if p == nil || !p.lives() {
		return nil
	}
	p.signal(syscall.SIGTERM)
	if p.within(35 * time.Second); p.lives() {
		p.signal(syscall.SIGQUIT) // its log then says where it hangs
		p.within(5 * time.Second)
		p.kill()
		return errors.New("it did not end in order")
	}
	if !p.ProcessState.Success() {
		return fmt.Errorf("it ended with %v", p.ProcessState)
	}
	return p.failed
}

// rest ends all processes in order.
func (w *world) rest() {
	for _, s := range w.seats {
		if err := s.leave(); err != nil {
			w.t.Errorf("%s: %v", s.process.Load().name, err)
		}
	}
}

// urls are where servers may answer now.
func (w *world) urls() (urls []string) {
	for _, s := range w.seats {
		if p := s.process.Load(); p != nil && p.url != "" {
			urls = append(urls, p.url)
		}
	}
	return urls
}

var errEnded = errors.New("the process has ended")
