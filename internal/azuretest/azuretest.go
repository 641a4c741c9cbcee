// Package azuretest gives tests a private server of Azure's blobs, azurite: one
// for a test binary, on a port of this machine, one container for a test.
//
//	defer azuretest.Stop()                            // in TestMain
//	func TestSomething(t *testing.T) { c := azuretest.Make(t) … }
//
// The server starts with the first container asked for. It is a third of a
// gigabyte and needs Node, so make prove puts it into the user's cache, and
// where it is not the test is skipped; with CI=true it fails.
package azuretest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/offprint/offprint/internal/daemon"
)

// one server a test binary: the state of Stop, which alone may end it.
var one struct {
	sync.Mutex
	server *server
	err    error
}

// Stop ends the server behind Make, if one was started.
func Stop() {
	one.Lock()
	defer one.Unlock()
	if one.server != nil {
		one.server.Stop(syscall.SIGKILL)
		one.server = nil
	}
}

// Account is the only one that the server knows, and Key its key.
const Account = "tests"

var Key = base64.StdEncoding.EncodeToString([]byte("the key of an account for tests"))

// A Container is a fresh one on a server that tests share.
type Container struct {
	Name   string
	Server string // its address, without the account
}

// URL is the address of a store in the container.
func (c Container) URL(prefix string) string { return c.At(c.Server, prefix) }

// At is URL where another address stands before the server.
func (c Container) At(server, prefix string) string {
	return "azure://" + Account + "/" + c.Name + "/" + prefix + "?endpoint=" + server + "/" + Account
}

// Make makes a container.
func Make(t testing.TB) Container {
	t.Helper()
	program, err := program()
	if err != nil && os.Getenv("CI") != "true" {
		t.Skipf("NOT TESTED on Azure's blobs: %v", err)
	}
	one.Lock()
	defer one.Unlock()
	if one.server == nil && one.err == nil {
		if one.err = err; err == nil {
			one.server, one.err = start(context.WithoutCancel(t.Context()), program)
		}
	}
	if one.err != nil {
		t.Fatalf("start azurite: %v", one.err)
	}
	c, err := one.server.make(t.Context())
	if err != nil {
		t.Fatalf("make a container: %v", err)
	}
	return c
}

type server struct {
	*daemon.Daemon
	address string
	made    int
}

func start(ctx context.Context, program string) (*server, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	d, err := daemon.New("offprint-azure-", syscall.SIGKILL)
	if err != nil {
		return nil, err
	}
	s := &server{Daemon: d, address: address}
	cmd := d.Command("node", program, "--blobHost", "127.0.0.1", "--blobPort", port, "--location", d.Dir, "--silent", "--skipApiVersionCheck", "--disableTelemetry")
	cmd.Env = append(cmd.Env, "AZURITE_ACCOUNTS="+Account+":"+Key, "HOME="+d.Dir)
	if err := errors.Join(d.Run(cmd), s.ready(ctx)); err != nil {
		return nil, errors.Join(err, os.RemoveAll(d.Dir))
	}
	return s, nil
}

func (s *server) ready(ctx context.Context) error {
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.address)
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

func (s *server) make(ctx context.Context) (Container, error) {
	s.made++
	c := Container{"container-" + strconv.Itoa(s.made), "http://" + s.address}
	key, err := container.NewSharedKeyCredential(Account, Key)
	if err != nil {
		return c, err
	}
	client, err := container.NewClientWithSharedKeyCredential(c.Server+"/"+Account+"/"+c.Name, key, nil)
	if err != nil {
		return c, err
	}
	_, err = client.Create(ctx, nil)
	return c, err
}

func program() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, "offprint-test", "azurite-3.37.0", "node_modules", "azurite", "dist", "src", "blob", "main.js")
	if _, err := os.Stat(path); err != nil {
		return "", errors.New("azurite is not installed; .ci/parts azurite installs it")
	}
	return path, nil
}
