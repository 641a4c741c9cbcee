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
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/offprint/offprint/internal/daemon"
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
	*daemon.Daemon
	bin string
}

// Start starts a server; its programs are those of the highest version at hand.
func Start(ctx context.Context) (*Server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	d, err := daemon.New("pg", syscall.SIGQUIT, "postgres", "nobody") // a socket's path has 107 bytes at most
	if err != nil {
		return nil, err
	}
	s := &Server{d, bin}
	init := d.Command(filepath.Join(bin, "initdb"), "-D", d.Dir+"/data", "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	if out, err := init.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w\n%s", err, out), os.RemoveAll(d.Dir))
	}
	if err := s.Run(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(d.Dir))
	}
	return s, nil
}

// Run starts the server's process, also again after Halt, and waits until it
// answers.
func (s *Server) Run(ctx context.Context) error {
	err := s.Daemon.Run(s.Command(filepath.Join(s.bin, "postgres"), "-D", s.Dir+"/data", "-k", s.Dir, "-c", "listen_addresses=",
		"-c", "fsync=off", "-c", "synchronous_commit=on", "-c", "full_page_writes=off", "-c", "max_connections=200", "-c", "shared_buffers=64MB"))
	if err != nil {
		return err
	}
	return s.ready(ctx)
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
	return "postgres://test@/" + database + "?host=" + s.Dir
}

func (s *Server) create(ctx context.Context, name string) (string, error) {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return "", err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE template0")
	return s.URL(name), errors.Join(err, conn.Close(ctx))
}

// Stop ends the process and deletes the data. Halt keeps them: by SIGINT it is
// a fast shutdown, by SIGQUIT a crash.
func (s *Server) Stop() { s.Daemon.Stop(syscall.SIGINT) }

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
