// Package s3test gives tests a private S3 server, versitygw: one for a test
// binary, on a port of this machine, one bucket for a test.
//
//	defer s3test.Stop()                               // in TestMain
//	func TestSomething(t *testing.T) { bucket := s3test.Make(t) … }
//
// The server starts with the first bucket asked for. Its program is in the
// user's cache, where make parts puts it.
package s3test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/offprint/offprint/internal/daemon"
)

// one server a test binary: the state of Stop, which alone may end it.
var one struct {
	sync.Mutex
	server *Server
	err    error
}

// Stop ends the server behind Make, if one was started.
func Stop() {
	one.Lock()
	defer one.Unlock()
	if one.server != nil {
		one.server.Stop()
		one.server = nil
	}
}

// Make is a fresh bucket on a server that tests share.
func Make(t testing.TB) Bucket {
	t.Helper()
	one.Lock()
	defer one.Unlock()
	if one.server == nil && one.err == nil {
		one.server, one.err = Start(context.WithoutCancel(t.Context()))
	}
	if one.err != nil {
		t.Fatalf("start versitygw: %v", one.err)
	}
	bucket, err := one.server.Make()
	if err != nil {
		t.Fatalf("make a bucket: %v", err)
	}
	return bucket
}

// The only keys that a server knows.
const (
	Key    = "testkey"
	Secret = "testsecret"
)

// A Server is a running versitygw of our own.
type Server struct {
	*daemon.Daemon
	Address string // host and port, also after Halt
	made    int
}

// Start makes a server for a test that ends it by itself.
func Start(ctx context.Context) (*Server, error) {
	d, err := daemon.New("offprint-s3-", syscall.SIGKILL)
	if err != nil {
		return nil, err
	}
	s := &Server{Daemon: d}
	err = os.Mkdir(s.root(), 0o700)
	if err == nil {
		s.Address, err = free(ctx)
	}
	if err == nil {
		err = s.Run(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(d.Dir))
	}
	return s, nil
}

// free is an address that was free a moment ago: versitygw does not tell which
// it has taken.
func free(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// Run starts the server's process, also again after Halt, and waits until it
// answers.
func (s *Server) Run(ctx context.Context) error { return s.RunWith(ctx, Secret) }

// RunWith is Run with another secret of Key.
func (s *Server) RunWith(ctx context.Context, secret string) error {
	program, err := program()
	if err != nil {
		return err
	}
	cmd := s.Command(program, "--quiet", "--port", s.Address, "--region", "us-east-1", "posix", s.root())
	cmd.Env = append(cmd.Env, "ROOT_ACCESS_KEY="+Key, "ROOT_SECRET_KEY="+secret)
	if err := s.Daemon.Run(cmd); err != nil {
		return err
	}
	return s.ready(ctx)
}

func (s *Server) ready(ctx context.Context) error {
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-s.Ended():
			err = errors.Join(err, errors.New("it has ended"))
		default:
			if time.Now().Before(end) {
				continue
			}
		}
		log, unread := s.Log()
		s.Halt(syscall.SIGKILL)
		return errors.Join(fmt.Errorf("%w\n%s", err, log), unread)
	}
}

func (s *Server) root() string { return filepath.Join(s.Dir, "root") }

// Make makes a bucket.
func (s *Server) Make() (Bucket, error) {
	s.made++
	b := Bucket{Name: "bucket-" + strconv.Itoa(s.made), server: s}
	return b, os.Mkdir(filepath.Join(s.root(), b.Name), 0o700)
}

// Stop ends the process and deletes the data.
func (s *Server) Stop() { s.Daemon.Stop(syscall.SIGTERM) }

// A Bucket is a bucket of a server of ours.
type Bucket struct {
	Name   string
	server *Server
}

// URL is the address of a store in the bucket.
func (b Bucket) URL(prefix string) string { return b.At(b.server.Address, prefix) }

// At is URL where another address stands before the server.
func (b Bucket) At(address, prefix string) string {
	return "s3://" + b.Name + "/" + prefix + "?region=us-east-1&endpoint=http://" + address
}

// Server is the server's own address.
func (b Bucket) Server() string { return "http://" + b.server.Address }

// Parts are the files of what was not completed in the bucket.
func (b Bucket) Parts() (parts []string, err error) {
	err = filepath.WalkDir(filepath.Join(b.server.root(), b.Name, ".sgwtmp"), func(path string, entry os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err == nil && !entry.IsDir() {
			parts = append(parts, strings.TrimPrefix(path, b.server.root()))
		}
		return err
	})
	return parts, err
}

func program() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, "offprint-test", "versitygw-v1.8.0", "versitygw")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("no versitygw here; make parts builds it: %w", err)
	}
	return path, nil
}
