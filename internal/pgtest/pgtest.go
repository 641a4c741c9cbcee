// Package pgtest gives tests a private PostgreSQL: one server for a test
// binary, on a Unix socket in a folder of its own, one database for a test.
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//	func TestSomething(t *testing.T) { url := pgtest.URL(t) … }
//
// The server starts with the first URL asked for and ends with the tests. The
// machine needs PostgreSQL's programs (Debian: postgresql), or PG_BINDIR.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// one server a test binary: the state of Main, which alone may end it.
var one struct {
	sync.Mutex
	server *Server
	err    error
	made   int
}

// Main runs the tests and then ends the server, if one was started.
func Main(m *testing.M) {
	code := m.Run()
	Stop()
	os.Exit(code)
}

// Stop ends the server behind URL, for a TestMain that cannot call Main.
func Stop() {
	one.Lock()
	defer one.Unlock()
	if one.server != nil {
		one.server.Stop()
		one.server = nil
	}
}

// URL is a fresh, empty database. A machine without PostgreSQL fails the test.
func URL(t testing.TB) string {
	t.Helper()
	one.Lock()
	defer one.Unlock()
	if one.server == nil && one.err == nil {
		one.server, one.err = Start(context.WithoutCancel(t.Context()))
	}
	if one.err != nil {
		t.Fatalf("start PostgreSQL: %v", one.err)
	}
	one.made++
	url, err := one.server.create(t.Context(), "t"+strconv.Itoa(one.made))
	if err != nil {
		t.Fatalf("create database: %v", err)
	}
	return url
}

// A Server is a running PostgreSQL of our own.
type Server struct {
	dir  string
	bin  string
	attr *syscall.SysProcAttr
	done chan struct{} // closed when the starting thread has seen it end
	quit chan syscall.Signal
}

// Start starts a server; its programs are those of the highest version at hand.
func Start(ctx context.Context) (*Server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pg") // a socket's path has 107 bytes at most
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, bin: bin, attr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}}
	if err := s.own(); err != nil {
		return nil, err
	}
	init := s.command("initdb", "-D", dir+"/data", "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	if out, err := init.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w\n%s", err, out), os.RemoveAll(dir))
	}
	if err := s.Run(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// own hands the folder to an ordinary user: PostgreSQL refuses to run as root.
func (s *Server) own() error {
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return err
	}
	uid, errU := strconv.Atoi(u.Uid)
	gid, errG := strconv.Atoi(u.Gid)
	s.attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return errors.Join(errU, errG, os.Chown(s.dir, uid, gid))
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.SysProcAttr, cmd.Dir, cmd.Env = s.attr, s.dir, []string{"LC_ALL=C", "PATH=/usr/bin:/bin", "TZ=UTC"}
	return cmd
}

// Run starts the server's process, also again after Halt, and waits until it
// answers.
func (s *Server) Run(ctx context.Context) error {
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	pg := s.command("postgres", "-D", s.dir+"/data", "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "synchronous_commit=on",
		"-c", "full_page_writes=off", "-c", "max_connections=200", "-c", "shared_buffers=64MB")
	pg.Stdout, pg.Stderr = log, log
	s.done, s.quit = make(chan struct{}), make(chan syscall.Signal, 1)
	started := make(chan error)
	go s.attend(pg, log, started)
	if err := <-started; err != nil {
		return err
	}
	return s.ready(ctx)
}

// attend starts pg and stays with it on one thread: Pdeathsig fires when the
// thread that started the process ends, not the program.
func (s *Server) attend(pg *exec.Cmd, log *os.File, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(s.done)
	defer log.Close()
	err := pg.Start()
	started <- err
	if err != nil {
		return
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := pg.Wait(); err != nil {
			fmt.Fprintln(log, "ended:", err)
		}
	}()
	select {
	case <-ended:
	case how := <-s.quit:
		if err := pg.Process.Signal(how); err != nil {
			fmt.Fprintln(log, "signal:", err)
		}
		<-ended
	}
}

func (s *Server) ready(ctx context.Context) error {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		if time.Now().After(end) {
			s.Halt(syscall.SIGQUIT)
			return err
		}
	}
}

// URL is the address of a database of this server.
func (s *Server) URL(database string) string {
	return "postgres://test@/" + database + "?host=" + s.dir
}

func (s *Server) create(ctx context.Context, name string) (string, error) {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return "", err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE template0")
	return s.URL(name), errors.Join(err, conn.Close(ctx))
}

// Halt ends the process and keeps the data: SIGINT is a fast shutdown, SIGQUIT
// a crash.
func (s *Server) Halt(how syscall.Signal) {
	select {
	case s.quit <- how:
	case <-s.done:
	}
	<-s.done
}

// Stop ends the process and deletes the data.
func (s *Server) Stop() {
	s.Halt(syscall.SIGINT)
	if err := os.RemoveAll(s.dir); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
	}
}

func programs() (string, error) {
	if dir := os.Getenv("PG_BINDIR"); dir != "" {
		return dir, nil
	}
	best, dir := -1, ""
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	for _, p := range found {
		if n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(p)))); err == nil && n > best {
			best, dir = n, filepath.Dir(p)
		}
	}
	if dir != "" {
		return dir, nil
	}
	p, err := exec.LookPath("initdb")
	if err != nil {
		return "", errors.New("no PostgreSQL here. Install it (Debian: apt-get install postgresql), or set PG_BINDIR to its bin folder")
	}
	p, err = filepath.EvalSymlinks(p)
	return filepath.Dir(p), err
}
